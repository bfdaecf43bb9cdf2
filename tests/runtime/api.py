"""A Runtime API for tests: a real server on loopback that offers events and keeps what is posted.

It runs in a thread of the test and serves one client process, over however many connections.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
HANDLERS = Path(__file__).parent / "handlers"
NO_ORJSON = Path(__file__).parent / "no_orjson"
PATIENCE = 20.0
NEXT = "/2018-06-01/runtime/invocation/next"


@dataclass
class Event:
    """What `next` answers.

    Attributes:
        request_id: its id.
        body: the event.
        headers: further header fields.
        status: what a post for it is answered with.
    """

    request_id: str
    body: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str | None = "application/json"
    status: int = 202

    def reply(self) -> bytes:
        fields = {
            "Lambda-Runtime-Aws-Request-Id": self.request_id,
            "Lambda-Runtime-Deadline-Ms": "4102444800000",
            "Lambda-Runtime-Invoked-Function-Arn": (
                "arn:aws:lambda:us-east-1:123456789012:function:f"
            ),
            "Content-Length": str(len(self.body)),
        }
        if self.content_type is not None:
            fields["Content-Type"] = self.content_type
        fields |= self.headers
        return answer(200, fields, self.body)


@dataclass
class Request:
    """A request of the client.

    Attributes:
        method, path: from its first line.
        headers, trailers: by lower-case name.
        body: without its transfer coding.
        chunks: the pieces of a chunked body, None where it was not chunked.
        whole: whether its end was seen.
    """

    method: str
    path: str
    headers: dict[str, str]
    body: bytes = b""
    chunks: list[bytes] | None = None
    trailers: dict[str, str] = field(default_factory=dict)
    whole: bool = True

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def request_id(self) -> str:
        parts = self.path.split("/")
        return parts[4] if parts[3] == "invocation" else ""

    @property
    def call(self) -> str:
        call = "/".join(self.path.split("/")[3:])
        return call.replace(f"/{self.request_id}", "") if self.request_id else call


def answer(status: int, headers: Mapping[str, str], body: bytes = b"") -> bytes:
    lines = [f"HTTP/1.1 {status} X", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join(lines).encode("utf-8") + b"\r\n\r\n" + body


class Api:
    """The server. Use as a context manager.

    Args:
        events: what is offered, in this order; `next` waits once there are no more.
        on_post: called with each post before it is answered.
    """

    def __init__(
        self, events: Sequence[Event] = (), on_post: Callable[[Request], None] | None = None
    ) -> None:
        self.events = list(events)
        self.requests: list[Request] = []
        self.connections = 0
        self.idle = threading.Event()
        self.on_next: Callable[[str], None] | None = None
        self._on_post = on_post
        self._offered: dict[str, Event] = {}
        self._changed = threading.Condition()
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Api:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        for sock in self._sockets:
            sock.close()

    @property
    def posts(self) -> list[Request]:
        return [one for one in self.requests if one.method == "POST"]

    def offer(self, event: Event) -> None:
        """One more event for a client that waits."""
        with self._changed:
            self.idle.clear()
            self.events.append(event)
            self._changed.notify_all()

    def await_idle(self) -> None:
        """Wait until the client asks for an event and there is none."""
        if not self.idle.wait(PATIENCE):
            raise AssertionError(f"the client does not ask for its next event: {self.requests}")

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections += 1
            self._sockets.append(sock)
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        try:
            with sock, sock.makefile("rb") as stream:
                while (request := self._read(stream)) is not None:
                    if request.path == NEXT:
                        if self.on_next:
                            self.on_next(self._last_id())
                        sock.sendall(self._next_event().reply())
                        continue
                    self.requests.append(request)
                    if self._on_post and request.method == "POST":
                        self._on_post(request)
                    sock.sendall(self._verdict(request))
        except (OSError, ValueError):
            return

    def _last_id(self) -> str:
        return list(self._offered)[-1] if self._offered else ""

    def _next_event(self) -> Event:
        with self._changed:
            if not self.events:
                self.idle.set()
            while not self.events:
                self._changed.wait()
            event = self.events.pop(0)
            self._offered[event.request_id] = event
            return event

    def _verdict(self, request: Request) -> bytes:
        status = 202 if request.method == "POST" else 200
        if request.request_id in self._offered:
            status = self._offered[request.request_id].status
        body = b'{"status":"OK"}\n'
        return answer(status, {"Content-Length": str(len(body))}, body)

    def _read(self, stream: Any) -> Request | None:
        first = stream.readline()
        if not first:
            return None
        method, path, _ = first.decode("latin-1").split()
        headers = self._fields(stream)
        request = Request(method, path, headers)
        if headers.get("transfer-encoding") == "chunked":
            self._read_chunks(stream, request)
        else:
            request.body = stream.read(int(headers.get("content-length", 0)))
        return request

    def _read_chunks(self, stream: Any, request: Request) -> None:
        request.chunks = []
        try:
            while size := int(stream.readline(), 16):
                request.chunks.append(stream.read(size))
                assert stream.readline() == b"\r\n"
            request.trailers = self._fields(stream)
        except (ValueError, OSError):
            request.whole = False
        request.body = b"".join(request.chunks)

    @staticmethod
    def _fields(stream: Any) -> dict[str, str]:
        fields = {}
        while (line := stream.readline().decode("utf-8").rstrip("\r\n")) != "":
            name, _, value = line.partition(":")
            fields[name.lower()] = value.strip()
        return fields


class Client:
    """A runtime process. Use as a context manager; it is ended by its process id.

    Args:
        command: what runs, after the interpreter.
        api: where it is to find the Runtime API.
        env: environment variables beyond those it needs.
    """

    def __init__(
        self,
        command: Sequence[str],
        api: Api,
        env: Mapping[str, str] | None = None,
        pass_fds: Sequence[int] = (),
        python: str = sys.executable,
    ) -> None:
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - closed in __exit__
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed in __exit__
        base = {
            "PATH": os.environ["PATH"],
            "AWS_LAMBDA_RUNTIME_API": api.address,
            "PYTHONPATH": os.pathsep.join(map(str, (NO_ORJSON, ROOT, HANDLERS))),
            "LAMBDA_TASK_ROOT": str(HANDLERS),
            "AWS_LAMBDA_FUNCTION_NAME": "f",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
            "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/f",
            "AWS_LAMBDA_LOG_STREAM_NAME": "2025/01/01/[$LATEST]1",
            "LANG": "C.UTF-8",
        }
        self.process = subprocess.Popen(
            [python, *command],
            env={**base, **(env or {})},
            cwd=HANDLERS,
            stdout=self._output,
            stderr=self._errors,
            pass_fds=pass_fds,
        )

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._output.close()
        self._errors.close()

    @property
    def output(self) -> str:
        return self._text(self._output)

    @property
    def errors(self) -> str:
        return self._text(self._errors)

    def ended(self) -> int:
        """Wait for its end. Returns: the exit status."""
        return self.process.wait(PATIENCE)

    @staticmethod
    def _text(file: Any) -> str:
        return os.pread(file.fileno(), 1 << 24, 0).decode("utf-8", "replace")


def ours(handler: str) -> list[str]:
    """The command of this project's runtime."""
    return ["-m", "lambdaimg.runtime", handler]


def aws(handler: str) -> list[str]:
    """The command of AWS's Python client."""
    return ["-m", "awslambdaric", handler]
