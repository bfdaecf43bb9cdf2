"""scripts/engine where an engine answers, and where none can be had. That it starts one of its own
is seen wherever the whole suite runs on a machine without one."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "engine"
BUNDLES = ("PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
NOBODY = 65534


def run(*words: str, stdin: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
    outer = {k: v for k, v in os.environ.items() if k not in BUNDLES}
    outer.pop("LAMBDAIMG_BUILD_CA_BUNDLE", None)
    return subprocess.run(
        [SCRIPT, *words],
        input=stdin,
        env={**outer, **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_has_the_engine_its_input_and_its_status(engine: Any, base_image: str) -> None:
    code = "import os, sys; print(os.environ.get('DOCKER_HOST')); print(input()); sys.exit(7)"
    done = run("run", "--", sys.executable, "-c", code, stdin="typed\n")
    assert (done.returncode, done.stderr) == (7, "")
    host, typed = done.stdout.splitlines()
    assert host == os.environ.get("DOCKER_HOST", host)
    assert typed == "typed"


def test_the_bundle_that_pip_trusts_is_handed_to_builds(base_image: str, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle.pem"
    bundle.touch()
    show = ("run", "sh", "-c", 'echo "$LAMBDAIMG_BUILD_CA_BUNDLE"')
    missing = str(tmp_path / "missing")
    assert run(*show, PIP_CERT=missing, SSL_CERT_FILE=str(bundle)).stdout == f"{bundle}\n"
    chosen = run(*show, PIP_CERT=str(bundle), LAMBDAIMG_BUILD_CA_BUNDLE="/chosen")
    assert chosen.stdout == "/chosen\n"
    assert run(*show).stdout == "\n"


def test_a_signal_to_the_script_alone_reaches_the_command(base_image: str) -> None:
    code = (
        "import signal, sys\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(5))\n"
        "print('up', flush=True)\n"
        "signal.pause()\n"
    )
    words = [SCRIPT, "run", "--", sys.executable, "-c", code]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 5


@pytest.mark.parametrize("words", [(), ("start",), ("run",), ("run", "--")])
def test_wrong_usage_is_status_2_and_says_what_is_right(words: tuple[str, ...]) -> None:
    done = run(*words)
    assert done.returncode == 2
    assert "usage: scripts/engine run" in done.stderr


@pytest.fixture
def readable() -> Iterator[Path]:
    """A copy of the script that any user can read."""
    folder = Path(tempfile.mkdtemp(prefix="lambdaimg-tests-"))
    copy = folder / "scripts" / "engine"
    copy.parent.mkdir()
    shutil.copy(SCRIPT, copy)
    for path in (folder, copy.parent, copy):
        path.chmod(0o755)
    yield copy
    shutil.rmtree(folder)


def test_without_an_engine_and_without_rights_it_says_what_to_do(readable: Path) -> None:
    done = subprocess.run(
        [readable, "run", "--", "echo", "ran"],
        env={"PATH": os.environ["PATH"], "DOCKER_HOST": f"unix://{readable.parent}/none.sock"},
        user=NOBODY if os.getuid() == 0 else None,
        cwd=readable.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("engine: no Docker engine answers: start one")
