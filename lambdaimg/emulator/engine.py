"""The Docker Engine API, as far as running functions needs it, over a plain socket.

A call costs under a millisecond; the SDK's import alone would cost a quarter of a second. Every
call has a connection of its own, so any thread may make one. Paths have no version, which asks for
the engine's newest: what is used here is alike in all from 1.41 (Docker 20.10) on, and newer
engines refuse old versions.
"""

from __future__ import annotations

import json
import socket
from urllib.parse import quote, urlencode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    Dial = Callable[[], socket.socket]
    """Opens a connection to the engine; raises OSError."""

TIMEOUT = 60.0
"""Seconds without a sign from the engine until a call is given up."""


class EngineError(Exception):
    """The engine refused, with a status and a sentence, or (status 0) cannot be reached."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def dial_unix(path: str) -> Dial:
    """Connections to an engine's socket on this machine."""

    def dial() -> socket.socket:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.settimeout(TIMEOUT)
            sock.connect(path)
        except BaseException:
            sock.close()
            raise
        return sock

    return dial


class Engine:
    """Calls of one engine.

    Args:
        dial: opens connections; see `dial_unix`.
    """

    def __init__(self, dial: Dial) -> None:
        self._dial = dial

    def get(self, path: str, **query: str) -> Any:
        """GET; the answer's JSON. Raises: EngineError."""
        return self._call("GET", path, query, None)

    def post(self, path: str, body: Mapping[str, Any] | None = None, **query: str) -> Any:
        """POST; the answer's JSON, None where it is empty. Raises: EngineError."""
        return self._call("POST", path, query, body)

    def remove(self, container: str) -> None:
        """Kill and remove a container with its volumes; one that is gone is no error.

        Raises:
            EngineError: the engine cannot do it.
        """
        try:
            self._call("DELETE", f"/containers/{container}", {"force": "1", "v": "1"}, None)
        except EngineError as error:
            # 409: somebody else is removing it already.
            if error.status not in (404, 409):
                raise

    def containers(self, label: str) -> list[dict[str, Any]]:
        """Containers, running or not, that have the label. Raises: EngineError."""
        found = self.get("/containers/json", all="1", filters=json.dumps({"label": [label]}))
        return list(found)

    def attach(self, container: str, stdin: bool = False) -> tuple[socket.socket, bytes]:
        """The container's output as it comes: a socket, and what has already come.

        With `stdin`, what is sent goes to the container's stdin.

        Output comes in frames: a byte for the stream (1 stdout, 2 stderr), three zero bytes,
        four bytes of length (big-endian), the data.

        Raises:
            EngineError: the engine refused.
        """
        target = f"/containers/{container}/attach?stream=1&stdout=1&stderr=1&stdin={stdin:d}"
        sock = self._open("POST", target, b"")
        try:
            status, _, rest = _read_head(sock)
            if status not in (101, 200):
                raise EngineError(status, _message(rest))
        except BaseException:
            sock.close()
            raise
        return sock, rest

    def image(self, name: str) -> dict[str, Any]:
        """An image as the engine describes it. Raises: EngineError, 404 if it has none."""
        return dict(self.get(f"/images/{quote(name, safe='/:@')}/json"))

    def _call(
        self, method: str, path: str, query: Mapping[str, str], body: Mapping[str, Any] | None
    ) -> Any:
        target = f"{path}?{urlencode(query)}" if query else path
        sock = self._open(method, target, b"" if body is None else json.dumps(body).encode())
        try:
            status, headers, rest = _read_head(sock)
            data = _read_body(sock, status, headers, rest)
        finally:
            sock.close()
        if status >= 400:
            raise EngineError(status, _message(data))
        return json.loads(data) if data else None

    def _open(self, method: str, target: str, body: bytes) -> socket.socket:
        head = (
            f"{method} {target} HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        try:
            sock = self._dial()
        except OSError as error:
            raise EngineError(0, f"The Docker engine cannot be reached: {error}") from error
        try:
            sock.sendall(head.encode() + body)
        except OSError as error:
            sock.close()
            raise EngineError(0, f"The Docker engine cannot be reached: {error}") from error
        return sock


def _received(sock: socket.socket) -> bytes:
    try:
        return sock.recv(65536)
    except OSError as error:
        raise EngineError(0, f"The Docker engine does not answer: {error}") from error


def _read_head(sock: socket.socket) -> tuple[int, dict[str, str], bytes]:
    data = b""
    while b"\r\n\r\n" not in data:
        piece = _received(sock)
        if not piece:
            raise EngineError(0, "The Docker engine closed the connection.")
        data += piece
    head, _, rest = data.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    headers = {}
    for line in lines[1:]:
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip().lower()
    return int(lines[0].split(" ", 2)[1]), headers, rest


def _read_body(sock: socket.socket, status: int, headers: dict[str, str], rest: bytes) -> bytes:
    if status in (204, 304):
        return b""
    length = headers.get("content-length")
    data = bytearray(rest)
    while length is None or len(data) < int(length):
        piece = _received(sock)
        if not piece:
            break
        data += piece
    if headers.get("transfer-encoding") == "chunked":
        return _unchunk(bytes(data))
    return bytes(data)


def _unchunk(data: bytes) -> bytes:
    out = bytearray()
    while data:
        size, _, data = data.partition(b"\r\n")
        count = int(size.partition(b";")[0] or b"0", 16)
        if not count:
            break
        out += data[:count]
        data = data[count + 2 :]
    return bytes(out)


def _message(body: bytes) -> str:
    try:
        return str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        return body.decode("utf-8", "replace").strip() or "no reason given"
