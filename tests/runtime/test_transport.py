"""The connection against a server that answers as it likes: split, slow, malformed, gone."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambdaimg.runtime.client import Invocation
from lambdaimg.runtime.http1 import ProtocolError, body_length, chunk_size, parse_head
from lambdaimg.runtime.transport import Connection, ConnectionLostError, ResponseTimeoutError

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
SHORT_PATIENCE = 0.2

Script = Callable[[socket.socket, int], None]


@contextmanager
def server(script: Script, patience: float = 10.0) -> Iterator[tuple[Connection, list[bytes]]]:
    """A connection to a server that runs `script(socket, number)` for each of its connections."""
    listener = socket.create_server(("127.0.0.1", 0))
    seen: list[bytes] = []

    def serve() -> None:
        number = 0
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            with peer:
                try:
                    seen.append(peer.recv(65536))
                    script(peer, number)
                except OSError:
                    pass
            number += 1

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    connection = Connection(f"127.0.0.1:{listener.getsockname()[1]}", patience)
    try:
        yield connection, seen
    finally:
        connection.close()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def says(*pieces: bytes) -> Script:
    """A script that sends pieces, each when the one before it must have been read."""

    def script(peer: socket.socket, number: int) -> None:
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            peer.sendall(piece)
        peer.recv(1)

    return script


def one_by_one(data: bytes) -> list[bytes]:
    return [data[i : i + 1] for i in range(len(data))]


CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"2\r\nhe\r\n3;note=1\r\nllo\r\n0\r\nTrailer: x\r\n\r\n"
)


@pytest.mark.parametrize("pieces", [[OK], one_by_one(OK), [OK[:20], OK[20:]]])
def test_a_response_may_come_in_any_pieces(pieces: list[bytes]) -> None:
    with server(says(*pieces)) as (connection, _):
        assert connection.exchange(GET) == (200, {"content-length": "5"}, b"hello")


@pytest.mark.parametrize("pieces", [[CHUNKED], one_by_one(CHUNKED), [CHUNKED[:60], CHUNKED[60:]]])
def test_a_body_may_be_chunked(pieces: list[bytes]) -> None:
    with server(says(*pieces)) as (connection, _):
        assert bytes(connection.exchange(GET)[2]) == b"hello"


@given(st.lists(st.integers(1, len(CHUNKED) - 1), max_size=6), st.binary(max_size=200))
@settings(max_examples=40, deadline=None)
def test_where_it_is_split_is_of_no_account(cuts: list[int], body: bytes) -> None:
    data = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    edges = [0, *sorted({cut % len(data) for cut in cuts}), len(data)]
    pieces = [data[a:b] for a, b in pairwise(edges)]
    with server(says(*pieces)) as (connection, _):
        assert bytes(connection.exchange(GET)[2]) == body


@pytest.mark.parametrize("size", [0, 65535, 65536, 70_000, 3_000_000])
def test_large_bodies_come_whole(size: int) -> None:
    body = bytes(range(256)) * (size // 256 + 1)
    body = body[:size]
    with server(says(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size, body)) as (link, _):
        assert bytes(link.exchange(GET)[2]) == body


@pytest.mark.parametrize("size", [10, 65536, 3_000_000])
def test_large_requests_go_whole(size: int) -> None:
    body = b"x" * size
    whole = len(GET) + size
    received = []

    def script(peer: socket.socket, number: int) -> None:
        count = len(seen[0])
        while count < whole:
            count += len(peer.recv(1 << 20))
        received.append(count)
        peer.sendall(OK)
        peer.recv(1)

    with server(script) as (connection, seen):
        assert connection.exchange(GET, body)[0] == 200
    assert received == [whole]


def test_interim_responses_are_passed_over() -> None:
    with server(says(b"HTTP/1.1 100 Continue\r\n\r\n", OK)) as (connection, _):
        assert connection.exchange(GET)[0] == 200


def test_one_connection_serves_all_requests() -> None:
    def script(peer: socket.socket, number: int) -> None:
        peer.sendall(OK)
        while peer.recv(65536):
            peer.sendall(OK)

    with server(script) as (connection, seen):
        for _ in range(5):
            assert connection.exchange(GET)[0] == 200
        connection.close()
    assert len(seen) == 1


def test_a_connection_that_is_to_be_closed_is_not_used_again() -> None:
    closing = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    with server(says(closing)) as (connection, seen):
        connection.exchange(GET)
        connection.exchange(GET)
        assert seen == [GET, GET]


def test_a_connection_that_was_closed_meanwhile_is_opened_anew() -> None:
    gone = threading.Event()

    def script(peer: socket.socket, number: int) -> None:
        peer.sendall(OK)
        if number == 0:
            peer.shutdown(socket.SHUT_RDWR)
            gone.set()
        else:
            peer.recv(1)

    with server(script) as (connection, seen):
        connection.exchange(GET)
        gone.wait(10)
        assert connection.exchange(GET)[0] == 200
        assert seen == [GET, GET]


def test_a_new_connection_that_is_closed_is_an_error() -> None:
    with server(lambda peer, number: None) as (connection, seen):
        with pytest.raises((ConnectionLostError, ConnectionResetError)):
            connection.exchange(GET)
        assert len(seen) == 1


def test_nobody_there_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(ConnectionRefusedError):
        Connection(f"127.0.0.1:{port}").exchange(GET)


@pytest.mark.parametrize("reads_on", [True, False])
def test_the_answer_to_a_request_that_is_refused_unread_is_read(reads_on: bool) -> None:
    def script(peer: socket.socket, number: int) -> None:
        peer.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        while reads_on and peer.recv(1 << 20):
            pass

    with server(script) as (connection, _):
        assert connection.exchange(GET, b"x" * 20_000_000)[0] == 413


MALFORMED = [
    b"\r\n\r\n",
    b"hello there\r\n\r\n",
    b"HTTP/2 200 OK\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 abc OK\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 0x5\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 4\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999999999\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhello\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffff\r\n",
    b"HTTP/1.1 200 OK\r\nContent Length: 5\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nno colon here\r\nContent-Length: 5\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\n: nameless\r\nContent-Length: 5\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nA: 1\r\n folded\r\nContent-Length: 5\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nX: a\nY: b\r\nContent-Length: 5\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nX: a\rY: b\r\nContent-Length: 5\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 5\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello and more",
    b"HTTP/1.1 200 OK\r\nX: " + b"x" * 300_000,
]


@pytest.mark.parametrize("data", MALFORMED)
def test_what_is_malformed_is_refused_and_the_connection_given_up(data: bytes) -> None:
    def script(peer: socket.socket, number: int) -> None:
        peer.sendall(data if number == 0 else OK)
        peer.shutdown(socket.SHUT_WR)
        while peer.recv(65536):
            pass

    with server(script) as (connection, seen):
        with pytest.raises(ProtocolError):
            connection.exchange(GET)
        assert connection.exchange(GET)[0] == 200
        assert len(seen) == 2


@pytest.mark.parametrize("kept", range(1, len(OK)))
def test_what_is_cut_short_is_no_response(kept: int) -> None:
    def script(peer: socket.socket, number: int) -> None:
        peer.sendall(OK[:kept])

    with server(script) as (connection, _), pytest.raises((ProtocolError, OSError)):
        connection.exchange(GET)


@pytest.mark.parametrize("start", [b"", OK[:10], OK[:-1], CHUNKED[:-3]])
def test_what_does_not_end_is_given_up_in_time(start: bytes) -> None:
    with (
        server(says(start), SHORT_PATIENCE) as (connection, _),
        pytest.raises(ResponseTimeoutError),
    ):
        connection.exchange(GET)


def test_what_drips_is_given_up_in_time() -> None:
    def script(peer: socket.socket, number: int) -> None:
        peer.sendall(b"HTTP/1.1 200 OK\r\n")
        stop = threading.Event()
        for _ in range(1000):
            peer.sendall(b"A: b\r\n")
            stop.wait(0.02)

    with server(script, SHORT_PATIENCE) as (connection, _), pytest.raises(ResponseTimeoutError):
        connection.exchange(GET)


def test_the_wait_for_an_event_outlasts_the_patience() -> None:
    def script(peer: socket.socket, number: int) -> None:
        threading.Event().wait(3 * SHORT_PATIENCE)
        peer.sendall(OK)
        peer.recv(1)

    with server(script, SHORT_PATIENCE) as (connection, _):
        assert connection.exchange(GET, patient=True)[0] == 200


def test_a_peer_that_reads_nothing_is_given_up_in_time() -> None:
    def script(peer: socket.socket, number: int) -> None:
        threading.Event().wait(5 * SHORT_PATIENCE)

    with server(script, SHORT_PATIENCE) as (connection, _), pytest.raises(ResponseTimeoutError):
        connection.exchange(GET, b"x" * 20_000_000)


# --- the parser alone -----------------------------------------------------------------------


@given(st.binary(max_size=400))
@settings(max_examples=500, deadline=None)
def test_no_head_makes_the_parser_fail_otherwise(head: bytes) -> None:
    try:
        status, headers = parse_head(head)
        body_length(status, headers)
    except ProtocolError:
        return
    assert 0 <= status <= 999


LINES = st.sampled_from(
    [
        b"HTTP/1.1 200 OK",
        b"Content-Length: 2",
        b"content-length:2",
        b"Content-Length: 3",
        b"Transfer-Encoding: chunked",
        b"Lambda-Runtime-Aws-Request-Id: a",
        b"lambda-runtime-aws-request-id: b",
        b"Lambda-Runtime-Aws-Request-Id: a b",
        b"Content-Type: application/json",
        b"",
        b" folded",
        b"\x00: x",
        b"X: \xff",
    ]
)


@given(st.lists(LINES, max_size=8))
@settings(max_examples=500, deadline=None)
def test_an_event_is_only_made_of_a_head_that_names_one_request(lines: list[bytes]) -> None:
    try:
        status, headers = parse_head(b"\r\n".join([b"HTTP/1.1 200 OK", *lines]))
        invocation = Invocation(headers, b"{}")
    except ProtocolError:
        return
    ids = {line.split(b": ")[1].decode() for line in lines if b"equest-" in line.lower()}
    assert ids == {invocation.request_id}
    assert status == 200


@given(st.binary(max_size=40))
def test_chunk_sizes_are_hexadecimal_numbers_or_refused(line: bytes) -> None:
    try:
        size = chunk_size(line)
    except ProtocolError:
        return
    assert size == int(line.partition(b";")[0].strip(), 16)


def test_repeated_fields_are_joined_where_that_is_harmless() -> None:
    _, headers = parse_head(b"HTTP/1.1 200 OK\r\nVia: a\r\nVia: b\r\nAge: 1\r\nAge: 1")
    assert headers == {"via": "a, b", "age": "1"}


@pytest.mark.parametrize(
    ("address", "peer"),
    [
        ("127.0.0.1:9001", ("127.0.0.1", 9001)),
        ("localhost", ("localhost", 80)),
        ("[::1]:9001", ("::1", 9001)),
    ],
)
def test_addresses(address: str, peer: tuple[str, int]) -> None:
    connection = Connection(address)
    assert connection._peer == peer
    assert (connection._family == socket.AF_INET6) == (":" in peer[0])
