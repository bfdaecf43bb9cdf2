from __future__ import annotations

import os
from pathlib import Path


def test_the_emulator_is_fetched_as_an_executable(rie_binary: Path) -> None:
    assert os.access(rie_binary, os.X_OK)
    assert rie_binary.read_bytes()[:4] == b"\x7fELF"
