"""Streamed responses on the wire: pieces, preludes, trailers, slow and vanishing readers."""

from __future__ import annotations

import base64
import json
import os
import socket
import threading
from pathlib import Path

import pytest

from tests.runtime.api import NEXT, Api, Client, Event, Request, answer, ours

NAMES = """
    generator_function generator iterator nothing http http_first typed writer
    writer_left_open writer_without_words writer_unused written_after_the_end
    fails_at_once fails_within fails_deep_within writer_fails writer_fails_unwritten wrong_item
    wrong_item_later
""".split()  # noqa: SIM905
HTTP = "application/vnd.awslambda.http-integration-response"
OCTETS = "application/octet-stream"


@pytest.fixture(scope="module")
def seen() -> tuple[dict[str, Request], str]:
    """What each handler posted, and the log; one process served all."""
    with Api([Event(name) for name in NAMES]) as api, Client(ours("streams.handler"), api) as one:
        api.await_idle()
        posts = {post.request_id: post for post in api.posts}
        assert len(api.posts) == len(NAMES)
        return posts, one.output


@pytest.mark.parametrize(
    ("name", "content_type", "chunks"),
    [
        ("generator_function", OCTETS, [b"one ", b"two"]),
        ("generator", OCTETS, [b"a", "é".encode()]),
        ("iterator", OCTETS, [b"x", b"y"]),
        ("nothing", OCTETS, []),
        ("typed", "text/csv", [b"a,b\n", b"1,2\n"]),
        ("writer_left_open", "text/plain", [b"left open"]),
        ("writer_without_words", "text/plain", []),
        ("written_after_the_end", "text/plain", [b"all"]),
    ],
)
def test_pieces(
    seen: tuple[dict[str, Request], str], name: str, content_type: str, chunks: list[bytes]
) -> None:
    post = seen[0][name]
    assert post.call == "invocation/response"
    assert post.headers["content-type"] == content_type
    assert post.headers["lambda-runtime-function-response-mode"] == "streaming"
    assert post.headers["trailer"].split(", ") == [
        "Lambda-Runtime-Function-Error-Type",
        "Lambda-Runtime-Function-Error-Body",
    ]
    assert (post.chunks, post.trailers, post.whole) == (chunks, {}, True)


@pytest.mark.parametrize(
    ("name", "prelude", "rest"),
    [
        (
            "http",
            {
                "statusCode": 201,
                "headers": {"Content-Type": "text/plain"},
                "cookies": ["a=1", "b=2"],
            },
            b"piece 0;piece 1;piece 2;",
        ),
        ("http_first", {"statusCode": 404, "headers": {}, "cookies": []}, b"not here"),
        ("writer", {"statusCode": 200, "headers": {"X-A": "1"}, "cookies": []}, b"first second"),
    ],
)
def test_http_preludes(
    seen: tuple[dict[str, Request], str], name: str, prelude: dict[str, object], rest: bytes
) -> None:
    post = seen[0][name]
    assert post.headers["content-type"] == HTTP
    head, _, body = post.body.partition(b"\0" * 8)
    assert (json.loads(head), body) == (prelude, rest)


def test_a_stream_that_was_not_used_is_none(seen: tuple[dict[str, Request], str]) -> None:
    post = seen[0]["writer_unused"]
    assert (post.chunks, post.body) == (None, b'{"plain": true}')


@pytest.mark.parametrize(
    ("name", "type_", "message"),
    [
        ("fails_at_once", "ValueError", "before the first byte"),
        ("writer_fails_unwritten", "KeyError", "'nothing written'"),
        ("wrong_item", "TypeError", "a stream takes str or bytes, not int"),
    ],
)
def test_an_error_before_the_first_byte_is_an_error(
    seen: tuple[dict[str, Request], str], name: str, type_: str, message: str
) -> None:
    post = seen[0][name]
    assert post.call == "invocation/error"
    assert (post.json["errorType"], post.json["errorMessage"]) == (type_, message)


@pytest.mark.parametrize(
    ("name", "body", "type_", "message"),
    [
        ("fails_within", b"begun", "ValueError", "after the first byte é"),
        ("writer_fails", b"begun", "KeyError", "'within'"),
        ("wrong_item_later", b"a", "TypeError", "a stream takes str or bytes, not int"),
    ],
)
def test_an_error_after_the_first_byte_is_in_the_trailers(
    seen: tuple[dict[str, Request], str], name: str, body: bytes, type_: str, message: str
) -> None:
    post, log = seen[0][name], seen[1]
    assert (post.call, post.body) == ("invocation/response", body)
    trailers = post.trailers
    assert trailers["lambda-runtime-function-error-type"] == f"Function.{type_}"
    error = json.loads(base64.b64decode(trailers["lambda-runtime-function-error-body"]))
    assert (error["errorType"], error["errorMessage"]) == (type_, message)
    assert error["requestId"] == name
    assert f"[ERROR] {type_}: {message}\r" in log


