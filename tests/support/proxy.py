"""A reverse proxy on loopback, between the kit and an AWS endpoint, or a Docker engine.

It writes down every call (service and operation), passes bodies through as they come, and can
spoil calls on their way (`faults`). Emulators do not check signatures, so the Host header is
passed on as it came: addresses that the emulator makes from it lead through the proxy again.

    with CountingProxy(aws_local.url) as proxy:
        run(AWS_ENDPOINT_URL=proxy.url)
        assert proxy.names() == ["lambda.GetFunction"]
"""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

from tests.support.faults import (
    Answer,
    AwsFailure,
    Delay,
    Do,
    Drop,
    Fault,
    Rewrite,
    Rule,
    Side,
    Slow,
    Truncate,
)
from tests.support.wire import FORM, operation_of, service_of

CHUNK = 64 * 1024
UPSTREAM_LIMIT_S = 900
# Headers that belong to one connection, not to the message.
HOP_BY_HOP = frozenset({"connection", "keep-alive", "proxy-connection", "te", "trailer", "upgrade"})
NO_BODY = frozenset({204, 304})


@dataclass(frozen=True)
class Call:
    """One request that came to the proxy.

    Attributes:
        service: the signing name; empty where the request was not signed.
        operation: such as `CreateFunction`.
        method: the HTTP method.
        path: path and query.
        status: what the caller was answered; 0 where the connection was dropped.
        reached: whether AWS heard of it.
        fault: what was done to it.
    """

    service: str
    operation: str
    method: str
    path: str
    status: int
    reached: bool
    fault: Fault | None = None

    @property
    def name(self) -> str:
        """`service.Operation`."""
        return f"{self.service}.{self.operation}"


Namer = Callable[[str, str, Mapping[str, str], bytes], tuple[str, str]]


def name_of_aws_call(
    method: str, target: str, headers: Mapping[str, str], form: bytes
) -> tuple[str, str]:
    """Service and operation of an AWS call."""
    service = service_of(headers.get("authorization", ""), urlsplit(target).query)
    return service, operation_of(service, method, target, headers, form)


