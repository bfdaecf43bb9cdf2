"""BuildKit, by way of the `docker` command: the SDK does not speak its protocol.

`docker buildx build` where the plugin is installed; else `DOCKER_BUILDKIT=1 docker build` of a
command older than 23, which has BuildKit's client built in. The context goes in as a tar on
standard input, progress comes out as plain lines. Values of build args go by the environment,
so that no process list shows them.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from lambdaimg.container.buildlog import PlainLog
from lambdaimg.container.events import OnBuildEvent
from lambdaimg.container.job import Job, step_failed
from lambdaimg.errors import BuildError

END_GRACE_S = 10.0
"""Seconds that the command has for ending by itself when it is told to."""

_VERSION = re.compile(r"(\d+)\.(\d+)")
_OWN_VARIABLES = re.compile(
    r"PATH|HOME|DOCKER_.*|BUILDKIT_.*|BUILDX_.*|SSL_.*|.*_proxy", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Tool:
    """A `docker` command that can use BuildKit; `buildx` says whether by the plugin."""

    path: str
    buildx: bool

    @property
    def name(self) -> str:
        """What a user would type."""
        return "docker buildx build" if self.buildx else "DOCKER_BUILDKIT=1 docker build"


def find_tool(path: str | None = None) -> Tool | None:
    """The first `docker` command of the search path that can use BuildKit, or None.

    Args:
        path: folders separated as in `PATH`, which is the default.
    """
    for folder in (os.environ.get("PATH", "") if path is None else path).split(os.pathsep):
        command = shutil.which("docker", path=folder) if folder else None
        if command is None:
            continue
        if _answer(command, "buildx", "version") is not None:
            return Tool(command, buildx=True)
        version = _VERSION.search(_answer(command, "--version") or "")
        if version and (18, 9) <= (int(version[1]), int(version[2])) < (23, 0):
            return Tool(command, buildx=False)
    return None


def command_line(tool: Tool, job: Job, id_file: Path, environ: Mapping[str, str]) -> list[str]:
    """The arguments of the build; a value that `environ` does not hold is written out."""
    words = [tool.path, "buildx", "build"] if tool.buildx else [tool.path, "build"]
    if tool.buildx:
        words += ["--provenance=false", "--sbom=false", "--load"]
    words += ["--progress=plain", f"--platform={job.platform}", f"--iidfile={id_file}"]
    words += [f"--tag={job.tag}", f"--file={job.context.dockerfile}"]
    if job.no_cache:
        words.append("--no-cache")
    if job.target:
        words.append(f"--target={job.target}")
    words += [f"--label={key}={value}" for key, value in sorted(job.labels.items())]
    for key, value in sorted(job.args.items()):
        words += ["--build-arg", key if environ.get(key) == value else f"{key}={value}"]
    return [*words, "-"]


def run(tool: Tool, job: Job, on_event: OnBuildEvent, host: str | None = None) -> str:
    """Build with BuildKit.

    Returns:
        the image's ID.

    Raises:
        BuildError: a step failed, or the command could not be run.
        ProjectError: a file of the context cannot be read.
    """
    environ = _environment(job, host)
    log = PlainLog(job)
    with tempfile.TemporaryDirectory(prefix="lambdaimg-") as folder:
        id_file = Path(folder) / "image-id"
        try:
            process = subprocess.Popen(
                command_line(tool, job, id_file, environ),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=environ,
                cwd=folder,
                start_new_session=True,  # so that the plugin's process ends with the command
            )
        except OSError as exc:
            raise BuildError(f"{tool.path} cannot be run: {exc.strerror or exc}.") from exc
        status = _converse(process, job, log, on_event)
        if status != 0:
            raise step_failed(
                job, log.failed_instruction, log.reason(), log.output(), log.failed_step
            )
        return id_file.read_text(encoding="ascii").strip()


def _converse(
    process: subprocess.Popen[bytes], job: Job, log: PlainLog, on_event: OnBuildEvent
) -> int:
    """Send the context and read the progress at the same time; the exit status."""
    assert process.stdin is not None  # noqa: S101 - both are pipes
    assert process.stdout is not None  # noqa: S101
    sender = _Sender(job.context.stream(), process.stdin, process)
    sender.start()
    try:
        with job.cancel.ending(lambda: os.killpg(process.pid, signal.SIGTERM)):
            for line in process.stdout:
                for event in log.feed(line.decode("utf-8", "replace").rstrip("\r\n")):
                    on_event(event)
            status = process.wait()
    except BaseException:
        _end(process)
        raise
    finally:
        sender.join()
        process.stdout.close()
    if sender.failure is not None:
        raise sender.failure
    return status


class _Sender(threading.Thread):
    """Writes the context to the command; ends the command where the context fails."""

    def __init__(
        self, pieces: Iterator[bytes], pipe: IO[bytes], process: subprocess.Popen[bytes]
    ) -> None:
        super().__init__(name="lambdaimg-context", daemon=True)
        self._pieces, self._pipe, self._process = pieces, pipe, process
        self.failure: BaseException | None = None

    def run(self) -> None:
        try:
            for piece in self._pieces:
                self._pipe.write(piece)
            self._pipe.close()
        except BrokenPipeError:
            return  # the command has ended: its output and status tell why
        except BaseException as exc:
            self.failure = exc
            _end(self._process)


def _end(process: subprocess.Popen[bytes]) -> None:
    for sign in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, sign)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(END_GRACE_S)
            return


def _environment(job: Job, host: str | None) -> dict[str, str]:
    own = {key: value for key, value in job.args.items() if not _OWN_VARIABLES.fullmatch(key)}
    environ = {**os.environ, **own, "DOCKER_BUILDKIT": "1", "BUILDKIT_COLORS": "", "NO_COLOR": "1"}
    if host:
        environ["DOCKER_HOST"] = host
    return environ


def _answer(*words: str) -> str | None:
    try:
        done = subprocess.run(
            words, stdin=subprocess.DEVNULL, capture_output=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else None
