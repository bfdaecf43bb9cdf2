"""The help for users' own tests: `lambdaimg.runtime.testing`."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Any

import pytest

from lambdaimg.runtime import (
    Context,
    Fault,
    HttpStream,
    LambdaRuntime,
    ResponseStream,
    StreamClosedError,
)
from lambdaimg.runtime.current import current
from lambdaimg.runtime.testing import run
from tests.runtime.api import HANDLERS


@pytest.fixture
def handlers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(HANDLERS)


def echo(event: Any, context: Context) -> Any:
    return event


@pytest.mark.parametrize("event", [None, 0, "", {}, [1, "é"], {"a": {"b": [None]}}])
def test_events_go_through_json(event: Any) -> None:
    result = run(echo, event)
    assert (result.value, result.error, result.log) == (event, None, "")
    assert result.content_type == "application/json"


def test_bytes_are_the_event_as_it_would_come() -> None:
    assert run(echo, b'{"a": 1}').value == {"a": 1}
    assert run(echo, b"hello", content_type="text/plain").value == b"hello"


def test_the_context_is_realistic() -> None:
    seen: list[Context] = []

    def handler(event: Any, context: Context) -> None:
        seen.append(context)
        assert 2000 < context.get_remaining_time_in_millis() <= 3000
        assert os.environ["AWS_LAMBDA_FUNCTION_NAME"] == context.function_name
        assert os.environ["_X_AMZN_TRACE_ID"].startswith("Root=1-")
        assert os.environ["TABLE"] == "orders"

    before = dict(os.environ)
    result = run(
        handler,
        {},
        environ={"TABLE": "orders"},
        client_context={"custom": {"k": 1}},
        identity={"cognitoIdentityId": "me"},
        tenant_id="blue",
    )
    assert result.value is None
    assert dict(os.environ) == before
    (context,) = seen
    assert re.fullmatch(r"[0-9a-f-]{36}", context.aws_request_id)
    assert context.invoked_function_arn == (
        "arn:aws:lambda:us-east-1:123456789012:function:test-function"
    )
    assert context.client_context is not None
    assert context.client_context.custom == {"k": 1}
    assert (context.identity.cognito_identity_id, context.tenant_id) == ("me", "blue")
    assert (context.memory_limit_in_mb, context.function_version) == ("128", "$LATEST")


def test_failures_are_told_and_not_raised() -> None:
    def handler(event: Any, context: Context) -> None:
        raise LookupError("no such order")

    result = run(handler, {})
    assert result.error is not None
    assert result.error["errorType"] == "LookupError"
    assert result.error["stackTrace"][0].endswith('raise LookupError("no such order")\n')
    assert result.log.startswith("[ERROR] LookupError: no such order\n")
    with pytest.raises(AssertionError, match="LookupError: no such order"):
        _ = result.value


def test_handlers_by_name(handlers: None) -> None:
    assert run("package/inner/module.handler", {}).value == "package.inner.module"
    with pytest.raises(Fault, match="Unable to import module 'no_such_module'"):
        run("no_such_module.handler", {})


class Shop(LambdaRuntime):
    """A function that is a class."""

    def handler(self, event: Any, context: Context) -> Any:
        if event == "sends":
            self.send_invocation_response([1])
        if event == "fails":
            self.send_invocation_error("closed", "Shop.Closed")
        return "as it stands"


@pytest.mark.parametrize("handler", [Shop().handler, f"{__name__}.Shop"])
def test_classes(handler: Any) -> None:
    assert run(handler, {}).body == b"as it stands"
    assert run(handler, "sends").value == [1]
    error = run(handler, "fails").error
    assert error is not None
    assert (error["errorType"], error["errorMessage"]) == ("Shop.Closed", "closed")


def test_streams() -> None:
    def pieces(event: Any, context: Context) -> Iterator[str]:
        yield "a"
        yield ""
        yield "b"

    result = run(pieces, {})
    assert (result.chunks, result.value) == ([b"a", b"b"], b"ab")

    def writes(event: Any, context: Context) -> None:
        with HttpStream(404, {"X": "y"}) as out:
            out.write("gone")
        with pytest.raises(StreamClosedError):
            out.write("more")

    result = run(writes, {})
    assert result.prelude == {"statusCode": 404, "headers": {"X": "y"}, "cookies": []}
    assert result.body.endswith(b"gone")
    with pytest.raises(ValueError, match="no HTTP prelude"):
        _ = run(pieces, {}).prelude


def test_a_stream_that_fails_half_way() -> None:
    def handler(event: Any, context: Context) -> None:
        with ResponseStream("text/plain") as out:
            out.write("half")
            raise ValueError("no more")

    result = run(handler, {})
    assert (result.body, result.content_type) == (b"half", "text/plain")
    assert result.error is not None
    assert result.error["errorMessage"] == "no more"


def test_nothing_of_it_stays() -> None:
    run(echo, {})
    assert (current.loop, current.invocation, current.request_id) == (None, None, "")
