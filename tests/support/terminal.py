"""A command at a terminal, where it may ask."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from tests.support.commandline import LIMIT_S


def at_terminal(
    command: Sequence[str], folder: Path, environment: Mapping[str, str], answer: str
) -> tuple[int, str]:
    """Runs a command with a terminal as its three streams; its exit status and what it showed.

    Args:
        command: its words.
        folder: the working folder.
        environment: all of it.
        answer: what is typed; it waits there until the command reads.
    """
    ours, theirs = os.openpty()
    try:
        os.write(ours, answer.encode())
        with subprocess.Popen(
            command, cwd=folder, env=environment, stdin=theirs, stdout=theirs, stderr=theirs
        ) as process:
            os.close(theirs)
            shown = b""
            with suppress(OSError):  # the end of a terminal that nobody holds any more
                while piece := os.read(ours, 65_536):
                    shown += piece
            return process.wait(LIMIT_S), shown.decode("utf-8", "replace")
    finally:
        os.close(ours)
