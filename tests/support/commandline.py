"""The `lambdaimg` command as a user runs it: a process of its own, in a project's folder."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

LIMIT_S = 150
"""Far more than any command takes; less than a test may, so that it is told which one hangs."""


@dataclass(frozen=True)
class Result:
    """How a command ended.

    Attributes:
        status: exit status; negative where a signal ended it.
        stdout: what it printed, as text.
        stderr: what it said.
        raw: stdout byte for byte.
    """

    status: int
    stdout: str
    stderr: str
    raw: bytes = b""

    def json(self) -> Any:
        """The one JSON document that `--json` prints."""
        return json.loads(self.raw)

    def ok(self) -> Result:
        """The result itself, once it is certain that the command ended well."""
        assert self.status == 0, f"status {self.status}\n{self.stdout}\n{self.stderr}"
        return self


@dataclass(frozen=True)
class CommandLine:
    """Runs `lambdaimg` with the variables given, on top of the tests' own clean environment.

    Attributes:
        folder: the working folder of every run.
        variables: laid over the environment of every run.
    """

    folder: Path
    variables: Mapping[str, str] = field(default_factory=dict)

    def __call__(
        self,
        *words: str | Path,
        stdin: bytes | str = b"",
        folder: Path | None = None,
        **variables: str,
    ) -> Result:
        """Run `lambdaimg WORDS` to its end. One that hangs fails the test, and shows its stacks."""
        with subprocess.Popen(
            self.command(words),
            cwd=folder or self.folder,
            env=self.environment(variables),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            given = stdin.encode() if isinstance(stdin, str) else stdin
            try:
                stdout, stderr = process.communicate(given, timeout=LIMIT_S)
            except BaseException as error:
                process.send_signal(signal.SIGABRT)
                if not isinstance(error, subprocess.TimeoutExpired):
                    raise
                stdout, stderr = process.communicate(timeout=LIMIT_S / 10)
                pytest.fail(f"{' '.join(map(str, words))}: hangs\n{stdout!r}\n{stderr.decode()}")
        out, err = (stream.decode("utf-8", "replace") for stream in (stdout, stderr))
        return Result(process.returncode, out, err, stdout)

    def start(self, *words: str | Path, **variables: str) -> subprocess.Popen[bytes]:
        """Start it and leave it running; the caller ends it."""
        return subprocess.Popen(
            self.command(words),
            cwd=self.folder,
            env=self.environment(variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def at(self, folder: Path, **variables: str) -> CommandLine:
        """The same command line in another folder, with more variables."""
        return CommandLine(folder, {**self.variables, **variables})

    def environment(self, variables: Mapping[str, str]) -> dict[str, str]:
        """The whole environment of a run."""
        # With its fault handler on, a process that is aborted tells what its threads did.
        return {"PYTHONFAULTHANDLER": "1", **os.environ, **self.variables, **variables}

    @staticmethod
    def command(words: Sequence[str | Path]) -> list[str]:
        """The command as a list of words."""
        return [sys.executable, "-m", "lambdaimg", *map(str, words)]
