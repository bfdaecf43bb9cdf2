"""The contenders, each started on the same image and taken down again."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench._project import KIT
from bench.emulator.load import Caller

FUNCTION = "bench"


@dataclass(frozen=True)
class Ground:
    """What all contenders share.

    Attributes:
        folder: the project, with `template.yaml` for SAM and `event.json`.
        image: the image's name.
        env: the environment of every command.
        sam: SAM CLI's command.
        rie: the Runtime Interface Emulator.
    """

    folder: Path
    image: str
    env: dict[str, str]
    sam: Path
    rie: Path

    def write_template(self) -> None:
        """What SAM needs to know of the function."""
        (self.folder / "template.yaml").write_text(
            "AWSTemplateFormatVersion: '2010-09-09'\n"
            "Transform: AWS::Serverless-2016-10-31\n"
            "Resources:\n"
            f"  {FUNCTION}:\n"
            "    Type: AWS::Serverless::Function\n"
            "    Properties:\n"
            "      PackageType: Image\n"
            f"      ImageUri: {self.image}:latest\n"
            "      Timeout: 30\n"
            "      MemorySize: 256\n"
        )
        (self.folder / "event.json").write_text('{"name": "bench"}')


@dataclass(frozen=True)
class Endpoint:
    """Where events are sent to, and the process that serves them (None: not ours to look at)."""

    port: int
    function: str
    pid: int | None = None


def answered(command: list[str | Path], ground: Ground) -> float:
    """Milliseconds from the start of a command to the first byte of its answer."""
    begun = time.perf_counter()
    process = subprocess.Popen(
        list(map(str, command)),
        cwd=ground.folder,
        env=ground.env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
    )
    if process.stdout is None:
        raise RuntimeError("no stdout")
    first = process.stdout.read(1)
    seconds = time.perf_counter() - begun
    _, said = process.communicate()
    if process.returncode or not first:
        raise RuntimeError(f"{command}: {said.decode('utf-8', 'replace')[-2000:]}")
    return seconds * 1e3


def cold_run(ground: Ground) -> float:
    """`lambdaimg run` of the project, whose image is up to date."""
    return answered([KIT, "run", "--payload", "event.json"], ground)


def cold_run_image(ground: Ground) -> float:
    """`lambdaimg run --image`."""
    return answered([KIT, "run", "--image", ground.image, "--payload", "event.json"], ground)


def cold_sam(ground: Ground) -> float:
    """`sam local invoke`."""
    return answered(
        [ground.sam, "local", "invoke", FUNCTION, "--event", "event.json", "--skip-pull-image"],
        ground,
    )


def cold_rie(ground: Ground) -> float:
    """`docker run` of the image with the emulator as its entrypoint, until it has answered."""
    begun = time.perf_counter()
    with rie_container(ground) as endpoint:
        await_answer(endpoint)
        return (time.perf_counter() - begun) * 1e3


def await_answer(endpoint: Endpoint, patience: float = 60.0) -> None:
    """Send events until one is answered. Raises: RuntimeError."""
    limit = time.monotonic() + patience
    while time.monotonic() < limit:
        caller = Caller(endpoint.port, endpoint.function)
        with contextlib.suppress(OSError, RuntimeError, IndexError):
            caller.call()
            caller.close()
            return
        caller.close()
        time.sleep(0.002)
    raise RuntimeError("no answer")


@contextmanager
def serving(ground: Ground, environments: int, command: str = "serve") -> Iterator[Endpoint]:
    """`lambdaimg serve`."""
    options = ["--port", "0", "--json", "--concurrency", str(environments)]
    source = ["--image", ground.image] if command == "serve" else []
    log = ground.folder.with_name(f"{ground.folder.name}-{command}.log")
    with log.open("w") as stderr:
        process = subprocess.Popen(
            [KIT, command, *source, *options],
            cwd=ground.folder,
            env=ground.env,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )
    try:
        text = ""
        while not text.endswith("\n}\n"):
            line = process.stdout.readline() if process.stdout else ""
            if not line:
                raise RuntimeError(f"lambdaimg {command} ended: {text}{log.read_text()[-2000:]}")
            text += line
        result: dict[str, Any] = json.loads(text)["result"]
        port = int(result["endpoint"].rpartition(":")[2])
        endpoint = Endpoint(port, "function", process.pid)
        await_answer(endpoint)
        yield endpoint
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate()
        log.unlink()


@contextmanager
def sam_serving(ground: Ground, port: int) -> Iterator[Endpoint]:
    """`sam local start-lambda`, which keeps one container per function warm."""
    command = [ground.sam, "local", "start-lambda", "--port", port, "--skip-pull-image"]
    process = subprocess.Popen(
        [*map(str, command), "--warm-containers", "EAGER"],
        cwd=ground.folder,
        env=ground.env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        endpoint = Endpoint(port, FUNCTION, process.pid)
        await_answer(endpoint)
        yield endpoint
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.communicate()


@contextmanager
def rie_container(ground: Ground) -> Iterator[Endpoint]:
    """The image with the Runtime Interface Emulator mounted, behind a published port."""
    facts = json.loads(docker("image", "inspect", ground.image))[0]["Config"]
    words = [*(facts["Entrypoint"] or []), *(facts["Cmd"] or [])]
    name = docker(
        *("run", "-d", "--rm", "-p", "127.0.0.1::8080", "-v", f"{ground.rie}:/rie:ro"),
        *("-m", "256m", "--entrypoint", "/rie", ground.image, *words),
    ).strip()
    try:
        port = int(docker("port", name, "8080").strip().splitlines()[0].rpartition(":")[2])
        yield Endpoint(port, "function")
    finally:
        docker("kill", name)


def docker(*words: str) -> str:
    """A command of Docker's; what it printed. Raises: RuntimeError."""
    done = subprocess.run(["docker", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"docker {words[0]}: {done.stderr}")
    return done.stdout
