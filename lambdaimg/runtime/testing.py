"""Runs a handler against an event in this process, for tests of one's own.

    from lambdaimg.runtime.testing import run, sample_event

    def test_greets():
        assert run("hello_lambda.handler", {"name": "Ada"}).value["message"] == "Hello, Ada!"

    def test_takes_messages():
        result = run("hello_lambda.handler", sample_event("sqs"))
        assert result.value == {"batchItemFailures": []}

The event goes through the same code as on Lambda: it is written and read as JSON, the context
comes from headers, and so on until the response.
"""

import json
import os
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .client import Invocation
from .codec import JSON, Codec
from .context import Function
from .current import current
from .loop import Loop
from .start import load

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .context import Context

_EVENTS = (
    Path(__file__).parent.parent / "_share" / "events",
    Path(__file__).parent.parent.parent / "share" / "events",
)
_REGION, _ACCOUNT = "us-east-1", "123456789012"


class Result:
    """What came of an invocation.

    Attributes:
        body: what was posted as the response; empty where it failed before.
        content_type: its media type.
        chunks: the pieces of a streamed response, None where it was not streamed.
        error: the error that was posted, as a dict with errorMessage, errorType and stackTrace;
            None where all went well. For a stream it stands in the trailers.
        log: what the runtime wrote to the log about failures.
    """

    def __init__(self) -> None:
        self.body = b""
        self.content_type = ""
        self.chunks: list[bytes] | None = None
        self.error: dict[str, Any] | None = None
        self.log = ""

    @property
    def value(self) -> Any:
        """The response, decoded where it is JSON, else as bytes.

        Raises:
            AssertionError: the invocation failed; the text is the error.
        """
        if self.error is not None:
            raise AssertionError(f"{self.error['errorType']}: {self.error['errorMessage']}")
        return json.loads(self.body) if self.content_type == JSON else self.body

    @property
    def prelude(self) -> dict[str, Any]:
        """Status, headers and cookies of an `HttpStream`. Raises: ValueError, there are none."""
        head, mark, _ = self.body.partition(b"\0" * 8)
        if not mark:
            raise ValueError("the response has no HTTP prelude")
        told: dict[str, Any] = json.loads(head)
        return told


def run(
    handler: str | Callable[[Any, "Context"], Any],
    event: Any,
    *,
    environ: Mapping[str, str] | None = None,
    timeout: float = 3.0,
    client_context: Mapping[str, Any] | None = None,
    identity: Mapping[str, Any] | None = None,
    tenant_id: str | None = None,
    content_type: str = JSON,
) -> Result:
    """Invoke a handler once.

    Args:
        handler: `module.name`, as in the image's CMD; a function; or a method of an instance of
            a `LambdaRuntime` subclass.
        event: anything that JSON can hold; or bytes, which are the event as it would come.
        environ: environment variables laid over this process's for the invocation.
        timeout: seconds that the context says remain.
        client_context, identity, tenant_id: what the caller would have sent.
        content_type: the event's media type; other than JSON, the handler gets bytes.

    Returns:
        What was answered. A failure of the handler is in there and not raised.

    Raises:
        Fault: the handler could not be loaded.
        SystemExit, KeyboardInterrupt: the handler raised it; on Lambda the process would end.
    """
    with _laid_over({**_lambda_variables(timeout), **(environ or {})}):
        sink = _Memory()
        client = _Recorder()
        loop = Loop(client, Codec(), Function(os.environ), sink)  # type: ignore[arg-type]
        before = (current.loop, current.invocation, current.request_id, current.tenant_id)
        current.loop = loop
        try:
            function = load(handler, loop) if isinstance(handler, str) else handler
            loop.raw_text |= _is_method_of_runtime(function)
            body = event if isinstance(event, bytes) else loop.codec.encode(event)
            headers = _headers(timeout, content_type, tenant_id)
            if client_context is not None:
                headers["lambda-runtime-client-context"] = json.dumps(client_context)
            if identity is not None:
                headers["lambda-runtime-cognito-identity"] = json.dumps(identity)
            client.offered = Invocation(headers, body)
            loop.serve(loop.next(), function)
        finally:
            current.loop, current.invocation, current.request_id, current.tenant_id = before
        client.result.log = sink.text
        return client.result


