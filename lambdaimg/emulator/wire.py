"""HTTP/1.1, the server's side of one connection, on the event loop.

Requests are handled one after the other, so a client may send the next one early. Bodies with
a length or in chunks (with trailers) are understood; `Expect: 100-continue` is answered.
"""

from __future__ import annotations

import errno
import socket

from lambdaimg.emulator.loop import READ, WRITE, Loop, report_defect
from lambdaimg.emulator.message import MAX_HEAD, REASONS, BadRequestError, Request, parse_head

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    class App(Protocol):
        """What handles the requests of a connection."""

        max_body: int
        """Bytes of a body that are kept; the rest is read and dropped, `Request.cut` is set."""

        def begin(self, conn: Connection, request: Request) -> BodySink | None:
            """A request with a chunked body begins; None collects the body."""

        def handle(self, conn: Connection, request: Request) -> None:
            """A request is complete. Answered at once or later, by `conn.reply` or the like."""

        def lost(self, conn: Connection) -> None:
            """The connection is closed."""

    class BodySink(Protocol):
        """What takes a body while it arrives."""

        def data(self, data: bytes) -> None:
            """A piece of the body."""

        def end(self, trailers: dict[str, str]) -> None:
            """The body is complete; the request may be answered now."""

        def broken(self) -> None:
            """The connection is lost before the body was complete."""


DIGITS = frozenset("0123456789")
HEX_DIGITS = DIGITS | frozenset("abcdefABCDEF")
MOST_DIGITS = 16
"""A length has fewer."""
LINGER = 1.0
"""Seconds in which a client that sent what is no HTTP can read the answer, and close."""


