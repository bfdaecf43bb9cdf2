"""The Lambda Runtime API, version 2018-06-01, as calls.

AWS describes it at https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html.
"""

from .http1 import ProtocolError
from .transport import ACCEPTED, Connection

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .transport import Response

_BASE = "/2018-06-01/runtime/"
MAX_XRAY_CAUSE = 1024 * 1024
"""Bytes from which on an X-Ray cause is left out."""


MAX_TRAILER_BODY = 2700
"""Bytes of an error that is told in trailers. With all else there, in base64, they have to stay
within the 4096 that the Runtime API reads trailers into, or it loses the whole response."""
_MAX_TYPE = 200


class RefusedError(Exception):
    """The Runtime API did not accept a call.

    Args:
        call: which call.
        status: the HTTP status.
        body: the start of its answer.
    """

    def __init__(self, call: str, status: int, body: str) -> None:
        super().__init__(f"the Runtime API answered {call} with {status}: {body}")
        self.call = call
        self.status = status


class Invocation:
    """One answer to `next`: the event as bytes, and what its headers say.

    Attributes:
        request_id: the invocation's id.
        body, content_type: the event, until it is decoded; `application/json` where no type is
            given.
        deadline_ms: when Lambda ends it, in milliseconds since the epoch; 0 where not given.
        arn, trace_id, tenant_id: as in the headers, None where absent.
        client_context, identity: JSON text, None where absent.
        echo: headers to be sent back with the answer, ready as lines.
        answered: whether a response or an error was posted for it.
        stream: the streamed response that was begun for it, else None.
    """

    __slots__ = (
        "answered",
        "arn",
        "body",
        "client_context",
        "content_type",
        "deadline_ms",
        "echo",
        "identity",
        "request_id",
        "stream",
        "tenant_id",
        "trace_id",
    )

    def __init__(self, headers: "dict[str, str]", body: "bytes | bytearray") -> None:
        get = headers.get
        request_id = get("lambda-runtime-aws-request-id", "")
        # It becomes part of a path: visible ASCII and nothing else.
        visible = request_id.isascii() and request_id.isprintable() and " " not in request_id
        if not (request_id and visible):
            raise ProtocolError(f"an event with the request id {request_id!r}")
        self.request_id = request_id
        self.body: bytes | bytearray = body
        self.content_type = get("content-type", "application/json")
        deadline = get("lambda-runtime-deadline-ms", "0")
        self.deadline_ms = int(deadline) if deadline.isascii() and deadline.isdigit() else 0
        self.arn = get("lambda-runtime-invoked-function-arn")
        self.trace_id = get("lambda-runtime-trace-id")
        self.tenant_id = get("lambda-runtime-aws-tenant-id")
        self.client_context = get("lambda-runtime-client-context")
        self.identity = get("lambda-runtime-cognito-identity")
        invocation_id = get("lambda-runtime-invocation-id")
        self.echo = f"Lambda-Runtime-Invocation-Id: {invocation_id}\r\n" if invocation_id else ""
        self.answered = False
        self.stream: StreamedResponse | None = None


