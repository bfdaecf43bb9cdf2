"""Responses that are sent while they are being made.

A handler may return a generator or another iterator of str or bytes, be a generator itself, or
write on its own:

    def handler(event, context):
        with HttpStream(200, {"Content-Type": "text/plain"}) as out:
            out.write("first ")
            out.write("second")

Whatever is written goes out at once, and waits where the reader is slow. AWS describes how the
Runtime API takes it at https://docs.aws.amazon.com/lambda/latest/dg/runtimes-custom.html.
"""

from .current import current

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Any, Self

    from .client import StreamedResponse

OCTETS = "application/octet-stream"
HTTP_INTEGRATION = "application/vnd.awslambda.http-integration-response"
_PRELUDE_END = b"\0" * 8


class ResponseStream:
    """A streamed response.

    Either a writer, used within a handler (`write` and `close`, or as a context manager), or,
    with a `body`, the handler's result; or the first item of a handler that is a generator.

    Args:
        content_type: the media type of what is written.
        body: what is to be sent, where the handler returns this.

    Raises:
        ValueError: the media type has characters that no header field may have.
    """

    is_response_stream = True

    def __init__(
        self, content_type: str = OCTETS, body: "Iterable[str | bytes] | None" = None
    ) -> None:
        if not content_type.isprintable():
            raise ValueError(f"no media type: {content_type!r}")
        self.content_type = content_type
        self._body = body
        self._response: StreamedResponse | None = None

    def prelude(self) -> bytes:
        """What precedes the body; nothing here."""
        return b""

    def write(self, data: "str | bytes") -> None:
        """Send a piece of the response at once; str goes out in UTF-8.

        Raises:
            StreamClosedError: the reader is gone, or the stream has been closed.
            RuntimeError: no event is in hand, or it has been answered otherwise.
            TypeError: data is neither str nor bytes.
        """
        self._open().write(as_bytes(data))

    def close(self) -> None:
        """End the response. Not needed at the handler's end; a second time is nothing."""
        self._open().finish()

    def _open(self) -> "StreamedResponse":
        if self._response is None:
            if current.loop is None:
                raise RuntimeError("no event is being handled")
            invocation = current.loop.unanswered()
            self._response = open_stream(current.loop.client, invocation, self)
        return self._response

    def __enter__(self) -> "Self":
        self._open()
        return self

    def __exit__(self, kind: object, error: "BaseException | None", trace: object) -> None:
        # An exception goes on to the loop, which tells of it in the trailers.
        if error is None:
            self.close()

    def items(self) -> "Iterator[Any]":
        """This stream itself and then the pieces of its body, as a handler would yield them."""
        yield self
        yield from self._body or ()


class HttpStream(ResponseStream):
    """A streamed response to HTTP, for a function URL or an API that streams.

    Args:
        status: the HTTP status.
        headers: header fields by name; `Content-Type` belongs here.
        cookies: values for `Set-Cookie`, one each.
        body: as for `ResponseStream`.
    """

    def __init__(
        self,
        status: int = 200,
        headers: "Mapping[str, str] | None" = None,
        cookies: "Sequence[str]" = (),
        body: "Iterable[str | bytes] | None" = None,
    ) -> None:
        super().__init__(HTTP_INTEGRATION, body)
        self.status = status
        self.headers = dict(headers or {})
        self.cookies = list(cookies)

    def prelude(self) -> bytes:
        """Status, header fields and cookies as JSON, and the eight NUL bytes behind them."""
        import json

        told = {"statusCode": self.status, "headers": self.headers, "cookies": self.cookies}
        return json.dumps(told).encode() + _PRELUDE_END


def open_stream(client: "Any", invocation: "Any", stream: ResponseStream) -> "StreamedResponse":
    """Begin a streamed response; its first byte is sent with what is written first."""
    response: StreamedResponse = client.stream(invocation, stream.content_type, stream.prelude())
    invocation.stream = response
    return response


def send_all(client: "Any", invocation: "Any", result: "Iterator[Any] | ResponseStream") -> None:
    """Send what an iterator gives; a `ResponseStream` as its first item says of what kind it is.

    Raises:
        StreamClosedError: the reader is gone; the iterator has been closed.
        BaseException: what the iterator raises.
    """
    items = result.items() if isinstance(result, ResponseStream) else result
    try:
        first = next(items, b"")
        if isinstance(first, ResponseStream):
            response = open_stream(client, invocation, first)
        else:
            data = as_bytes(first)
            response = open_stream(client, invocation, ResponseStream())
            response.write(data)
        for item in items:
            response.write(as_bytes(item))
        response.finish()
    finally:
        close = getattr(items, "close", None)
        if close is not None:
            close()


def as_bytes(data: object) -> bytes:
    """A piece of a stream as bytes. Raises: TypeError, it is neither str nor bytes."""
    if isinstance(data, bytes):
        return data
    if isinstance(data, str):
        return data.encode("utf-8", "backslashreplace")
    if isinstance(data, (bytearray, memoryview)):
        return bytes(data)
    raise TypeError(f"a stream takes str or bytes, not {type(data).__name__}")
