"""Function URLs: what a request becomes for the function, and its response for the caller."""

from __future__ import annotations

import base64
import http.client
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from lambdaimg.emulator.function_pool import FunctionPool
from lambdaimg.emulator.function_url import FunctionUrl
from lambdaimg.emulator.message import Request
from lambdaimg.emulator.protocol import FunctionSpec, Outcome
from lambdaimg.emulator.texts import failed
from lambdaimg.emulator.urlformat import FAILED, PRELUDE_TYPE, event_of, response_of, split_prelude

from .conftest import scripted

Call = Callable[..., http.client.HTTPResponse]

SPEC = FunctionSpec("web")


def request(method: str = "GET", target: str = "/", body: bytes = b"", **headers: str) -> Request:
    found = Request(method, target, {n.replace("_", "-"): v for n, v in headers.items()}, False)
    found.body = body
    return found


def event(found: Request) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(event_of(found, SPEC, "r-1", "10.1.2.3"))
    return parsed


def test_a_request_becomes_an_event_of_format_2() -> None:
    found = event(
        request(
            "PUT",
            "/a%20b/c?x=1&x=2&y=&z=%26",
            b'{"k": "\xc3\xa4"}',
            host="h:9001",
            content_type="application/json",
            cookie="one=1; two=2",
            user_agent="curl/8",
        )
    )
    assert (found["version"], found["routeKey"]) == ("2.0", "$default")
    assert (found["rawPath"], found["rawQueryString"]) == ("/a%20b/c", "x=1&x=2&y=&z=%26")
    assert found["queryStringParameters"] == {"x": "1,2", "y": "", "z": "&"}
    assert found["cookies"] == ["one=1", "two=2"]
    assert (found["body"], found["isBase64Encoded"]) == ('{"k": "ä"}', False)
    assert "cookie" not in found["headers"]
    assert found["headers"]["x-forwarded-for"] == "10.1.2.3"
    assert found["headers"]["x-forwarded-port"] == "9001"
    context = found["requestContext"]
    assert context["http"] == {
        "method": "PUT",
        "path": "/a%20b/c",
        "protocol": "HTTP/1.1",
        "sourceIp": "10.1.2.3",
        "userAgent": "curl/8",
    }
    assert (context["requestId"], context["domainName"]) == ("r-1", "h:9001")


@pytest.mark.parametrize(
    ("target", "path"),
    [("//[x", "//[x"), ("//h/a", "//h/a"), ("http://h:1/a?b=1", "/a"), ("http://h", "/")],
)
def test_a_path_is_taken_as_it_stands(target: str, path: str) -> None:
    assert event(request(target=target))["rawPath"] == path


def test_what_a_request_does_not_have_is_not_in_its_event() -> None:
    assert {"cookies", "queryStringParameters", "body"}.isdisjoint(event(request()))


@pytest.mark.parametrize(
    ("kind", "body", "is_text"),
    [
        ("text/plain; charset=utf-8", b"hi", True),
        ("application/vnd.x+json", b"{}", True),
        ("application/x-www-form-urlencoded", b"a=1", True),
        ("image/png", b"\x89PNG", False),
        ("", b"hi", False),
        ("text/plain", b"\xff", False),
    ],
)
def test_bodies_that_are_no_text_are_encoded(kind: str, body: bytes, is_text: bool) -> None:
    found = event(request("POST", "/", body, content_type=kind))
    assert found["isBase64Encoded"] is not is_text
    wanted = body.decode() if is_text else base64.b64encode(body).decode()
    assert found["body"] == wanted


def answer(payload: object, **more: Any) -> Any:
    return response_of(Outcome(json.dumps(payload).encode(), **more))


