"""A function URL: every request is an event, every response is made from the function's.

A function that streams is streamed to the caller, with the status and headers of its prelude if
it sends one.
"""

from __future__ import annotations

from lambdaimg.emulator.message import Request
from lambdaimg.emulator.protocol import MAX_REQUEST, Invocation, Outcome
from lambdaimg.emulator.urlformat import (
    FAILED,
    PRELUDE_TYPE,
    HttpResponse,
    event_of,
    response_of,
    split_prelude,
)
from lambdaimg.emulator.wire import Connection

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lambdaimg.emulator.loop import Loop
    from lambdaimg.emulator.pool import Pool


class FunctionUrl:
    """Serves one function's pool over plain HTTP; an app of `wire`."""

    max_body = MAX_REQUEST

    def __init__(self, _loop: Loop, pool: Pool) -> None:
        self._pool = pool

    def begin(self, conn: Connection, request: Request) -> None:
        """Bodies are collected whole: events are not streamed."""

    def lost(self, conn: Connection) -> None:
        """A caller that goes away does not end its event, as on AWS."""

    def handle(self, conn: Connection, request: Request) -> None:
        """A request of any method and path."""
        if request.cut:
            conn.reply(413, "Content-Type: application/json\r\n", b'{"message":"Too large"}')
            return
        exchange = Exchange(conn, request.method == "HEAD")
        invocation = Invocation(b"", exchange.end, on_chunk=exchange.chunk)
        invocation.payload = event_of(
            request, self._pool.spec, invocation.request_id, conn.peer_host
        )
        trace = request.headers.get("x-amzn-trace-id", "")
        invocation.trace_id = trace or invocation.trace_id
        exchange.request_id = invocation.request_id
        self._pool.submit(invocation)


class Exchange:
    """One response on its way."""

    def __init__(self, conn: Connection, bodiless: bool) -> None:
        self.request_id = ""
        self._conn = conn
        self._bodiless = bodiless
        self._begun = False
        self._prelude: bytes | None = None
        self._spoilt = False

    def chunk(self, data: bytes, content_type: str) -> None:
        """A piece of a streamed response, the prelude's first."""
        if self._spoilt:
            return
        if not self._begun and self._prelude is None:
            if content_type.partition(";")[0].strip().lower() != PRELUDE_TYPE:
                self._begin(HttpResponse(200, {"Content-Type": content_type}))
            else:
                self._prelude = b""
        if self._prelude is None:
            self._write(data)
            return
        self._prelude += data
        found = split_prelude(self._prelude)
        if found is None:
            return
        response, rest = found
        if response is FAILED:
            self._spoilt = True
            return
        self._prelude = None
        self._begin(response)
        self._write(rest)

    def end(self, outcome: Outcome) -> None:
        """The outcome. A stream that fails half-way is broken off: its status is long sent."""
        if self._begun:
            if self._bodiless:
                return  # it was whole with its head
            if outcome.function_error:
                self._conn.close()
            else:
                self._conn.end_chunked()
            return
        failed = self._spoilt or self._prelude is not None
        response = FAILED if failed else response_of(outcome)
        body = b"" if self._bodiless or response.bodiless else response.body
        head = f"X-Amzn-RequestId: {self.request_id}\r\n{response.head()}"
        self._conn.reply(response.status, head, body)

    def _begin(self, response: HttpResponse) -> None:
        self._begun = True
        self._bodiless = self._bodiless or response.bodiless
        head = f"X-Amzn-RequestId: {self.request_id}\r\n{response.head()}"
        if self._bodiless:
            self._conn.reply(response.status, head)
        else:
            self._conn.start_chunked(response.status, head)

    def _write(self, data: bytes) -> None:
        if not self._bodiless:
            self._conn.chunk(data)
