"""One persistent HTTP/1.1 connection over a raw socket.

The Runtime API is one peer on the same host, called in strict turns, so a connection, a send
and a receive are all there is: no pool, no proxy, no TLS, and neither `socket` nor
`http.client`, which together cost more to import than the interpreter to start.
"""

import _socket
from _struct import pack
from time import monotonic, time

from .http1 import MAX_BODY, MAX_HEAD, ProtocolError, body_length, chunk_size, parse_head

PATIENCE = 60.0
"""Seconds that a response which has begun may take to end, and a reply to a POST to begin."""

ACCEPTED = 202
_FIRST_READ = 65536
_JOIN_BELOW = 65536

Response = tuple[int, dict[str, str], bytes | bytearray]
"""Status, header fields by lower-case name, body."""


class ConnectionLostError(OSError):
    """The connection ended before a whole response was there."""


class ResponseTimeoutError(OSError):
    """A response did not come, or did not end, within the connection's patience."""


class Connection:
    """A connection to `host:port` that is opened when first needed and again after a loss.

    Args:
        address: `host:port`, IPv6 hosts in brackets; the port is 80 where none is given.
        patience: see `PATIENCE`.
    """

    def __init__(self, address: str, patience: float = PATIENCE) -> None:
        host, _, port = address.rpartition(":")
        if not host or not port.isdigit():
            host, port = address, "80"
        self.address = address
        self.patience = patience
        self._peer = (host.strip("[]"), int(port))
        self._family = _socket.AF_INET6 if ":" in self._peer[0] else _socket.AF_INET
        self._sock: _socket.socket | None = None
        # The last plain acceptance, byte for byte: the next one is mostly the same.
        self._accepted: tuple[bytes, Response] = (b"", (0, {}, b""))

    def open(self) -> _socket.socket:
        """The connected socket, connecting where there is none. Raises: OSError."""
        if self._sock is not None:
            return self._sock
        sock = _socket.socket(self._family, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC)
        try:
            sock.connect(self._peer)
            sock.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
            # A limit kept by the kernel costs no poll() per call, as settimeout() would.
            limit = pack("ll", int(self.patience), int(self.patience % 1 * 1e6))
            sock.setsockopt(_socket.SOL_SOCKET, _socket.SO_RCVTIMEO, limit)
            sock.setsockopt(_socket.SOL_SOCKET, _socket.SO_SNDTIMEO, limit)
        except BaseException:
            sock.close()
            raise
        self._sock = sock
        return sock

    def close(self) -> None:
        """Close the connection; the next use opens another."""
        sock, self._sock = self._sock, None
        if sock is not None:
            sock.close()

    def drop_if_gone(self) -> None:
        """Close a connection that the peer has closed, or on which it says what nobody asked for.

        For a request that cannot be sent again where the loss shows only later.
        """
        if self._sock is None:
            return
        try:
            self._sock.recv(1, _socket.MSG_PEEK | _socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except OSError:
            pass
        self.close()

    def exchange(
        self, head: bytes, body: bytes | bytearray = b"", patient: bool = False
    ) -> Response:
        """Send a request and wait for its response.

        A request that finds its connection gone, which shows as a loss before the first byte
        of a response, is sent once more over a new one.

        Args:
            head: the request's head, blank line included.
            body: the request's body.
            patient: wait without end for the first byte of the response.

        Raises:
            ProtocolError, OSError: ConnectionLostError and ResponseTimeoutError among the latter.
                The connection is closed then.
        """
        fresh = self._sock is None
        try:
            return self._exchange(head, body, patient)
        except (ConnectionLostError, ConnectionResetError):
            self.close()
            if fresh:
                raise
        return self._exchange(head, body, patient)

    def _exchange(self, head: bytes, body: bytes | bytearray, patient: bool) -> Response:
        try:
            self.send(head, body)
        except (BrokenPipeError, ConnectionResetError):
            pass  # the peer may have answered before it stopped reading
        except BaseException:
            self.close()
            raise
        return self.receive(patient)

    def send(self, head: bytes, body: bytes | bytearray = b"", until: float = 0) -> None:
        """Write all of head and body.

        Args:
            head, body: what is to be sent.
            until: the time (seconds since the epoch) before which a peer that takes nothing is
                waited for, however long that is beyond the connection's patience.

        Raises:
            OSError: ResponseTimeoutError among them.
        """
        sock = self._sock or self.open()
        if len(body) < _JOIN_BELOW:
            data = head + body if body else head
            try:
                sent = sock.send(data)
            except BlockingIOError:
                sent = 0
            if sent != len(data):
                self._send_rest(sock, memoryview(data)[sent:], until)
            return
        sent = sock.sendmsg((head, body))
        if sent < len(head):
            self._send_rest(sock, memoryview(head)[sent:], until)
            sent = len(head)
        self._send_rest(sock, memoryview(body)[sent - len(head) :], until)

    def _send_rest(self, sock: _socket.socket, rest: memoryview, until: float) -> None:
        while rest:
            try:
                rest = rest[sock.send(rest) :]
            except BlockingIOError:
                if time() > until:
                    raise ResponseTimeoutError(f"{self.address} takes no more data") from None

    def receive(self, patient: bool = False) -> Response:
        """Read one response. Arguments and errors as those of `exchange`."""
        sock = self._sock or self.open()
        try:
            data = self._first(sock, patient)
            if data == self._accepted[0]:
                return self._accepted[1]
            end = data.find(b"\r\n\r\n")
            if end >= 0:
                status, headers = parse_head(data[:end])
                if status >= 200 and len(data) - end - 4 == body_length(status, headers):
                    response = status, headers, data[end + 4 :]
                    if "connection" in headers:
                        self._heed(headers)
                    elif status == ACCEPTED:
                        self._accepted = data, response
                    return response
            return self._receive_rest(sock, data, patient)
        except BaseException:
            self.close()
            raise

    def _first(self, sock: _socket.socket, patient: bool) -> bytes:
        while True:
            try:
                data = sock.recv(_FIRST_READ)
            except BlockingIOError:
                if patient:
                    continue
                raise ResponseTimeoutError(f"no response from {self.address}") from None
            if not data:
                raise ConnectionLostError(f"{self.address} closed the connection")
            return data

    def _receive_rest(self, sock: _socket.socket, data: bytes, patient: bool) -> Response:
        """A response that did not come in one piece."""
        reader = _Reader(sock, data, monotonic() + self.patience)
        while True:
            head = reader.until(b"\r\n\r\n", MAX_HEAD)
            status, headers = parse_head(head)
            if status >= 200:
                break
            if not reader.pending:
                reader = _Reader(sock, self._first(sock, patient), monotonic() + self.patience)
        length = body_length(status, headers)
        body = reader.exactly(length) if length >= 0 else reader.chunked()
        if reader.pending:
            raise ProtocolError("data after the end of a response")
        self._heed(headers)
        return status, headers, body

    def _heed(self, headers: dict[str, str]) -> None:
        if headers.get("connection", "").lower() == "close":
            self.close()


class _Reader:
    """The rest of a response, within a time limit for all of it."""

    def __init__(self, sock: _socket.socket, data: bytes, deadline: float) -> None:
        self._sock = sock
        self._data = bytearray(data)
        self._deadline = deadline

    @property
    def pending(self) -> int:
        """Number of bytes read and not yet used."""
        return len(self._data)

    def _more(self, wanted: int) -> None:
        if monotonic() > self._deadline:
            raise ResponseTimeoutError("a response does not end")
        try:
            data = self._sock.recv(min(max(wanted, 4096), 1 << 20))
        except BlockingIOError:
            raise ResponseTimeoutError("a response stopped half-way") from None
        if not data:
            # No ConnectionLostError: a part of the response was there, so nothing is sent again.
            raise ProtocolError("the connection closed within a response")
        self._data += data

    def until(self, mark: bytes, limit: int) -> bytes:
        """Everything before `mark`, which is used up with it."""
        start = 0
        while (end := self._data.find(mark, start)) < 0:
            if len(self._data) > limit:
                raise ProtocolError(f"more than {limit} bytes before {mark!r}")
            start = max(0, len(self._data) - len(mark) + 1)
            self._more(4096)
        found = bytes(self._data[:end])
        del self._data[: end + len(mark)]
        return found

    def exactly(self, size: int) -> bytes | bytearray:
        """The next `size` bytes."""
        missing = size - len(self._data)
        if missing > 65536:
            return self._into_place(size)
        while missing > 0:
            self._more(missing)
            missing = size - len(self._data)
        found = bytes(self._data[:size])
        del self._data[:size]
        return found

    def _into_place(self, size: int) -> bytearray:
        have = len(self._data)
        body = bytearray(size)
        body[:have] = self._data
        self._data.clear()
        with memoryview(body) as view:
            while have < size:
                if monotonic() > self._deadline:
                    raise ResponseTimeoutError("a response does not end")
                try:
                    count = self._sock.recv_into(view[have:], size - have, _socket.MSG_WAITALL)
                except BlockingIOError:
                    raise ResponseTimeoutError("a response stopped half-way") from None
                if not count:
                    raise ProtocolError("the connection closed within a response")
                have += count
        return body

    def chunked(self) -> bytearray:
        """A chunked body, its trailers passed over."""
        body = bytearray()
        while size := chunk_size(self.until(b"\r\n", 1024)):
            if len(body) + size > MAX_BODY:
                raise ProtocolError(f"body beyond {MAX_BODY} bytes")
            body += self.exactly(size)
            if self.exactly(2) != b"\r\n":
                raise ProtocolError("chunk without an end")
        while self.until(b"\r\n", MAX_HEAD):
            pass
        return body