def test_an_object_with_a_status_is_a_whole_response() -> None:
    found = answer(
        {
            "statusCode": 201,
            "headers": {"X-A": "1", "X-N": 5, "X-B": True, "X-L": ["a", "b"]},
            "cookies": ["c=1; Secure", "d=2"],
            "body": "made",
        }
    )
    assert (found.status, found.body, found.cookies) == (201, b"made", ["c=1; Secure", "d=2"])
    assert found.headers == {
        "X-A": "1",
        "X-N": "5",
        "X-B": "true",
        "X-L": "a,b",
        "Content-Type": "application/json",
    }
    head = found.head()
    assert "Set-Cookie: c=1; Secure\r\nSet-Cookie: d=2\r\n" in head


def test_an_encoded_body_is_decoded() -> None:
    body = base64.b64encode(b"\x00\xff").decode()
    assert answer({"statusCode": 200, "body": body, "isBase64Encoded": True}).body == b"\x00\xff"


@pytest.mark.parametrize("payload", ["hello", {"message": "x"}, [1], 5, None, True])
def test_anything_else_is_the_body(payload: object) -> None:
    found = answer(payload)
    assert (found.status, found.body) == (200, json.dumps(payload).encode())
    assert found.headers == {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    "payload",
    [
        {"statusCode": "x"},
        {"statusCode": 99},
        {"statusCode": "\xb2"},
        {"statusCode": "9" * 5000},
        {"statusCode": 200, "headers": "x"},
        {"statusCode": 200, "cookies": "x"},
        {"statusCode": 200, "body": "é", "isBase64Encoded": True},
    ],
)
def test_a_malformed_response_is_a_bad_gateway(payload: object) -> None:
    assert answer(payload) is FAILED


def test_an_answer_that_is_no_text_for_utf_8_is_told_all_the_same() -> None:
    assert response_of(Outcome(b'{"statusCode": 200, "body": "a\\ud800"}')).body == b"a?"


def test_an_answer_nested_too_deeply_is_passed_on_as_it_stands() -> None:
    assert response_of(Outcome(b"[" * 200_000)).body == b"[" * 200_000


def test_a_function_s_failure_is_a_bad_gateway_that_tells_nothing() -> None:
    found = response_of(failed("Runtime.ExitError", "secret"))
    assert (found.status, found.body) == (502, b"Internal Server Error")


def test_headers_cannot_break_out_of_their_line() -> None:
    head = answer({"statusCode": 200, "headers": {"A": "1\r\nInjected: 2"}}).head()
    assert "\r\nInjected" not in head


def test_headers_of_the_transport_are_not_the_function_s() -> None:
    headers = {"Content-Length": "9", "Connection": "close", "Transfer-Encoding": "x", "A": "1"}
    assert answer({"statusCode": 200, "headers": headers}).head() == (
        "A: 1\r\nContent-Type: application/json\r\n"
    )


def test_a_prelude_may_come_in_any_portions() -> None:
    data = b'{"statusCode":203,"headers":{"A":"1"},"cookies":["c=1"]}' + bytes(8) + b"rest"
    for cut in range(len(data) - 4):
        assert split_prelude(data[:cut]) is None
    found = split_prelude(data)
    assert found is not None
    assert (found[0].status, found[0].cookies, found[1]) == (203, ["c=1"], b"rest")
    assert found[0].headers == {"A": "1", "Content-Type": "application/octet-stream"}


@pytest.mark.parametrize("data", [b"no json", b"[1]", b'{"statusCode":0}', b"[" * 50_000])
def test_a_senseless_prelude_is_a_bad_gateway(data: bytes) -> None:
    assert split_prelude(data + bytes(8)) == (FAILED, b"")


def test_a_prelude_without_end_is_given_up() -> None:
    assert split_prelude(b"x" * 70_000) == (FAILED, b"")


@pytest.fixture
def call(serve: Callable[..., FunctionPool]) -> Iterator[Call]:
    """`call(steps, method="GET", path="/")` asks a function URL; the body holds the steps."""
    pool = serve(scripted(timeout=30))
    port = pool.listen("127.0.0.1", 0, FunctionUrl)
    conn = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

    def ask(*script: list[Any], method: str = "POST", path: str = "/") -> http.client.HTTPResponse:
        body = json.dumps({"steps": script})
        conn.request(method, path, body, {"Content-Type": "application/json"})
        return conn.getresponse()

    yield ask
    conn.close()


