"""Functions that are classes: which class is chosen, and what its methods may do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.runtime.api import HANDLERS, NO_ORJSON, ROOT, Api, Client, Event, Request, ours

CALLS = """
    text raw_bytes value streamed http_stream sends sends_twice sends_error
    sends_error_then_raises raises_fault unserialisable logs
""".split()  # noqa: SIM905
BASE = "from lambdaimg.runtime import LambdaRuntime\n\n\n"


@pytest.fixture(scope="module")
def seen() -> tuple[dict[str, list[Request]], str]:
    events = [Event(name, b'{"n": 1}') for name in CALLS]
    with Api(events) as api, Client(ours("service.handler"), api) as client:
        api.await_idle()
        posts: dict[str, list[Request]] = {}
        for post in api.posts:
            posts.setdefault(post.request_id, []).append(post)
        return posts, client.output


@pytest.mark.parametrize(
    ("name", "body", "content_type"),
    [
        ("text", "as it é stands".encode(), "application/json"),
        ("raw_bytes", b"\x00\x01", "application/unknown"),
        ("value", b'{"count": 3}', "application/json"),
        ("streamed", b"ab", "application/octet-stream"),
        ("sends", b'{"sent": {"n": 1}}', "application/json"),
        ("sends_twice", b"one", "application/json"),
    ],
)
def test_responses(
    seen: tuple[dict[str, list[Request]], str], name: str, body: bytes, content_type: str
) -> None:
    (post,) = seen[0][name]
    assert post.call == "invocation/response"
    assert (post.body, post.headers["content-type"]) == (body, content_type)


@pytest.mark.parametrize(
    ("name", "type_", "message"),
    [
        ("sends_error", "OrderNotFound", "no such order"),
        ("sends_error_then_raises", "First", "first"),
        ("raises_fault", "Shop.Closed", "come back tomorrow"),
        (
            "unserialisable",
            "Runtime.MarshalError",
            "Unable to marshal response: Object of type set is not JSON serializable",
        ),
    ],
)
def test_errors(
    seen: tuple[dict[str, list[Request]], str], name: str, type_: str, message: str
) -> None:
    (post,) = seen[0][name]
    assert post.call == "invocation/error"
    assert (post.json["errorType"], post.json["errorMessage"]) == (type_, message)
    assert post.json["requestId"] == name


def test_what_comes_after_an_answer_is_logged(
    seen: tuple[dict[str, list[Request]], str],
) -> None:
    assert "[ERROR] ValueError: second" in seen[1]
    assert "the event has been answered already" in seen[1]


def test_levels_and_messages_that_are_functions(
    seen: tuple[dict[str, list[Request]], str],
) -> None:
    lines = [line.split("\t") for line in seen[1].splitlines() if "\tlogs\t" in line]
    assert [(line[0], line[-1]) for line in lines] == [
        ("[DEBUG]", "debug on"),
        ("[INFO]", "evaluated"),
    ]


def run_module(
    folder: Path, source: str, handler: str = "shop.handler"
) -> tuple[list[Request], int | None, str]:
    """Load a module, offer one event, and wait until it is answered or the process has ended."""
    (folder / "shop.py").write_text(source)
    path = ":".join(map(str, (folder, NO_ORJSON, HANDLERS, ROOT)))
    with Api([Event("one")]) as api, Client(ours(handler), api, {"PYTHONPATH": path}) as client:
        while client.process.poll() is None and not api.idle.wait(0.01):
            pass
        return api.posts, client.process.returncode, client.output


@pytest.mark.parametrize(
    ("source", "handler", "body"),
    [
        ("class Shop(LambdaRuntime):\n    def handler(self, e, c): return 'named'", "", "named"),
        (
            "class Any(LambdaRuntime):\n    def handler(self, e, c): return 'only'",
            "",
            "only",
        ),
        (
            "class First(LambdaRuntime):\n    pass\n\n"
            "class Second(First):\n    def handler(self, e, c): return 'most derived'",
            "",
            "most derived",
        ),
        (
            "from service import Other\n\n"
            "class Any(LambdaRuntime):\n    def handler(self, e, c): return 'defined here'",
            "",
            "defined here",
        ),
        (
            "class Shop(LambdaRuntime):\n    def handler(self, e, c): return 'method'\n\n"
            "def handler(e, c): return 'function'",
            "",
            '"function"',
        ),
        (
            "class Shop(LambdaRuntime):\n    def other(self, e, c): return 'other'",
            "shop.other",
            "other",
        ),
        (
            "class One(LambdaRuntime):\n    def handler(self, e, c): return 'one'\n\n"
            "class Two(LambdaRuntime): pass",
            "shop.One",
            "one",
        ),
    ],
)
def test_which_class_is_chosen(tmp_path: Path, source: str, handler: str, body: str) -> None:
    posts, status, log = run_module(tmp_path, BASE + source, handler or "shop.handler")
    assert [(post.call, post.body.decode()) for post in posts] == [("invocation/response", body)]
    assert (status, log) == (None, "")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            "class One(LambdaRuntime): pass\n\nclass Two(LambdaRuntime): pass",
            "Handler 'handler' missing on module 'shop'; none of its classes One, Two is named "
            "like the module",
        ),
        ("class Any: pass", "Handler 'handler' missing on module 'shop'"),
    ],
)
def test_no_class_can_be_chosen(tmp_path: Path, source: str, message: str) -> None:
    (post,), status, _ = run_module(tmp_path, BASE + source)
    assert (post.call, status) == ("init/error", 1)
    assert (post.json["errorType"], post.json["errorMessage"]) == (
        "Runtime.HandlerNotFound",
        message,
    )


def test_a_class_without_the_method_is_told(tmp_path: Path) -> None:
    source = BASE + "class Shop(LambdaRuntime): pass"
    (post,), _, _ = run_module(tmp_path, source, "shop.missing")
    assert post.json["errorMessage"] == (
        "Handler 'missing' missing on module 'shop' and on its class Shop"
    )


def test_a_constructor_may_refuse(tmp_path: Path) -> None:
    posts, status, log = run_module(tmp_path, "", "constructors.Refuses")
    assert [(post.call, post.json["errorType"], post.json["errorMessage"]) for post in posts] == [
        ("init/error", "Config.NoTable", "no table is configured")
    ]
    assert posts[0].headers["lambda-runtime-function-error-type"] == "Function.Config.NoTable"
    assert status == 1
    assert "[ERROR] Config.NoTable: no table is configured" in log


def test_a_constructor_may_raise(tmp_path: Path) -> None:
    (post,), status, _ = run_module(tmp_path, "", "constructors.Raises")
    assert (post.call, post.json["errorType"], status) == ("init/error", "LookupError", 1)
    assert "constructors.py" in post.json["stackTrace"][0]
    assert "raise LookupError" in post.json["stackTrace"][-1]


def test_a_constructor_need_not_call_the_base_s(tmp_path: Path) -> None:
    (post,), _, log = run_module(tmp_path, "", "constructors.Bare")
    assert post.body == b"1"
    assert log.endswith("\tone\thello\n")


def test_the_base_s_own_handler_has_none_to_call(tmp_path: Path) -> None:
    (post,), _, _ = run_module(tmp_path, "", "constructors.Undefined")
    assert post.json["errorType"] == "NoHandlerDefinedException"
    assert post.headers["lambda-runtime-function-error-type"] == (
        "Function.NoHandlerDefinedException"
    )


OWN_LOOP = (
    BASE
    + """
