from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


def test_the_demo_shows_both_answers_and_leaves_nothing(
    engine: Any, base_image: str, tmp_path: Path
) -> None:
    """With settings of the developer's around it, which are not the demo's."""
    environment = {**os.environ, "TMPDIR": str(tmp_path), "FUNCTION_NAME": "mine"}
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "demo"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert '"message": "Hello, Lambda!"' in done.stdout
    assert "message: a message from the queue" in done.stdout
    assert re.search(r"deploy +pushed +localhost:\d+/lambdaimg-demo@sha256:", done.stdout)
    assert "mine" not in done.stdout
    assert "stopped (process " in done.stdout
    assert list(tmp_path.iterdir()) == []
