"""Sends events over kept connections, and times each answer."""

from __future__ import annotations

import socket
import statistics
import threading
import time
from dataclasses import dataclass

EVENT = b'{"name": "bench", "filler": "0123456789abcdef"}'


@dataclass(frozen=True)
class Sample:
    """What a run of events showed: milliseconds, events a second, failures."""

    median: float
    p99: float
    rate: float
    failures: int


class Caller:
    """One client. It keeps its connection as long as the server does."""

    def __init__(self, port: int, function: str) -> None:
        self._address = ("127.0.0.1", port)
        head = (
            f"POST /2015-03-31/functions/{function}/invocations HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(EVENT)}\r\n\r\n"
        )
        self._request = head.encode() + EVENT
        self._sock: socket.socket | None = None

    def call(self) -> bytes:
        """Send one event; the body of the answer. Raises: OSError, RuntimeError."""
        if self._sock is None:
            self._sock = socket.create_connection(self._address, 30)
            self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sock.sendall(self._request)
        data = b""
        while b"\r\n\r\n" not in data:
            data += self._receive()
        head, _, body = data.partition(b"\r\n\r\n")
        lower = head.lower()
        length = int(lower.split(b"content-length: ")[1].split(b"\r\n")[0])
        while len(body) < length:
            body += self._receive()
        if lower.startswith(b"http/1.0") or b"connection: close" in lower:
            self.close()
        if b" 200 " not in head.split(b"\r\n")[0]:
            raise RuntimeError(head.decode("latin-1"))
        return body

    def close(self) -> None:
        """Close the connection."""
        if self._sock is not None:
            self._sock.close()
        self._sock = None

    def _receive(self) -> bytes:
        piece = self._sock.recv(65536) if self._sock else b""
        if not piece:
            raise ConnectionError("closed in the middle of an answer")
        return piece


def measure(port: int, function: str, events: int, callers: int) -> Sample:
    """Send events from so many callers at once, after a tenth of them to warm up."""
    times: list[float] = []
    failures: list[str] = []
    lock = threading.Lock()
    ready = threading.Barrier(callers + 1)

    def work() -> None:
        caller = Caller(port, function)
        own: list[float] = []
        for _ in range(max(1, events // callers // 10)):
            caller.call()
        ready.wait()
        for _ in range(events // callers):
            begun = time.perf_counter()
            try:
                caller.call()
            except (OSError, RuntimeError) as error:
                caller.close()
                with lock:
                    failures.append(str(error))
            own.append(time.perf_counter() - begun)
        caller.close()
        with lock:
            times.extend(own)

    threads = [threading.Thread(target=work) for _ in range(callers)]
    for thread in threads:
        thread.start()
    ready.wait()
    begun = time.perf_counter()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - begun
    times.sort()
    p99 = times[min(len(times) - 1, int(len(times) * 0.99))]
    return Sample(statistics.median(times) * 1e3, p99 * 1e3, len(times) / seconds, len(failures))
