"""Drives a runtime through cases and notes what can be seen of it."""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.runtime.api import HANDLERS, NO_ORJSON, ROOT, Api, Client, Event, Request
from tests.runtime.cases import Case, Load

_TIMES = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z")
_ADDRESSES = re.compile(r"0x[0-9a-f]{6,}")
_WARNING = re.compile(r"^.*LAMBDA_WARNING: .*\n?", re.MULTILINE)
_LEFT_OUT = frozenset(
    (
        "user-agent",
        "accept",
        "accept-encoding",
        "host",
        "content-length",
        "lambda-runtime-function-error-type",
    )
)


@dataclass
class Seen:
    """What was seen of one case.

    Attributes:
        posts: what was posted: call, header fields, body.
        log: what was written to standard output meanwhile, times made equal.
        frames: types and texts of the frames, where the log was framed.
        errors: what was written to standard error, where the process ended.
        status: the exit status, None where the process went on.
    """

    posts: list[tuple[str, dict[str, Any], Any]] = field(default_factory=list)
    log: str = ""
    frames: list[tuple[str, str]] = field(default_factory=list)
    errors: str = ""
    status: int | None = None


Command = Callable[[str], list[str]]


def drive(command: Command, cases: Iterable[Case]) -> dict[str, Seen]:
    """All cases, as few processes as possible: one per environment, another after each end."""
    seen: dict[str, Seen] = {}
    groups: dict[tuple[tuple[str, str], ...], list[Case]] = {}
    for case in cases:
        groups.setdefault(tuple(sorted(case.env.items())), []).append(case)
    for env, group in groups.items():
        rest = group
        while rest:
            done = _drive_one(command, dict(env), rest)
            seen |= done
            rest = rest[len(done) :]
    return seen


def _drive_one(command: Command, env: dict[str, str], cases: list[Case]) -> dict[str, Seen]:
    """Cases until the process ends; the last one in the answer is the one at which it did."""
    reader = _FrameReader() if env.pop("FRAMED", "") else None
    if reader:
        env["_LAMBDA_TELEMETRY_LOG_FD"] = str(reader.fd)
    events = [
        Event(case.id, case.body, case.headers, case.content_type, case.status) for case in cases
    ]
    marks: dict[str, int] = {}
    with Api(events) as api:
        fds = (reader.fd,) if reader else ()
        with Client(command("cases.handler"), api, env, fds) as client:
            output = client._output.fileno()
            api.on_next = lambda done: marks.setdefault(done, os.fstat(output).st_size)
            ended = _await_end_or_idle(client, api)
            if ended is not None:
                started = len(cases) - len(api.events)
                cases = cases[: max(1, started)]
            log = os.pread(output, 1 << 24, 0)
            errors = client.errors
        if reader:
            reader.close()
        seen = {}
        start = marks.get("", 0)
        for number, case in enumerate(cases):
            last = number == len(cases) - 1
            end = len(log) if last else marks[case.id]
            one = seen[case.id] = Seen(
                posts=[_noted(post) for post in api.posts if post.request_id == case.id],
                log=_plain(log[start:end].decode("utf-8", "replace")),
            )
            if reader and last:
                one.frames = reader.frames
            if last and ended is not None:
                one.status, one.errors = ended, errors
            start = end
        return seen


def load(command: Command, case: Load, folder: Path) -> Seen:
    """One handler that is loaded, and called once where that succeeds."""
    (folder / "mod.py").write_text(case.source)
    env = {"PYTHONPATH": os.pathsep.join(_path(folder)), **case.env}
    with Api([Event("one")]) as api, Client(command(case.handler), api, env) as client:
        status = _await_end_or_idle(client, api)
        posts = [_noted(post) for post in api.posts]
        return Seen(posts, _plain(client.output), status=status)


def _path(folder: Path) -> list[str]:
    return [str(folder), str(NO_ORJSON), str(HANDLERS), str(ROOT)]


def _await_end_or_idle(client: Client, api: Api) -> int | None:
    """The exit status, or None once the process waits for an event that does not come."""
    ended: list[int] = []
    done = threading.Event()

    def wait() -> None:
        ended.append(client.process.wait())
        done.set()
        api.idle.set()

    threading.Thread(target=wait, daemon=True).start()
    api.await_idle()
    return ended[0] if done.is_set() else None


def _noted(post: Request) -> tuple[str, dict[str, Any], Any]:
    headers: dict[str, Any] = {k: v for k, v in post.headers.items() if k not in _LEFT_OUT}
    cause = "lambda-runtime-function-xray-error-cause"
    if headers.get(cause):
        headers[cause] = json.loads(headers[cause])
        headers[cause]["paths"].sort()
    else:
        headers.pop(cause, None)
    if post.call == "init/error":
        headers.pop("content-type", None)
    body: Any = post.body
    if post.call != "invocation/response":
        body = json.loads(body)
        body.pop("requestId")
    return post.call, headers, body


def _plain(text: str) -> str:
    text = _WARNING.sub("", text.replace("\r\n", "\n"))
    return _ADDRESSES.sub("0x", _TIMES.sub("TIME", text))


class _FrameReader:
    """The other end of a framed log."""

    def __init__(self) -> None:
        self._read, self.fd = os.pipe()
        os.set_inheritable(self.fd, True)
        self.frames: list[tuple[str, str]] = []
        self._data = b""
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while part := os.read(self._read, 65536):
            self._data += part

    def close(self) -> None:
        os.close(self.fd)
        self._thread.join()
        os.close(self._read)
        data = self._data
        while data:
            size = int.from_bytes(data[4:8], "big")
            text = data[16 : 16 + size].decode()
            self.frames.append((data[:4].hex(), _plain(text)))
            data = data[16 + size :]
