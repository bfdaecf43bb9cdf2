"""A relay on loopback that passes connections on byte by byte and counts what goes through.

Counted are signed requests (calls of AWS), requests of the registry and the bytes of their
bodies. It is for a run of its own: what passes through it is not timed.
"""

from __future__ import annotations

import socket
import threading
from dataclasses import dataclass, field
from urllib.parse import urlsplit

PIECE = 1 << 16
REGISTRY = b" /v2/"


@dataclass
class Counts:
    """What went through.

    Attributes:
        calls: requests that were signed, which are calls of AWS.
        registry: requests of the registry.
        pushed: bytes of the bodies of those.
    """

    calls: int = 0
    registry: int = 0
    pushed: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)


class Relay:
    """A context manager; `url` is where it listens, `counts` what it has seen."""

    def __init__(self, upstream: str) -> None:
        parts = urlsplit(upstream)
        self.upstream = (parts.hostname or "", parts.port or 80)
        self.counts = Counts()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Relay:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(self.upstream)
            requests = Requests(self.counts)
            for source, sink, watch in ((client, server, requests), (server, client, None)):
                threading.Thread(target=carry, args=(source, sink, watch), daemon=True).start()


def carry(source: socket.socket, sink: socket.socket, watch: Requests | None) -> None:
    """Passes bytes on until the source ends."""
    try:
        while piece := source.recv(PIECE):
            if watch is not None:
                watch.feed(piece)
            sink.sendall(piece)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        source.close()
        sink.close()


class Requests:
    """Reads the requests of one connection as they pass (HTTP/1.1, bodies by length or chunks)."""

    def __init__(self, counts: Counts) -> None:
        self._counts = counts
        self._buffer = bytearray()
        self._left = 0
        self._chunked = self._registry = False

    def feed(self, piece: bytes) -> None:
        """Bytes as they come."""
        self._buffer += piece
        while self._buffer and self._step():
            pass

    def _step(self) -> bool:
        """Takes one part off the buffer; whether there was a whole one."""
        if self._left:
            taken = min(self._left, len(self._buffer))
            self._take(taken)
            self._left -= taken
            return True
        end = self._buffer.find(b"\r\n" if self._chunked else b"\r\n\r\n")
        if end < 0:
            return False
        if self._chunked:
            line = bytes(self._buffer[:end])
            del self._buffer[: end + 2]
            size = int(line.split(b";")[0] or b"0", 16) if line else -1
            if size == 0:
                self._chunked = False
                self._left = 2
                self._registry = False
            elif size > 0:
                self._left = size
            return True
        head = bytes(self._buffer[:end])
        del self._buffer[: end + 4]
        self._head(head)
        return True

    def _take(self, size: int) -> None:
        del self._buffer[:size]
        if self._registry:
            with self._counts.lock:
                self._counts.pushed += size

    def _head(self, head: bytes) -> None:
        first, *lines = head.split(b"\r\n")
        headers = {k.lower(): v.strip() for k, _, v in (line.partition(b":") for line in lines)}
        self._registry = REGISTRY in first
        self._left = int(headers.get(b"content-length", b"0"))
        self._chunked = headers.get(b"transfer-encoding", b"").lower() == b"chunked"
        with self._counts.lock:
            self._counts.registry += self._registry
            self._counts.calls += b"AWS4-HMAC" in headers.get(b"authorization", b"")