class Connection:
    """One accepted connection. `app` gets its requests; all calls are in the loop's thread."""

    def __init__(self, loop: Loop, sock: socket.socket, app: App) -> None:
        self._loop = loop
        self._sock = sock
        self._app = app
        self._in = bytearray()
        self._out = bytearray()
        self._request: Request | None = None
        self._waiting = False
        self._advancing = False
        self._left = -1  # bytes of the body or chunk still to come; -1: at a head or size line
        self._chunked = False
        self._trailers: dict[str, str] | None = None
        self._sink: BodySink | None = None
        self._parts: list[bytes] = []
        self._kept = 0
        self._closing = False
        self._lingers = False
        self.closed = False
        self._fd = sock.fileno()
        sock.setblocking(False)
        if sock.family != getattr(socket, "AF_UNIX", None):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        loop.watch(self._fd, READ, self._ready)

    # --- answering ------------------------------------------------------------------------

    @property
    def peer_host(self) -> str:
        """The address of the other side; empty once the connection is closed."""
        try:
            return str(self._sock.getpeername()[0])
        except (OSError, IndexError):
            return ""

    def reply(self, status: int, headers: str, body: bytes = b"") -> None:
        """Answer the request in hand. `headers`: lines that end in CRLF, without the length."""
        self.reply_raw(
            f"HTTP/1.1 {status} {REASONS.get(status, 'Status')}\r\n{headers}"
            f"Content-Length: {len(body)}\r\n\r\n".encode("latin-1", "replace"),
            body,
        )

    def reply_raw(self, head: bytes, body: bytes) -> None:
        """Answer with a complete head."""
        self._send(head + body)
        self._answered()

    def start_chunked(self, status: int, headers: str) -> None:
        """Begin an answer whose body comes in pieces; `chunk`s and one `end_chunked` follow."""
        self._send(
            f"HTTP/1.1 {status} {REASONS.get(status, 'Status')}\r\n{headers}"
            "Transfer-Encoding: chunked\r\n\r\n".encode("latin-1", "replace")
        )

    def chunk(self, data: bytes) -> None:
        """Send a piece of the body."""
        if data:
            self._send(b"%x\r\n%b\r\n" % (len(data), data))

    def end_chunked(self) -> None:
        """Send the end of the body."""
        self._send(b"0\r\n\r\n")
        self._answered()

    def pump(self) -> None:
        """Take in what has arrived, without waiting for the loop to say so."""
        while not self.closed and self._receive():
            pass

    def close(self) -> None:
        """Close at once."""
        if self.closed:
            return
        self.closed = True
        self._loop.forget(self._fd)
        self._sock.close()
        sink, self._sink = self._sink, None
        if sink is not None:
            sink.broken()
        self._app.lost(self)

    def _answered(self) -> None:
        request, self._request = self._request, None
        if request is None:
            return
        if request.close:
            self._close_when_sent()
        elif self._waiting:
            self._waiting = False
            if self._in and not self._advancing:
                self._advance()

    def _close_when_sent(self) -> None:
        self._closing = True
        if not self._out:
            self._close_sent()

    def _close_sent(self) -> None:
        """Everything is sent. Closing at once what still sends takes our answer from its hands."""
        if not self._lingers:
            self.close()
            return
        self._in.clear()
        self._loop.call_at(self._loop.now() + LINGER, self.close)
        try:
            self._sock.shutdown(socket.SHUT_WR)
        except OSError:
            self.close()

    # --- bytes out and in -----------------------------------------------------------------

    def _send(self, data: bytes) -> None:
        if self.closed:
            return
        if self._out:
            self._out += data
            return
        try:
            sent = self._sock.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.close()
            return
        if sent < len(data):
            self._out += memoryview(data)[sent:]
            self._loop.change(self._fd, READ | WRITE)

    def _ready(self, events: int) -> None:
        if events & WRITE:
            self._flush()
        if events & ~WRITE and not self.closed:
            self._receive()

    def _flush(self) -> None:
        try:
            sent = self._sock.send(self._out)
        except BlockingIOError:
            return
        except OSError:
            self.close()
            return
        del self._out[:sent]
        if not self._out:
            self._loop.change(self._fd, READ)
            if self._closing:
                self._close_sent()

    def _receive(self) -> bool:
        """Read once; whether there was something to read."""
        try:
            data = self._sock.recv(262144)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if not data:
            self.close()
            return False
        if self._closing:
            return True
        self._in += data
        if not self._waiting:
            self._advance()
        return True

    # --- parsing --------------------------------------------------------------------------

    def _advance(self) -> None:
        self._advancing = True
        try:
            while not self._waiting and not self.closed and not self._closing and self._step():
                pass
        except BadRequestError as error:
            self._request = Request("", "", {}, True)
            self._lingers = True
            self.reply(400, "Content-Type: text/plain\r\n", str(error).encode())
        except Exception:
            # A defect of the app's: whoever waits for its answer would do so for ever.
            report_defect()
            self.close()
        finally:
            self._advancing = False

    def _step(self) -> bool:
        """Take one thing from the buffer; whether there was enough of it."""
        if self._request is None:
            return self._take_head()
        if not self._chunked:
            return self._take_body()
        if self._trailers is not None:
            return self._take_trailer(self._trailers)
        return self._take_chunk() if self._left >= 0 else self._take_size()

    def _line(self) -> str | None:
        end = self._in.find(b"\r\n")
        if end < 0:
            if len(self._in) > MAX_HEAD:
                raise BadRequestError("line too long")
            return None
        line = self._in[:end].decode("latin-1")
        del self._in[: end + 2]
        return line

    def _take_head(self) -> bool:
        while self._in.startswith(b"\r\n"):
            del self._in[:2]
        end = self._in.find(b"\r\n\r\n")
        if end < 0:
            if len(self._in) > MAX_HEAD:
                raise BadRequestError("head too long")
            return False
        request = parse_head(bytes(self._in[:end]))
        headers = request.headers
        self._chunked = headers.get("transfer-encoding", "").lower() == "chunked"
        length = headers.get("content-length", "0")
        if set(length) - DIGITS or not 0 < len(length) < MOST_DIGITS:
            raise BadRequestError("malformed length")
        self._left = -1 if self._chunked else int(length)
        del self._in[: end + 4]
        self._request = request
        self._trailers = None
        self._parts = []
        self._kept = 0
        if self._left == 0:
            self._complete()
            return True
        if headers.get("expect", "").lower() == "100-continue":
            self._send(b"HTTP/1.1 100 Continue\r\n\r\n")
        if self._chunked:
            self._sink = self._app.begin(self, request)
        return not self.closed

    def _take_body(self) -> bool:
        if not self._in:
            return False
        self._take(self._left)
        if self._left == 0:
            self._complete()
        return True

    def _take_size(self) -> bool:
        line = self._line()
        if line is None:
            return False
        size = line.partition(";")[0].strip(" \t")
        if set(size) - HEX_DIGITS or not 0 < len(size) < MOST_DIGITS:
            raise BadRequestError("malformed chunk")
        self._left = int(size, 16)
        if self._left == 0:
            self._trailers = {}
        return True

    def _take_chunk(self) -> bool:
        if self._left > 0:
            if not self._in:
                return False
            self._take(self._left)
            return True
        if len(self._in) < 2:
            return False
        if self._in[:2] != b"\r\n":
            raise BadRequestError("malformed chunk")
        del self._in[:2]
        self._left = -1
        return True

    def _take_trailer(self, trailers: dict[str, str]) -> bool:
        line = self._line()
        if line is None:
            return False
        if line:
            name, _, value = line.partition(":")
            trailers[name.lower()] = value.strip(" \t")
            return True
        sink, self._sink = self._sink, None
        if sink is None:
            self._complete()
        else:
            self._waiting = True
            sink.end(trailers)
        return True

    def _take(self, most: int) -> None:
        """Move up to `most` bytes of the buffer to where the body goes."""
        if len(self._in) <= most:
            data = bytes(self._in)
            self._in.clear()
        else:
            data = bytes(memoryview(self._in)[:most])
            del self._in[:most]
        self._left -= len(data)
        if self._sink is not None:
            self._sink.data(data)
        elif self._kept <= self._app.max_body:
            self._kept += len(data)
            self._parts.append(data)

    def _complete(self) -> None:
        request = self._request
        if request is None:
            return
        request.body = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        request.cut = len(request.body) > self._app.max_body
        self._parts = []
        self._waiting = True
        self._app.handle(self, request)


class Listener:
    """A listening socket whose connections go to an app."""

    def __init__(
        self, loop: Loop, host: str, port: int, accept: Callable[[socket.socket], None]
    ) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._loop = loop
        self._accept = accept
        self._sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            if port:
                self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._sock.bind((host, port))
            self._sock.listen(256)
        except OSError:
            self._sock.close()
            raise
        self._sock.setblocking(False)
        self.host = host
        self.port: int = self._sock.getsockname()[1]
        loop.watch(self._sock.fileno(), READ, lambda _events: self.pump())

    def pump(self) -> None:
        """Accept what has arrived."""
        while True:
            try:
                sock, _ = self._sock.accept()
            except OSError as error:
                if error.errno == errno.ECONNABORTED:
                    continue
                return
            self._accept(sock)

    def close(self) -> None:
        """Stop listening; open connections stay."""
        if self._sock.fileno() >= 0:
            self._loop.forget(self._sock.fileno())
            self._sock.close()