def sample_event(name: str) -> Any:
    """One of the sample events that come with lambdaimg, such as `sqs`, `s3` or `function-url`.

    Raises:
        LookupError: there is none of that name; the text names those there are.
    """
    for folder in _EVENTS:
        path = folder / f"{name}.json"
        if path.is_file():
            return json.loads(path.read_text(encoding="utf-8"))
    known = sorted({path.stem for folder in _EVENTS for path in folder.glob("*.json")})
    raise LookupError(f"no sample event {name}; there are: {', '.join(known)}")


class _Memory:
    """A sink that keeps what is written."""

    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str, frame: int = 0) -> None:
        self.text += text

    def error(self, lines: list[str], frame: int) -> None:
        self.text += "\n".join(lines) + "\n"


class _Recorder:
    """Stands where the Runtime API's client stands: offers one event and keeps the answer."""

    def __init__(self) -> None:
        self.result = Result()
        self.offered: Invocation | None = None

    def next(self) -> Invocation:
        if self.offered is None:
            raise RuntimeError("a test offers one event only")
        offered, self.offered = self.offered, None
        return offered

    def respond(self, invocation: Invocation, body: bytes, content_type: str) -> None:
        invocation.answered = True
        self.result.body, self.result.content_type = body, content_type

    def fail(self, invocation: Invocation, body: bytes, type: str, xray_cause: str) -> None:
        invocation.answered = True
        self.result.error = json.loads(body)

    def init_error(self, body: bytes, type: str) -> None:
        self.result.error = json.loads(body)

    def stream(self, invocation: Invocation, content_type: str, prelude: bytes) -> "_Stream":
        return _Stream(self.result, invocation, content_type, prelude)


class _Stream:
    """A streamed response that is kept."""

    def __init__(
        self, result: Result, invocation: Invocation, content_type: str, prelude: bytes
    ) -> None:
        self._result = result
        self._invocation = invocation
        self._content_type = content_type
        self._prelude = prelude
        self.ended = False

    def write(self, data: bytes) -> None:
        if self.ended:
            from .client import StreamClosedError

            raise StreamClosedError("the response has ended")
        if data:
            self._begin().append(data)
            self._result.body += data

    def finish(self, error_type: str = "", error_body: bytes = b"") -> None:
        self._begin()
        self.ended = True
        if error_type:
            self._result.error = json.loads(error_body)

    def _begin(self) -> list[bytes]:
        if self._result.chunks is None:
            self._invocation.answered = True
            self._result.content_type = self._content_type
            self._result.body = self._prelude
            self._result.chunks = []
        return self._result.chunks


def _is_method_of_runtime(function: object) -> bool:
    from .base import LambdaRuntime

    return isinstance(getattr(function, "__self__", None), LambdaRuntime)


def _headers(timeout: float, content_type: str, tenant_id: str | None) -> dict[str, str]:
    name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
    headers = {
        "content-type": content_type,
        "lambda-runtime-aws-request-id": str(uuid.uuid4()),
        "lambda-runtime-deadline-ms": str(int((time.time() + timeout) * 1000)),
        "lambda-runtime-invoked-function-arn": (
            f"arn:aws:lambda:{_REGION}:{_ACCOUNT}:function:{name}"
        ),
        "lambda-runtime-trace-id": f"Root=1-{int(time.time()):08x}-{uuid.uuid4().hex[:24]}",
    }
    if tenant_id is not None:
        headers["lambda-runtime-aws-tenant-id"] = tenant_id
    return headers


def _lambda_variables(timeout: float) -> dict[str, str]:
    name = os.environ.get("AWS_LAMBDA_FUNCTION_NAME", "test-function")
    return {
        "AWS_LAMBDA_FUNCTION_NAME": name,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": f"2025/01/01/[$LATEST]{uuid.uuid4().hex}",
    }


@contextmanager
def _laid_over(variables: Mapping[str, str]) -> "Iterator[None]":
    """Set environment variables and put all back as it was afterwards."""
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