def test_an_error_in_the_trailers_is_shortened_to_what_fits(
    seen: tuple[dict[str, Request], str],
) -> None:
    """The Runtime API reads all trailers into 4096 bytes and loses the response beyond."""
    trailers = seen[0]["fails_deep_within"].trailers
    assert sum(len(name) + len(value) + 4 for name, value in trailers.items()) < 4090
    error = json.loads(base64.b64decode(trailers["lambda-runtime-function-error-body"]))
    assert error["errorMessage"].startswith("ééé")
    assert error["errorMessage"].endswith(" ... (5000 characters in all)")
    assert "in fails_deep_within" in error["stackTrace"][0]
    assert "raise ValueError" in error["stackTrace"][-1]


def test_what_goes_well_logs_nothing(seen: tuple[dict[str, Request], str]) -> None:
    assert seen[1].count("[ERROR]") == 7
    assert "[WARNING]" not in seen[1]


def test_writing_after_the_end_is_refused(seen: tuple[dict[str, Request], str]) -> None:
    assert "refused: the response has ended" in seen[1]


def test_a_slow_reader_holds_the_writer_back() -> None:
    """20 MB do not fit into the sockets' buffers, so they only go out as they are read."""
    wanted = 20_000_000
    event = Event("large", json.dumps({"pieces": 200, "size": 100_000}).encode())
    with Api([event]) as api, Client(ours("streams.handler"), api):
        api.await_idle()
        (post,) = api.posts
        assert len(post.body) == wanted
        assert len(post.chunks or []) == 200


@pytest.mark.parametrize("name", ["endless", "endless_writer"])
def test_a_reader_that_goes_away_does_not_end_the_process(name: str) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    asked: list[bytes] = []

    def serve() -> None:
        peer, _ = listener.accept()
        with peer:
            peer.recv(65536)
            peer.sendall(Event(name).reply())
            asked.append(peer.recv(65536))
        # The connection is gone in the middle of the stream; what follows comes over another.
        peer, _ = listener.accept()
        with peer:
            asked.append(peer.recv(65536))
            peer.sendall(Event("closed").reply())
            asked.append(peer.recv(65536))
            peer.sendall(answer(202, {"Content-Length": "0"}))
            peer.recv(65536)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    api = Api()
    api.address = f"127.0.0.1:{listener.getsockname()[1]}"
    with Client(ours("streams.handler"), api) as client:
        while len(asked) < 3 and client.process.poll() is None:
            thread.join(0.05)
        log = client.output
    listener.close()
    thread.join(10)
    assert asked[0].startswith(f"POST /2018-06-01/runtime/invocation/{name}/response".encode())
    assert asked[1].startswith(f"GET {NEXT}".encode())
    assert b'"descriptors": ' in asked[2]
    assert "nobody reads the response any more" in log
    if name == "endless":
        assert b'"closed": ["endless"]' in asked[2]


def test_a_stream_that_is_refused_is_logged() -> None:
    events = [Event("http", status=413), Event("iterator")]
    with Api(events) as api, Client(ours("streams.handler"), api) as client:
        api.await_idle()
        assert [post.request_id for post in api.posts] == ["http", "iterator"]
        assert "was not taken: the Runtime API answered response with 413" in client.output


@pytest.mark.parametrize("reset", [True, False])
def test_a_first_piece_survives_a_connection_that_was_closed_meanwhile(
    tmp_path: Path, reset: bool
) -> None:
    """Between `next` and the first byte the server may have dropped an idle connection."""
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    listener = socket.create_server(("127.0.0.1", 0))
    bodies: list[bytes] = []

    def serve() -> None:
        peer, _ = listener.accept()
        peer.recv(65536)
        peer.sendall(Event("iterator_after", json.dumps(str(gate)).encode()).reply())
        # After a reset the very first write fails; after a plain end it is the second one.
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, bytes([reset, 0, 0, 0, 0, 0, 0, 0]))
        peer.close()
        gate.write_text("")
        peer, _ = listener.accept()
        with peer:
            body = b""
            while not body.endswith(b"0\r\n\r\n") and (piece := peer.recv(65536)):
                body += piece
            bodies.append(body)
            peer.sendall(answer(202, {"Content-Length": "0"}))
            bodies.append(peer.recv(65536))

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    api = Api()
    api.address = f"127.0.0.1:{listener.getsockname()[1]}"
    with Client(ours("streams.handler"), api) as client:
        thread.join(10)
        assert not thread.is_alive(), client.output
    listener.close()
    wire = b"".join(bodies)
    assert b"1\r\nx\r\n1\r\ny\r\n0\r\n\r\n" in wire
    assert wire.endswith(b"\r\n\r\n")
    assert b"/invocation/next" in bodies[-1]