class Shop(LambdaRuntime):
    def serve(self):
        while True:
            event = self.next_event()
            if event == "error":
                self.send_invocation_error("asked for", "Asked")
            else:
                self.send_invocation_response([event, self.context.aws_request_id])


if __name__ == "__main__":
    Shop().serve()
"""
)


def test_a_function_may_have_a_loop_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(OWN_LOOP)
    events = [Event("a", b"1"), Event("bad", b"["), Event("b", b'"error"'), Event("c", b"null")]
    with Api(events) as api, Client([str(tmp_path / "shop.py")], api) as client:
        api.await_idle()
        client.process.terminate()
        assert client.ended() == 0
        answered: list[Any] = [json.loads(post.body) for post in api.posts]
    assert answered[0] == [1, "a"]
    assert answered[1]["errorType"] == "Runtime.UnmarshalError"
    assert (answered[2]["errorType"], answered[2]["errorMessage"]) == ("Asked", "asked for")
    assert answered[3] == [None, "c"]


def test_a_class_may_run_itself(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(
        BASE
        + "class Shop(LambdaRuntime):\n    def handler(self, e, c): return 'ran'\n\nShop().run()"
    )
    with Api([Event("a")]) as api, Client([str(tmp_path / "shop.py")], api):
        api.await_idle()
        assert [post.body for post in api.posts] == [b"ran"]


def test_answering_without_an_event_is_an_error(tmp_path: Path) -> None:
    source = BASE + (
        "class Shop(LambdaRuntime):\n    def __init__(self): self.send_invocation_response(1)"
    )
    (post,), _, _ = run_module(tmp_path, source, "shop.Shop")
    assert (post.json["errorType"], post.json["errorMessage"]) == (
        "RuntimeError",
        "no event is being handled",
    )