class CountingProxy:
    """The proxy; a context manager. `calls` and `inject` may be used while it works.

    Args:
        upstream: `http://HOST:PORT`, or `unix:///PATH` of an engine's socket.
        name_of: gives service and operation, from method, path, headers (in lower case) and form.
    """

    def __init__(self, upstream: str, name_of: Namer = name_of_aws_call) -> None:
        self._upstream = urlsplit(upstream)
        self.name_of = name_of
        self._lock = threading.Lock()
        self._calls: list[Call] = []
        self._rules: list[Rule] = []
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.proxy = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def url(self) -> str:
        """Where it listens: `http://127.0.0.1:PORT`."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> CountingProxy:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def connection(self) -> http.client.HTTPConnection:
        """A new connection to what stands behind the proxy."""
        if self._upstream.scheme == "unix":
            return _SocketConnection(self._upstream.path)
        assert self._upstream.hostname is not None
        return http.client.HTTPConnection(
            self._upstream.hostname, self._upstream.port, timeout=UPSTREAM_LIMIT_S
        )

    def calls(self) -> list[Call]:
        """What came so far, in the order of the answers."""
        with self._lock:
            return list(self._calls)

    def names(self) -> list[str]:
        """`service.Operation` of every signed call so far."""
        return [call.name for call in self.calls() if call.service]

    def forget(self) -> None:
        """Start counting from nothing."""
        with self._lock:
            self._calls.clear()

    def inject(self, call: str, fault: Fault, *, times: int | None = 1, skip: int = 0) -> Rule:
        """Spoil the next `times` calls named `call` (see `Rule`) after `skip` good ones."""
        rule = Rule(call, fault, times, skip)
        with self._lock:
            self._rules.append(rule)
        return rule

    def heal(self) -> None:
        """Spoil nothing from now on."""
        with self._lock:
            self._rules.clear()

    def fault_for(self, service: str, operation: str) -> Fault | None:
        """The fault of the first rule that strikes this call."""
        with self._lock:
            for rule in self._rules:
                if rule.strikes(service, operation):
                    return rule.fault
        return None

    def record(self, call: Call) -> None:
        """Write a call down."""
        with self._lock:
            self._calls.append(call)


class _SocketConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=UPSTREAM_LIMIT_S)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    proxy: CountingProxy

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away in the middle is part of the game."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing on stderr: calls are in the record."""

    def _exchange(self) -> None:
        proxy = self.server.proxy
        headers = {name.lower(): value for name, value in self.headers.items()}
        kept = b""
        if headers.get("content-type", "").startswith(FORM) and "content-length" in headers:
            kept = self.rfile.read(int(headers["content-length"]))
        service, operation = proxy.name_of(self.command, self.path, headers, kept)
        fault = proxy.fault_for(service, operation)
        self._call: dict[str, Any] = {
            "service": service,
            "operation": operation,
            "method": self.command,
            "path": self.path,
            "fault": fault,
        }
        if isinstance(fault, AwsFailure):
            fault = fault.answer(service)
        if isinstance(fault, Delay):
            time.sleep(fault.seconds)
        body: Any = kept or self._request_body(headers)
        if isinstance(fault, Drop | Do | Answer) and fault.side is Side.BEFORE:
            if not isinstance(fault, Do):
                for _ in body if not kept else ():
                    pass
            self._spoil(fault, reached=False)
            return
        upstream = proxy.connection()
        try:
            response = self._pass_on(upstream, body, headers)
            if isinstance(fault, Drop | Do | Answer):
                response.read(1 if fault.side is Side.MIDDLE else None)
                self._spoil(fault, reached=True)
            elif isinstance(fault, Rewrite | Truncate | Slow) and response.status < 300:
                self._pass_back_otherwise(response, fault)
            else:
                self._pass_back(response)
        finally:
            upstream.close()

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _exchange

    def _request_body(self, headers: dict[str, str]) -> Iterator[bytes]:
        if "chunked" in headers.get("transfer-encoding", "").lower():
            while size := int(self.rfile.readline().split(b";")[0], 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
            return
        left = int(headers.get("content-length", 0))
        while left:
            piece = self.rfile.read1(min(left, CHUNK))
            if not piece:
                raise ConnectionError("the client went away in the middle of its request")
            left -= len(piece)
            yield piece

    def _pass_on(
        self, upstream: http.client.HTTPConnection, body: Any, headers: dict[str, str]
    ) -> http.client.HTTPResponse:
        upstream.putrequest(
            self.command, self.path, skip_host="host" in headers, skip_accept_encoding=True
        )
        for name, value in self.headers.items():
            if name.lower() not in HOP_BY_HOP and name.lower() != "expect":
                upstream.putheader(name, value)
        upstream.endheaders()
        chunked = "transfer-encoding" in headers
        for piece in [body] if isinstance(body, bytes) else body:
            upstream.send(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
        if chunked:
            upstream.send(b"0\r\n\r\n")
        return upstream.getresponse()

    def _pass_back(self, response: http.client.HTTPResponse) -> None:
        self.send_response_only(response.status, response.reason)
        for name, value in response.getheaders():
            if name.lower() not in HOP_BY_HOP and name.lower() != "transfer-encoding":
                self.send_header(name, value)
        empty = self.command == "HEAD" or response.status in NO_BODY
        chunked = not empty and response.length is None
        if chunked:
            self.send_header("Transfer-Encoding", "chunked")
        self._record(response.status, reached=True)
        self.end_headers()
        while not empty and (piece := response.read1(CHUNK)):
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
        if chunked:
            self.wfile.write(b"0\r\n\r\n")

    def _pass_back_otherwise(
        self, response: http.client.HTTPResponse, fault: Rewrite | Truncate | Slow
    ) -> None:
        body = response.read()
        if isinstance(fault, Rewrite):
            body = fault.change(body)
        self.send_response_only(response.status, response.reason)
        for name, value in response.getheaders():
            if name.lower() not in HOP_BY_HOP | {"transfer-encoding", "content-length"}:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self._record(response.status, reached=True)
        self.end_headers()
        if isinstance(fault, Truncate):
            body = body[: fault.keep]
            self.close_connection = True
        pieces, pause = [body], 0.0
        if isinstance(fault, Slow):
            pieces = [body[n : n + fault.piece] for n in range(0, len(body), fault.piece)]
            pause = fault.pause
        for piece in pieces:
            self.wfile.write(piece)
            time.sleep(pause)

    def _spoil(self, fault: Drop | Do | Answer, *, reached: bool) -> None:
        self._record(fault.status if isinstance(fault, Answer) else 0, reached=reached)
        if isinstance(fault, Do):
            fault.action()
        if not isinstance(fault, Answer):
            self.close_connection = True
            return
        self.send_response_only(fault.status)
        for name, value in fault.headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(fault.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(fault.body)

    def _record(self, status: int, *, reached: bool) -> None:
        self.server.proxy.record(Call(status=status, reached=reached, **self._call))