def respond(text: object) -> list[Any]:
    return ["respond", json.dumps(text)]


def test_the_function_gets_the_event(call: Call) -> None:
    response = call(["facts"], path="/some/path?a=1")
    found = json.loads(response.read())["event"]
    assert (found["rawPath"], found["queryStringParameters"]) == ("/some/path", {"a": "1"})
    assert response.headers["X-Amzn-RequestId"] == found["requestContext"]["requestId"]


def test_status_headers_and_body_are_the_function_s(call: Call) -> None:
    reply = {"statusCode": 404, "headers": {"X-A": "1"}, "cookies": ["c=1"], "body": "none"}
    response = call(respond(reply))
    assert (response.status, response.read()) == (404, b"none")
    assert (response.headers["X-A"], response.headers["Set-Cookie"]) == ("1", "c=1")


def test_a_failure_is_a_bad_gateway_and_the_next_request_is_served(call: Call) -> None:
    response = call(["exit", 1])
    assert (response.status, response.read()) == (502, b"Internal Server Error")
    assert call(respond({"statusCode": 200, "body": "ok"})).read() == b"ok"


def test_a_streamed_response_is_streamed_with_its_prelude(call: Call) -> None:
    prelude = json.dumps({"statusCode": 206, "headers": {"X-A": "1", "Content-Type": "text/css"}})
    pieces = [prelude[:5], prelude[5:] + "\0" * 3, "\0" * 5 + "one ", "two"]
    response = call(["stream", PRELUDE_TYPE, pieces, "", "", 0.02])
    assert (response.status, response.headers["Content-Type"]) == (206, "text/css")
    assert response.headers["Transfer-Encoding"] == "chunked"
    assert response.read1(4) == b"one "
    assert response.read() == b"two"


def test_a_stream_without_a_prelude_is_a_body(call: Call) -> None:
    response = call(["stream", "text/html", ["<p>", "</p>"]])
    assert (response.status, response.headers["Content-Type"]) == (200, "text/html")
    assert response.read() == b"<p></p>"


def test_a_stream_that_fails_half_way_is_broken_off(call: Call) -> None:
    response = call(["stream", "text/html", ["<p>"], "Function.Late", "{}"])
    assert response.status == 200
    with pytest.raises(http.client.IncompleteRead) as caught:
        response.read()
    assert caught.value.partial == b"<p>"


def test_a_stream_that_fails_before_its_prelude_is_a_bad_gateway(call: Call) -> None:
    assert call(["stream", PRELUDE_TYPE, ["{"], "Function.Early", "{}"]).status == 502


def test_every_method_is_an_event_and_head_has_no_body(call: Call) -> None:
    for method in ("DELETE", "PATCH", "OPTIONS"):
        response = call(["facts"], method=method)
        context = json.loads(response.read())["event"]["requestContext"]
        assert context["http"]["method"] == method
    response = call(respond({"statusCode": 200, "body": "x"}), method="HEAD")
    assert (response.status, response.read()) == (200, b"")


def test_a_path_that_is_no_url_is_an_event_too(call: Call) -> None:
    response = call(["facts"], path="//[x?a=1")
    assert json.loads(response.read())["event"]["rawPath"] == "//[x"


def test_what_has_no_body_leaves_the_connection_clean(call: Call) -> None:
    prelude = json.dumps({"statusCode": 204}) + "\0" * 8
    for script, method, status in (
        (["stream", "text/html", ["<p>"]], "HEAD", 200),
        (["stream", PRELUDE_TYPE, [prelude, "x"]], "GET", 204),
        (respond({"statusCode": 304, "body": "x"}), "GET", 304),
    ):
        response = call(script, method=method)
        assert (response.status, response.read()) == (status, b"")
        assert call(respond({"statusCode": 200, "body": "ok"})).read() == b"ok"
