"""The invoke endpoint of an image: what AWS's own base images serve on port 8080.

POST /2015-03-31/functions/NAME/invocations, for any name. The answer is the function's; a
failure has status 200 and the header `X-Amz-Function-Error`, as the service has it.
"""

from __future__ import annotations

from lambdaimg.emulator.message import Request, path_and_query
from lambdaimg.emulator.protocol import MAX_REQUEST, Invocation, Outcome
from lambdaimg.emulator.wire import Connection

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket

    from lambdaimg.emulator.loop import Loop
    from lambdaimg.emulator.pool import Pool

TEXT = "Content-Type: text/plain; charset=utf-8\r\n"


class Endpoint:
    """Gives the events of its connections to a pool."""

    max_body = MAX_REQUEST

    def __init__(self, loop: Loop, pool: Pool) -> None:
        self._loop = loop
        self._pool = pool

    def accept(self, sock: socket.socket) -> None:
        """Take a connection."""
        Connection(self._loop, sock, self)

    def begin(self, conn: Connection, request: Request) -> None:
        """Events are collected whole."""

    def lost(self, conn: Connection) -> None:
        """A caller that goes away does not end its event, as on AWS."""

    def handle(self, conn: Connection, request: Request) -> None:
        """An invoke call."""
        if not is_invoke_path(request.target):
            conn.reply(404, TEXT, b"404 page not found\n")
        elif request.method != "POST":
            conn.reply(405, TEXT, b"An event is sent with POST\n")
        elif request.cut:
            conn.reply(413, TEXT, b"The event is larger than %d bytes\n" % MAX_REQUEST)
        else:
            invocation = invocation_of(request)
            invocation.on_outcome = lambda outcome: answer(conn, invocation, outcome)
            self._pool.submit(invocation)


def is_invoke_path(target: str) -> bool:
    """Whether it is the path of an invoke call."""
    parts = path_and_query(target)[0].split("/")
    return (
        len(parts) == 5 and parts[1:3] == ["2015-03-31", "functions"] and parts[4] == "invocations"
    )


def invocation_of(request: Request) -> Invocation:
    """The event that an invoke call carries; `on_outcome` is still to be set."""
    headers = request.headers
    context = headers.get("x-amz-client-context", "")
    if context:
        import base64

        try:
            context = base64.b64decode(context).decode()
        except ValueError:
            context = ""
    return Invocation(
        request.body,
        request_id=headers.get("x-amzn-requestid", ""),
        client_context=context,
        cognito_identity=headers.get("x-amz-cognito-identity", ""),
        trace_id=headers.get("x-amzn-trace-id", ""),
        tenant_id=headers.get("x-amz-tenant-id", ""),
        content_type="application/json",
        want_log=headers.get("x-amz-log-type", "").lower() == "tail",
    )


def answer(conn: Connection, invocation: Invocation, outcome: Outcome) -> None:
    """Answer an invoke call with the outcome of its event."""
    headers = (
        f"Content-Type: {outcome.content_type}\r\nX-Amzn-RequestId: {invocation.request_id}\r\n"
    )
    if outcome.status == 200:
        headers += "X-Amz-Executed-Version: $LATEST\r\n"
    if outcome.function_error:
        headers += f"X-Amz-Function-Error: {outcome.function_error}\r\n"
    if outcome.log:
        import base64

        headers += f"X-Amz-Log-Result: {base64.b64encode(outcome.log).decode()}\r\n"
    conn.reply(outcome.status, headers, outcome.payload)
