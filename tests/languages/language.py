"""The languages under test, and a function of the embedded kind for each way to reach an image."""

from __future__ import annotations

import http.client
import json
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lambdaimg.emulator.containers import DockerExecutor
from lambdaimg.emulator.function_pool import FunctionPool
from lambdaimg.emulator.protocol import FunctionSpec

HERE = Path(__file__).parent
INVOKE = "/2015-03-31/functions/function/invocations"
USER = "993:990"


@dataclass(frozen=True)
class Language:
    """A language and what is special about it.

    Attributes:
        name: as `init --lang` has it.
        stem: of the handler's name, for the files in `cases`: `cases` or `Cases`.
        raised: errorType of the handler's plain failure.
        exited: errorType where the handler exits.
        crashed: part of the errorMessage where it crashes.
        streams: whether it streams responses.
        lives_on: whether the process outlives an event, with its variables.
        growth_kb: memory that 1,000 events may cost.
    """

    name: str
    stem: str = "cases"
    raised: str = "Error"
    exited: str = "Runtime.ExitError"
    crashed: str = "Runtime exited with error: signal: segmentation fault"
    streams: bool = True
    lives_on: bool = True
    growth_kb: int = 1024

    @property
    def cases(self) -> Path:
        """The folder of its test handlers."""
        return HERE / "cases" / self.name

    def handler(self, file: str = "cases", function: str = "handler") -> str:
        """A handler's name; `file` in small letters."""
        return f"{file.capitalize() if self.stem[0].isupper() else file}.{function}"


BASH = Language("bash", streams=False, lives_on=False, exited="Error", crashed="status 137")
PERL = Language("perl", stem="Cases")
PHP = Language("php", raised="RuntimeException", crashed="exit status 1")
CPP = Language("cpp", raised="std::runtime_error")


class Served:
    """An image as a function of our own emulator, and all that it logs."""

    def __init__(self, spec: FunctionSpec, executor: DockerExecutor) -> None:
        self._log = bytearray()
        self._news = threading.Condition()
        self._pool = FunctionPool(spec, executor, log=self._take)
        self.invoke = self._pool.invoke
        self.close = self._pool.close

    def _take(self, _request_id: str, _source: str, data: bytes) -> None:
        with self._news:
            self._log += data
            self._news.notify_all()

    def logged(self, text: str) -> bytes:
        """The log once the text is in it: it comes after the answer, and by another way."""
        with self._news:
            came = self._news.wait_for(lambda: text.encode() in self._log, timeout=30)
            assert came, f"{text!r} is not in the log: {self._log[-2000:]!r}"
            return bytes(self._log)


@dataclass(frozen=True)
class Answer:
    """What came of an event, whoever ran it."""

    payload: bytes

    def json(self) -> Any:
        """The payload as JSON."""
        return json.loads(self.payload)

    def same(self) -> Any:
        """What must be the same wherever the image runs: request ids are not."""
        try:
            value = json.loads(re.sub(rb"RequestId: [-0-9a-f]{36} ", b"", self.payload))
        except ValueError:
            return self.payload
        if isinstance(value, dict):
            value.pop("requestId", None)
        return value


class Rie:
    """An image behind AWS's Runtime Interface Emulator, which is mounted into its container."""

    def __init__(
        self, engine: Any, binary: Path, image: str, handler: str, variables: Mapping[str, str]
    ) -> None:
        config = engine.images.get(image).attrs["Config"]
        self.container = engine.containers.run(
            image,
            entrypoint=["/rie", *config["Entrypoint"]],
            command=[handler],
            user=USER,
            read_only=True,
            tmpfs={"/tmp": "mode=1777"},
            volumes={str(binary): {"bind": "/rie", "mode": "ro"}},
            environment=dict(variables),
            ports={"8080/tcp": ("127.0.0.1", 0)},
            detach=True,
        )
        self.container.reload()
        self.port = int(self.container.ports["8080/tcp"][0]["HostPort"])

    def invoke(self, event: bytes) -> Answer:
        """Send an event; waits for the emulator to listen."""
        for _ in range(100):
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
            try:
                connection.request("POST", INVOKE, event)
                return Answer(connection.getresponse().read())
            except (ConnectionError, http.client.RemoteDisconnected):
                time.sleep(0.1)
            finally:
                connection.close()
        raise AssertionError(f"no answer: {self.container.logs().decode()}")

    def close(self) -> None:
        """Remove the container."""
        self.container.remove(force=True)
