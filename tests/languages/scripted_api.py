"""A Runtime API that does what a test tells it to, and writes down what it is sent."""

from __future__ import annotations

import socket
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

BASE = "/2018-06-01/runtime"


@dataclass(frozen=True)
class Event:
    """One event.

    Attributes:
        body: the event.
        headers: of the answer to `next`, beside the request id.
        chunked: whether it is sent in chunks.
        status: what the answer or error posted for it is answered.
        before: how often the connection is closed without an answer to `next` first.
        cut: how often the answer to `next` breaks off within its head first.
        hang_up: whether the connection is closed with the answer to `next`, unannounced.
        close: whether every answer announces that the connection is closed.
    """

    body: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=dict)
    chunked: bool = False
    status: int = 202
    before: int = 0
    cut: int = 0
    hang_up: bool = False
    close: bool = False


@dataclass(frozen=True)
class Posted:
    """A POST: the path below the API's own, headers by lower-case name, body."""

    path: str
    headers: Mapping[str, str]
    body: bytes


class ScriptedApi:
    """Serves the events in turn; a `next` after the last one waits until the end."""

    def __init__(self, host: str, events: Sequence[Event]) -> None:
        self.events = list(events)
        self.posted: list[Posted] = []
        self.refused = [event.before for event in events]
        self.cut = [event.cut for event in events]
        self.served = 0
        self.done = threading.Event()
        self.ended = threading.Event()
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                api.answer_next(self)

            def do_POST(self) -> None:
                api.take_post(self)

            def log_message(self, *_: Any) -> None:
                """Says nothing."""

        self.server = ThreadingHTTPServer((host, 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def port(self) -> int:
        """The port."""
        return int(self.server.server_address[1])

    def answer_next(self, http: BaseHTTPRequestHandler) -> None:
        """Answer `next` with the event whose turn it is."""
        if self.served == len(self.events):
            self.done.set()
            self.ended.wait(60)
            http.close_connection = True
            return
        event = self.events[self.served]
        if self.refused[self.served]:
            self.refused[self.served] -= 1
            http.close_connection = True
            return
        if event.hang_up:
            # What is sent is held back until the end of the connection goes with it.
            http.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
        http.send_response(200)
        http.send_header("Lambda-Runtime-Aws-Request-Id", f"request-{self.served + 1}")
        if self.cut[self.served]:
            self.cut[self.served] -= 1
            http.flush_headers()
            http.close_connection = True
            return
        self.served += 1
        for name, value in event.headers.items():
            http.send_header(name, value)
        self.send_body(http, event.body, event.chunked, event.close)
        if event.hang_up:
            http.close_connection = True

    def take_post(self, http: BaseHTTPRequestHandler) -> None:
        """Write a POST down and answer it as the event says."""
        body = self.received(http)
        headers = {name.lower(): value for name, value in http.headers.items()}
        self.posted.append(Posted(http.path.removeprefix(BASE), headers, body))
        event = self.events[self.served - 1] if self.served else Event()
        http.send_response(event.status)
        self.send_body(http, b'{"status": "as told"}\n', event.chunked, event.close)

    @staticmethod
    def received(http: BaseHTTPRequestHandler) -> bytes:
        """The body of a POST; its trailers are passed over."""
        if "Content-Length" in http.headers:
            return http.rfile.read(int(http.headers["Content-Length"]))
        body = b""
        while size := int(http.rfile.readline(), 16):
            body += http.rfile.read(size)
            http.rfile.readline()
        while http.rfile.readline().strip():
            pass
        return body

    @staticmethod
    def send_body(http: BaseHTTPRequestHandler, body: bytes, chunked: bool, close: bool) -> None:
        """Send the rest of the head, and the body."""
        if close:
            http.send_header("Connection", "close")
            http.close_connection = True
        if not chunked:
            http.send_header("Content-Length", str(len(body)))
            http.end_headers()
            http.wfile.write(body)
            return
        http.send_header("Transfer-Encoding", "chunked")
        http.end_headers()
        for start in range(0, len(body), 7):
            piece = body[start : start + 7]
            http.wfile.write(b"%X;note=1\r\n%s\r\n" % (len(piece), piece))
        http.wfile.write(b"0\r\nX-Trailer: 1\r\n\r\n")

    def close(self) -> None:
        """Stop serving."""
        self.ended.set()
        self.server.shutdown()
        self.server.server_close()
