"""HTTP on the server's side: real sockets, bytes in any portions."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambdaimg.emulator.loop import READ, Loop
from lambdaimg.emulator.message import BadRequestError, Request, parse_head
from lambdaimg.emulator.wire import Connection, Listener

LIMIT = 1000


class Echo:
    """Answers with what it understood."""

    max_body = LIMIT

    def begin(self, conn: Connection, request: Request) -> Sink | None:
        return Sink(conn) if request.target == "/stream" else None

    def handle(self, conn: Connection, request: Request) -> None:
        if request.target == "/defect":
            raise ZeroDivisionError
        facts = [request.method, request.target, request.body.decode("latin-1"), request.cut]
        conn.reply(200, "Content-Type: application/json\r\n", json.dumps(facts).encode())

    def lost(self, conn: Connection) -> None:
        pass


class Sink:
    """Answers a streamed body with its pieces and trailers."""

    def __init__(self, conn: Connection) -> None:
        self.conn = conn
        self.got = b""

    def data(self, data: bytes) -> None:
        self.got += data

    def end(self, trailers: dict[str, str]) -> None:
        facts = [self.got.decode("latin-1"), trailers]
        self.conn.reply(200, "", json.dumps(facts).encode())

    def broken(self) -> None:
        pass


@pytest.fixture(scope="module")
def address() -> Iterator[tuple[str, int]]:
    loop = Loop()
    app = Echo()
    listener = Listener(loop, "127.0.0.1", 0, lambda sock: Connection(loop, sock, app) and None)
    thread = threading.Thread(target=loop.run)
    thread.start()
    yield "127.0.0.1", listener.port
    loop.post(listener.close)
    loop.post(loop.stop)
    thread.join()
    loop.close()


def exchange(address: tuple[str, int], *portions: bytes) -> bytes:
    """Send portions, and read until the server closes (which `Connection: close` makes it do)."""
    with socket.create_connection(address, 10) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for portion in portions:
            sock.sendall(portion)
        answer = b""
        while piece := sock.recv(65536):
            answer += piece
    return answer


def bodies(answer: bytes) -> list[object]:
    """The JSON bodies of the responses, one behind the other."""
    found = []
    while answer:
        head, _, rest = answer.partition(b"\r\n\r\n")
        if head.startswith(b"HTTP/1.1 100"):
            answer = rest
            continue
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        found.append(json.loads(rest[:length]))
        answer = rest[length:]
    return found


LAST = b"GET /last HTTP/1.1\r\nConnection: close\r\n\r\n"
PLAIN = b"POST /a HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = (
    b"POST /b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"3\r\nabc\r\n4;ext=1\r\ndefg\r\n0\r\n\r\n"
)
STREAMED = (
    b"POST /stream HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"2\r\nxy\r\n0\r\nError-Type: Late\r\nOther: 1\r\n\r\n"
)
WANTED = [
    ["POST", "/a", "hello", False],
    ["POST", "/b", "abcdefg", False],
    ["xy", {"error-type": "Late", "other": "1"}],
    ["GET", "/last", "", False],
]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 60), max_size=12))
def test_requests_are_understood_however_they_are_cut(
    address: tuple[str, int], cuts: list[int]
) -> None:
    data = PLAIN + CHUNKED + STREAMED + LAST
    portions, at = [], 0
    for cut in cuts:
        portions.append(data[at : at + cut])
        at += cut
    assert bodies(exchange(address, *portions, data[at:])) == WANTED


def test_many_requests_may_come_at_once(address: tuple[str, int]) -> None:
    assert len(bodies(exchange(address, PLAIN * 3000 + LAST))) == 3001


def test_a_body_over_the_limit_is_read_and_cut(address: tuple[str, int]) -> None:
    big = b"POST /big HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 1_000_000
    [first, second] = bodies(exchange(address, big + LAST))
    assert isinstance(first, list)
    assert first[3] is True
    assert second == ["GET", "/last", "", False]


def test_a_client_that_waits_for_leave_to_send_gets_it(address: tuple[str, int]) -> None:
    head = b"POST /a HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n"
    with socket.create_connection(address, 10) as sock:
        sock.sendall(head + b"Connection: close\r\n\r\n")
        assert sock.recv(100).startswith(b"HTTP/1.1 100 Continue")
        sock.sendall(b"ok")
        answer = b""
        while piece := sock.recv(65536):
            answer += piece
    assert bodies(answer) == [["POST", "/a", "ok", False]]


@pytest.mark.parametrize(
    "bytes_sent",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/2.0\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\nName : value\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: many\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: -5\r\n\r\nabc",
        b"POST / HTTP/1.1\r\nContent-Length: +1\r\n\r\na",
        b"POST / HTTP/1.1\r\nContent-Length: 1_0\r\n\r\n0123456789",
        b"POST / HTTP/1.1\r\nContent-Length: \xb2\r\n\r\nab",
        b"POST / HTTP/1.1\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc",
        b"GET / HTTP/1.1\r\nLong: " + b"x" * 300_000,
    ],
)
def test_what_is_no_http_is_refused(address: tuple[str, int], bytes_sent: bytes) -> None:
    assert exchange(address, bytes_sent).startswith(b"HTTP/1.1 400 Bad Request\r\n")


def test_nobody_waits_for_the_answer_of_an_app_that_fails(
    address: tuple[str, int], capfd: pytest.CaptureFixture[str]
) -> None:
    assert exchange(address, b"GET /defect HTTP/1.1\r\n\r\n") == b""
    assert "ZeroDivisionError" in capfd.readouterr().err
    assert bodies(exchange(address, LAST)) == [["GET", "/last", "", False]]


def test_an_old_client_s_connection_is_closed(address: tuple[str, int]) -> None:
    assert bodies(exchange(address, b"GET /x HTTP/1.0\r\n\r\n")) == [["GET", "/x", "", False]]


def test_repeated_headers_are_joined_and_names_do_not_tell_case() -> None:
    request = parse_head(b"GET / HTTP/1.1\r\nX-A: 1\r\nx-a:  2 \r\nCookie: c")
    assert request.headers == {"x-a": "1,2", "cookie": "c"}


def test_a_head_without_a_request_line_is_refused() -> None:
    with pytest.raises(BadRequestError):
        parse_head(b"")


def test_a_large_answer_reaches_a_slow_reader() -> None:
    loop = Loop()
    ours, theirs = socket.socketpair()
    conn = Connection(loop, ours, Echo())
    loop.post(lambda: conn.reply_raw(b"", b"y" * 5_000_000))
    loop.post(lambda: loop.call_at(0.0, loop.stop))
    thread = threading.Thread(target=loop.run)
    thread.start()
    thread.join()
    thread = threading.Thread(target=loop.run)
    thread.start()
    got = 0
    while got < 5_000_000:
        got += len(theirs.recv(4096 * 16))
    loop.post(conn.close)
    loop.post(loop.stop)
    thread.join()
    loop.close()
    theirs.close()
    assert got == 5_000_000


def test_what_is_ready_is_not_told_to_who_got_its_number_meanwhile() -> None:
    loop = Loop()
    pairs = [socket.socketpair() for _ in range(2)]
    told: list[str] = []
    strangers: list[socket.socket] = []

    def first(_events: int) -> None:
        """Closes all that is ready, and has the numbers of it given out again."""
        told.append("first")
        for ours, _ in pairs:
            loop.forget(ours.fileno())
        numbers = {ours.fileno() for ours, _ in pairs}
        for ours, _ in pairs:
            ours.close()
        while numbers - {stranger.fileno() for stranger in strangers}:
            strangers.append(socket.socket())
        for stranger in strangers:
            loop.watch(stranger.fileno(), READ, lambda _events: told.append("stranger"))

    for ours, theirs in pairs:
        loop.watch(ours.fileno(), READ, first)
        theirs.send(b"x")
    loop.turn()
    assert told == ["first"]
    for end in (*strangers, *(theirs for _, theirs in pairs)):
        end.close()
    loop.close()
