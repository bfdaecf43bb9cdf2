"""The invoke side of the Lambda service, for AWS SDKs and the AWS CLI.

- POST /2015-03-31/functions/NAME/invocations: RequestResponse, Event, DryRun, log tail
- POST /2021-11-15/functions/NAME/response-streaming-invocations: an event stream

NAME is a name, a partial or a whole ARN, with or without a qualifier, which is not looked at: one
version of one function is served. It is also served as `function`, the name that an image's own
endpoint has. Signatures are not checked.
"""

from __future__ import annotations

import json
from urllib.parse import unquote

from lambdaimg.emulator import eventstream
from lambdaimg.emulator.endpoint import answer, invocation_of
from lambdaimg.emulator.message import Request, path_and_query
from lambdaimg.emulator.protocol import MAX_ASYNC, MAX_REQUEST, Invocation, Outcome
from lambdaimg.emulator.wire import Connection

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lambdaimg.emulator.loop import Loop
    from lambdaimg.emulator.pool import Pool

STREAM = "application/vnd.amazon.eventstream"
RETRY_AFTER = 1.0
"""Seconds until an asynchronous event that was throttled is tried again."""
ROUTES = {
    ("2015-03-31", "invocations"): "invoke",
    ("2021-11-15", "response-streaming-invocations"): "stream",
}


class InvokeApi:
    """Serves one function's pool; an app of `wire`."""

    max_body = MAX_REQUEST

    def __init__(self, loop: Loop, pool: Pool) -> None:
        self._loop = loop
        self._pool = pool

    def begin(self, conn: Connection, request: Request) -> None:
        """Events are collected whole."""

    def lost(self, conn: Connection) -> None:
        """A caller that goes away does not end its event, as on AWS."""

    def handle(self, conn: Connection, request: Request) -> None:
        """A call of the API."""
        parts = path_and_query(request.target)[0].split("/")
        route = None
        if len(parts) == 5 and parts[2] == "functions":
            route = ROUTES.get((parts[1], parts[4]))
        if route is None or request.method != "POST":
            refuse(conn, 404, "UnknownOperationException", "There is no such operation here.")
            return
        name = unquote(parts[3])
        if function_name(name) not in (self._pool.spec.name, "function"):
            text = f"Function not found: {name}; this is {self._pool.spec.arn}"
            refuse(conn, 404, "ResourceNotFoundException", text)
            return
        kind = request.headers.get("x-amz-invocation-type") or "RequestResponse"
        problem = check(request, kind)
        if problem is not None:
            refuse(conn, *problem)
            return
        if not request.body:
            request.body = b"{}"
        if route == "stream" and kind == "RequestResponse":
            self._stream(conn, request)
        elif kind == "RequestResponse":
            invocation = invocation_of(request)
            invocation.on_outcome = lambda outcome: reply(conn, invocation, outcome)
            self._pool.submit(invocation)
        elif kind == "Event":
            self._later(invocation := invocation_of(request))
            conn.reply(202, f"X-Amzn-RequestId: {invocation.request_id}\r\n")
        else:
            conn.reply(204, f"X-Amz-Executed-Version: {self._pool.spec.version}\r\n")

    def _later(self, invocation: Invocation) -> None:
        """Run an event for which nobody waits; one that is throttled is tried again."""

        def again(outcome: Outcome) -> None:
            if outcome.status == 429:
                at = self._loop.now() + RETRY_AFTER
                self._loop.call_at(at, lambda: self._later(invocation))

        invocation.on_outcome = again
        invocation.want_log = False
        self._pool.submit(invocation)

    def _stream(self, conn: Connection, request: Request) -> None:
        invocation = invocation_of(request)
        begun = False

        def begin() -> None:
            nonlocal begun
            if not begun:
                begun = True
                conn.start_chunked(
                    200,
                    f"Content-Type: {STREAM}\r\nX-Amzn-RequestId: {invocation.request_id}\r\n"
                    f"X-Amz-Executed-Version: {self._pool.spec.version}\r\n",
                )

        def chunk(data: bytes, _content_type: str) -> None:
            begin()
            conn.chunk(eventstream.payload_chunk(data))

        def end(outcome: Outcome) -> None:
            if outcome.status != 200:
                reply(conn, invocation, outcome)
                return
            begin()
            if not outcome.streamed and not outcome.function_error:
                conn.chunk(eventstream.payload_chunk(outcome.payload))
            conn.chunk(eventstream.invoke_complete(outcome))
            conn.end_chunked()

        invocation.on_chunk = chunk
        invocation.on_outcome = end
        self._pool.submit(invocation)


def function_name(text: str) -> str:
    """The bare name in a name, partial or whole ARN, with or without a qualifier."""
    if text.startswith("arn:"):
        text = text.split(":", 6)[-1]
    elif ":function:" in text:
        text = text.split(":function:", 1)[1]
    return text.partition(":")[0]


def check(request: Request, kind: str) -> tuple[int, str, str] | None:
    """Why an event is refused: status, error type and message; None if it is not."""
    if kind not in ("RequestResponse", "Event", "DryRun"):
        text = f"{kind} is not one of RequestResponse, Event, DryRun"
        return 400, "InvalidParameterValueException", text
    limit = MAX_ASYNC if kind == "Event" else MAX_REQUEST
    if request.cut or len(request.body) > limit:
        text = f"The payload is too large for the {kind} invocation type (limit {limit} bytes)"
        return 413, "RequestTooLargeException", text
    if request.body:
        try:
            json.loads(request.body)
        except (ValueError, RecursionError) as error:
            text = f"Could not parse request body into json: {error}"
            return 400, "InvalidRequestContentException", text
    return None


def reply(conn: Connection, invocation: Invocation, outcome: Outcome) -> None:
    """Answer an invoke call; a refused event has the error's type and when to come again."""
    if outcome.status == 200:
        answer(conn, invocation, outcome)
        return
    conn.reply(
        outcome.status,
        f"Content-Type: application/json\r\nX-Amzn-ErrorType: {outcome.error_type}\r\n"
        f"X-Amzn-RequestId: {invocation.request_id}\r\nRetry-After: 1\r\n",
        outcome.payload,
    )


def refuse(conn: Connection, status: int, error_type: str, text: str) -> None:
    """Answer with an error of the service itself."""
    body = json.dumps({"Type": "User", "Message": text, "message": text}).encode()
    conn.reply(
        status, f"Content-Type: application/json\r\nX-Amzn-ErrorType: {error_type}\r\n", body
    )
