"""The least Runtime API there can be: it hands out one event again and again, and takes the time.

One thread serves all connections, for a runtime may have several; it is pinned to the core that
the runtime is pinned to, since figures of two cores depend on which two they are.
"""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field

ACCEPTED = b"HTTP/1.1 202 Accepted\r\nContent-Length: 16\r\n\r\n" + b'{"status":"OK"}\n'
PATIENCE_S = 60.0


@dataclass
class Peer:
    """A connection and what has come over it."""

    socket: socket.socket
    data: bytearray = field(default_factory=bytearray)


class BenchApi:
    """Listens on loopback, for containers in the host's network."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.listener, selectors.EVENT_READ)
        self.waiting: Peer | None = None
        self.answer = b""

    @property
    def address(self) -> str:
        """The value of `AWS_LAMBDA_RUNTIME_API`."""
        return f"127.0.0.1:{self.listener.getsockname()[1]}"

    def reset(self) -> None:
        """Close what is open, before the next runtime starts."""
        for key in list(self.selector.get_map().values()):
            if isinstance(key.data, Peer):
                self.drop(key.data)
        self.waiting = None

    def drop(self, peer: Peer) -> None:
        """Close a connection."""
        self.selector.unregister(peer.socket)
        peer.socket.close()
        if self.waiting is peer:
            self.waiting = None

    def until(self, done: Callable[[], bool]) -> None:
        """Serve until something is so. Raises: TimeoutError."""
        limit = time.monotonic() + PATIENCE_S
        while not done():
            ready = self.selector.select(1.0)
            if not ready and time.monotonic() > limit:
                raise TimeoutError("the runtime does nothing")
            for key, _ in ready:
                if isinstance(key.data, Peer):
                    self.receive(key.data)
                else:
                    connection, _ = self.listener.accept()
                    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    self.selector.register(connection, selectors.EVENT_READ, Peer(connection))

    def receive(self, peer: Peer) -> None:
        """Take in what came, and answer it where it is a whole request."""
        came = time.perf_counter()
        try:
            data = peer.socket.recv(1 << 20)
        except ConnectionError:
            data = b""
        if not data:
            self.drop(peer)
            return
        if not peer.data and data.startswith(b"POST"):
            self.answered_at = came
        peer.data += data
        head, blank, rest = peer.data.partition(b"\r\n\r\n")
        if not blank:
            return
        length = 0
        for line in head.split(b"\r\n"):
            if line[:15].lower() == b"content-length:":
                length = int(line[15:])
        if len(rest) < length:
            return
        peer.data = bytearray(rest[length:])
        if head.startswith(b"GET"):
            self.waiting = peer
        else:
            self.answer = bytes(rest[:length])
            self.failed = b"/error " in head.split(b"\r\n")[0]
            self.posted += 1
            peer.socket.sendall(ACCEPTED)

    posted = 0
    failed = False
    answered_at = 0.0

    def ready(self) -> float:
        """Wait for a `next`; when it came, by `time.perf_counter`."""
        self.until(lambda: self.waiting is not None)
        return time.perf_counter()

    def event(self, message: bytes) -> float:
        """Hand out an event and wait for the answer and the next `next`.

        Returns:
            Seconds from the event's sending to the answer's arrival.

        Raises:
            RuntimeError: the runtime posted an error.
        """
        peer, self.waiting = self.waiting, None
        if peer is None:
            raise RuntimeError("no runtime waits for an event")
        posted = self.posted
        began = time.perf_counter()
        peer.socket.sendall(message)
        self.until(lambda: self.posted > posted and self.waiting is not None)
        if self.failed:
            raise RuntimeError(f"the handler failed: {self.answer[:300]!r}")
        return self.answered_at - began

    def close(self) -> None:
        """Close everything."""
        self.reset()
        self.selector.close()
        self.listener.close()


def message(event: bytes) -> bytes:
    """An answer to `next`, with the headers that Lambda sends."""
    lines = (
        "HTTP/1.1 200 OK",
        "Content-Type: application/json",
        "Lambda-Runtime-Aws-Request-Id: 8476a536-e9f4-11e8-9739-2dfe598c3fcd",
        "Lambda-Runtime-Deadline-Ms: 4102444800000",
        "Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:us-east-1:123456789012:function:bench",
        "Lambda-Runtime-Trace-Id: Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Sampled=0",
        f"Content-Length: {len(event)}",
    )
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + event
