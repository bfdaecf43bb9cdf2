"""The least Runtime API there can be: it hands out one event again and again, and watches.

It serves a client over any number of connections, one request at a time, and takes the times
between an event's last byte sent and its response's first byte seen.
"""

from __future__ import annotations

import os
import select
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ACCEPTED = b"HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: 0\r\n\r\n"


@dataclass
class Round:
    """What was measured over a number of events.

    Attributes:
        events: how many.
        cpu: seconds of the client process, user and system.
        wall: seconds for all of them.
        latencies: seconds from event to response, one per event.
    """

    events: int
    cpu: float
    wall: float
    latencies: list[float] = field(repr=False)


def event_head(size: int) -> bytes:
    """The head of an answer to `next`, with the headers that Lambda sends."""
    return (
        "HTTP/1.1 200 OK\r\n"
        "Content-Type: application/json\r\n"
        "Lambda-Runtime-Aws-Request-Id: 8476a536-e9f4-11e8-9739-2dfe598c3fcd\r\n"
        "Lambda-Runtime-Deadline-Ms: 4102444800000\r\n"
        "Lambda-Runtime-Invoked-Function-Arn: "
        "arn:aws:lambda:us-east-1:123456789012:function:echo\r\n"
        "Lambda-Runtime-Trace-Id: Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;"
        "Parent=9a9197af755a6419;Sampled=1\r\n"
        "Date: Mon, 01 Jan 2024 00:00:00 GMT\r\n"
        f"Content-Length: {size}\r\n\r\n"
    ).encode()


def cpu_seconds(pid: int) -> float:
    """CPU time of a process so far, threads that still run included, in seconds."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        total += int((task / "schedstat").read_text().split()[0])
    return total / 1e9


class Server:
    """Serves one client process. Use as a context manager.

    Args:
        command: the client, started with `AWS_LAMBDA_RUNTIME_API` set.
        env: its environment.
        cpu: the core that client and server are both bound to, None for any.
    """

    def __init__(
        self, command: Sequence[str], env: Mapping[str, str], cpu: int | None = None
    ) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        port = self._listener.getsockname()[1]
        self._affinity = os.sched_getaffinity(0)
        if cpu is not None:
            os.sched_setaffinity(0, {cpu})
        self._process = subprocess.Popen(
            command,
            env={**env, "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{port}"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._peers: list[_Peer] = []
        self._waiting: _Peer | None = None

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        os.sched_setaffinity(0, self._affinity)
        for peer in self._peers:
            peer.sock.close()
        self._listener.close()

    @property
    def pid(self) -> int:
        """The client's process id."""
        return self._process.pid

    def serve(self, body: bytes, events: int) -> Round:
        """Hand out an event `events` times; the client is left waiting for the next one.

        Raises:
            RuntimeError: the client did not answer an event, or asks for nothing.
        """
        reply = event_head(len(body)) + body
        if self._waiting is None:
            self._waiting = self._next()
        peer = self._waiting
        latencies = []
        cpu = cpu_seconds(self.pid)
        began = time.perf_counter()
        for _ in range(events):
            sent = time.perf_counter()
            peer.sock.sendall(reply)
            peer, head = self._request()
            latencies.append(time.perf_counter() - sent)
            if not head.startswith(b"POST") or b"/response" not in head[:120]:
                raise RuntimeError(f"no response but {head[:200]!r}")
            peer.skip_body(head)
            peer.sock.sendall(ACCEPTED)
            peer = self._next()
        wall = time.perf_counter() - began
        cpu = cpu_seconds(self.pid) - cpu
        self._waiting = peer
        return Round(events, cpu, wall, latencies)

    def _next(self) -> _Peer:
        peer, head = self._request()
        if not head.startswith(b"GET"):
            raise RuntimeError(f"no next but {head[:200]!r}")
        return peer

    def _request(self) -> tuple[_Peer, bytes]:
        """The head of the next request, over whichever connection it comes."""
        peer = self._peers[0] if len(self._peers) == 1 else self._readable()
        while True:
            head, mark, rest = peer.data.partition(b"\r\n\r\n")
            if mark:
                peer.data = rest
                return peer, head
            if not peer.read():
                self._peers.remove(peer)
                peer = self._readable()

    def _readable(self) -> _Peer:
        while True:
            socks = {peer.sock: peer for peer in self._peers}
            ready, _, _ = select.select([self._listener, *socks], [], [], 30)
            if not ready:
                raise RuntimeError("the client sends nothing")
            for sock in ready:
                if sock is not self._listener:
                    return socks[sock]
            connection, _ = self._listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._peers.append(_Peer(connection))


class _Peer:
    """A connection, and what was read of it and not yet used: requests may be pipelined."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.data = b""

    def read(self) -> bool:
        part = self.sock.recv(1 << 20)
        if not part:
            self.sock.close()
        self.data += part
        return part != b""

    def skip_body(self, head: bytes) -> None:
        lower = head.lower()
        start = lower.index(b"content-length:") + 15
        missing = int(lower[start:].split(b"\r\n", 1)[0])
        used = min(missing, len(self.data))
        self.data = self.data[used:]
        missing -= used
        while missing > 0:
            part = self.sock.recv(min(missing, 1 << 20))
            if not part:
                raise RuntimeError("the client went away within a response")
            missing -= len(part)