class RuntimeClient:
    """Calls the Runtime API over one connection.

    Args:
        connection: where it is.
        user_agent: how to introduce ourselves.
    """

    def __init__(self, connection: Connection, user_agent: str) -> None:
        self.connection = connection
        self._common = f"Host: {connection.address}\r\nUser-Agent: {user_agent}\r\n"
        self._next = f"GET {_BASE}invocation/next HTTP/1.1\r\n{self._common}\r\n".encode()

    def next(self) -> Invocation:
        """Wait, without end, for the next event.

        Raises:
            RefusedError: the API answered other than 200.
            ProtocolError, OSError: it could not be understood or reached.
        """
        status, headers, body = self.connection.exchange(self._next, patient=True)
        if status != 200:
            raise RefusedError("next", status, _start_of(body))
        return Invocation(headers, body)

    def respond(self, invocation: Invocation, body: bytes, content_type: str) -> None:
        """Post the result of an invocation. Raises: RefusedError, ProtocolError, OSError."""
        invocation.answered = True
        head = (
            f"POST {_BASE}invocation/{invocation.request_id}/response HTTP/1.1\r\n"
            f"{self._common}Content-Type: {content_type}\r\n{invocation.echo}"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        response = self.connection.exchange(head.encode(), body)
        if response[0] != ACCEPTED:
            raise RefusedError("response", response[0], _start_of(response[2]))

    def stream(
        self, invocation: Invocation, content_type: str, prelude: bytes
    ) -> "StreamedResponse":
        """Begin a streamed response. Nothing is sent before its first piece."""
        head = (
            f"POST {_BASE}invocation/{invocation.request_id}/response HTTP/1.1\r\n"
            f"{self._common}Content-Type: {content_type}\r\n{invocation.echo}"
            "Lambda-Runtime-Function-Response-Mode: streaming\r\n"
            "Transfer-Encoding: chunked\r\n"
            "Trailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body\r\n"
            "\r\n"
        )
        return StreamedResponse(self.connection, invocation, head.encode(), prelude)

    def fail(self, invocation: Invocation, body: bytes, type: str, xray_cause: str) -> None:
        """Post that an invocation failed. Raises: RefusedError, ProtocolError, OSError.

        Args:
            invocation: which one.
            body: the error as JSON: errorMessage, errorType, requestId, stackTrace.
            type: its errorType.
            xray_cause: the cause for AWS X-Ray as JSON in ASCII; left out where too long.
        """
        invocation.answered = True
        extra = f"Lambda-Runtime-Function-Error-Type: {header_type(type)}\r\n{invocation.echo}"
        if xray_cause and len(xray_cause) < MAX_XRAY_CAUSE:
            extra += f"Lambda-Runtime-Function-XRay-Error-Cause: {xray_cause}\r\n"
        path = f"invocation/{invocation.request_id}/error"
        self._accepted("error", self._post(path, extra, body))

    def init_error(self, body: bytes, type: str) -> None:
        """Post that initialisation failed. Raises: RefusedError, ProtocolError, OSError."""
        extra = f"Lambda-Runtime-Function-Error-Type: {header_type(type)}\r\n"
        self._accepted("init/error", self._post("init/error", extra, body))

    def restore_next(self) -> None:
        """Wait, without end, until a snapshot was taken and restored. Raises as `next`."""
        head = f"GET {_BASE}restore/next HTTP/1.1\r\n{self._common}\r\n"
        status, _, body = self.connection.exchange(head.encode(), patient=True)
        if status != 200:
            raise RefusedError("restore/next", status, _start_of(body))

    def restore_error(self, body: bytes, type: str) -> None:
        """Post that a hook after restore failed. Raises: RefusedError, ProtocolError, OSError."""
        extra = f"Lambda-Runtime-Function-Error-Type: {header_type(type)}\r\n"
        self._accepted("restore/error", self._post("restore/error", extra, body))

    def _post(self, path: str, extra: str, body: bytes) -> "Response":
        head = (
            f"POST {_BASE}{path} HTTP/1.1\r\n{self._common}"
            f"Content-Type: application/json\r\n{extra}Content-Length: {len(body)}\r\n\r\n"
        )
        return self.connection.exchange(head.encode(), body)

    def _accepted(self, call: str, response: "Response") -> None:
        if response[0] != ACCEPTED:
            raise RefusedError(call, response[0], _start_of(response[2]))


class StreamClosedError(ConnectionError):
    """What is written to a stream cannot be sent: its reader is gone, or it has ended."""


class StreamedResponse:
    """A response that is sent in chunks; made by `RuntimeClient.stream`."""

    def __init__(
        self, connection: Connection, invocation: Invocation, head: bytes, prelude: bytes
    ) -> None:
        self._connection = connection
        self._invocation = invocation
        self._unsent = head + (_chunk(prelude) if prelude else b"")
        self._began = False
        self.ended = False

    def write(self, data: bytes) -> None:
        """Send a piece; waits where the reader is slow. Raises: StreamClosedError."""
        if self.ended:
            raise StreamClosedError("the response has ended")
        if data:
            self._send(_chunk(data))

    def finish(self, error_type: str = "", error_body: bytes = b"") -> None:
        """End the response; with an error, that stands in its trailers.

        Raises:
            StreamClosedError: the reader is gone.
            RefusedError, ProtocolError: the response was not accepted.
        """
        if self.ended:
            return
        trailers = ""
        if error_type:
            from binascii import b2a_base64

            encoded = b2a_base64(error_body, newline=False).decode()
            trailers = (
                f"Lambda-Runtime-Function-Error-Type: {header_type(error_type)}\r\n"
                f"Lambda-Runtime-Function-Error-Body: {encoded}\r\n"
            )
        self._send(f"0\r\n{trailers}\r\n".encode())
        self.ended = True
        try:
            response = self._connection.receive()
        except OSError as error:
            raise StreamClosedError(f"the response was not acknowledged: {error}") from None
        if response[0] != ACCEPTED:
            raise RefusedError("response", response[0], _start_of(response[2]))

    def _send(self, data: bytes) -> None:
        data, self._unsent = self._unsent + data, b""
        self._invocation.answered = True
        deadline = self._invocation.deadline_ms / 1000
        try:
            if not self._began:
                # The handler may have taken long, and what is sent into a connection that was
                # closed meanwhile is lost, which shows only when more is sent.
                self._connection.drop_if_gone()
            self._connection.send(data, until=deadline)
        except OSError as error:
            self.ended = True
            self._connection.close()
            raise StreamClosedError(f"nobody reads the response any more: {error}") from None
        self._began = True


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def header_type(type: str) -> str:
    """An error type as the header takes it: `Runtime.X` or `Function.X`, visible ASCII."""
    if not type.startswith(("Runtime.", "Function.")):
        type = f"Function.{type}"
    return "".join(
        letter for letter in type if (letter.isascii() and letter.isalnum()) or letter in "._"
    )[:_MAX_TYPE]


def _start_of(body: "bytes | bytearray") -> str:
    return " ".join(body[:500].decode("utf-8", "replace").split())
