"""A streamed response on its way from the runtime to its environment."""

from __future__ import annotations

from lambdaimg.emulator.environment import Environment, Reply
from lambdaimg.emulator.loop import Loop
from lambdaimg.emulator.wire import Connection

JSON = "Content-Type: application/json\r\n"


class ResponseStream:
    """The body of a streamed response: a sink of `wire`.

    Args:
        environment: whose event is answered.
        conn: on which the runtime sends it.
        refusal: what it is answered, and nothing of it taken, where it may not come now.
    """

    def __init__(self, environment: Environment, conn: Connection, refusal: Reply | None) -> None:
        self._environment = environment
        self._now = Loop.now
        self._conn = conn
        self._refusal = refusal

    def data(self, data: bytes) -> None:
        """A piece of the body."""
        if self._refusal is None:
            self._environment.stream_data(data, self._now())

    def end(self, trailers: dict[str, str]) -> None:
        """The end of the body, with the trailers that may tell of a failure."""
        reply = self._refusal
        if reply is None:
            error_type = trailers.get("lambda-runtime-function-error-type", "")
            error_body = b""
            if error_type:
                import base64

                encoded = trailers.get("lambda-runtime-function-error-body", "")
                try:
                    error_body = base64.b64decode(encoded)
                except ValueError:
                    error_body = encoded.encode("latin-1")
            reply = self._environment.stream_end(error_type, error_body, self._now())
        self._conn.reply(reply[0], JSON, reply[1])

    def broken(self) -> None:
        """The connection is lost."""
        if self._refusal is None:
            self._environment.stream_broken(self._now())
