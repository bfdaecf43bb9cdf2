"""The loop: next event, handler, answer."""

import os
import sys

from .client import MAX_TRAILER_BODY, RefusedError, StreamClosedError
from .codec import BINARY, JSON
from .context import Context
from .current import current
from .faults import CONTEXT_UNMARSHAL_ERROR, Fault
from .http1 import ProtocolError
from .signals import Stop, shutdown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .client import Invocation, RuntimeClient
    from .codec import Codec
    from .context import Function
    from .errors import Failure
    from .sink import Sink

ATTEMPTS = 5
"""How often in a row `next` may fail before the process gives up."""
FIRST_PAUSE = 0.1
"""Seconds between the first two attempts; twice as long each time."""


_WHOLE = frozenset((dict, list, str, bytes, int, float, bool, type(None)))


def is_streamed(result: object) -> bool:
    """Whether a handler's result is sent piece by piece."""
    kind = type(result)
    return kind not in _WHOLE and (hasattr(kind, "__next__") or hasattr(kind, "is_response_stream"))


class Loop:
    """Serves events to one handler.

    Args:
        client, codec, function, sink: the parts.
        raw_text: whether a str is the response as it stands, rather than to be made JSON.
        json_log: whether failures are logged as JSON.
    """

    def __init__(
        self,
        client: "RuntimeClient",
        codec: "Codec",
        function: "Function",
        sink: "Sink",
        raw_text: bool = False,
        json_log: bool = False,
    ) -> None:
        self.client = client
        self.codec = codec
        self.function = function
        self.sink = sink
        self.raw_text = raw_text
        self.json_log = json_log

    def run(self, handler: "Callable[[Any, Context], Any]") -> None:
        """Serve events until SIGTERM.

        Raises:
            SystemExit: the Runtime API cannot be reached any more, or the handler exits.
        """
        try:
            while True:
                invocation = self.next()
                self.serve(invocation, handler)
        except Stop:
            pass

    def next(self) -> "Invocation":
        """Wait for the next event and make it the current one.

        Raises:
            SystemExit: it failed `ATTEMPTS` times in a row.
            Stop: SIGTERM.
        """
        shutdown.idle = True
        try:
            # Only now: a signal that comes after this look ends the wait by itself.
            if shutdown.requested:
                raise Stop
            invocation = self.client.next()
        except (RefusedError, ProtocolError, OSError) as error:
            invocation = self._try_again(error)
        finally:
            shutdown.idle = False
        current.request_id = invocation.request_id
        current.tenant_id = invocation.tenant_id
        current.invocation = invocation
        trace_id = invocation.trace_id
        if trace_id is not None:
            os.environ["_X_AMZN_TRACE_ID"] = trace_id
        else:
            os.environ.pop("_X_AMZN_TRACE_ID", None)
        return invocation

    def next_or_exit(self) -> "Invocation":
        """As `next`, but SIGTERM ends the process. Raises: SystemExit."""
        try:
            return self.next()
        except Stop:
            raise SystemExit(0) from None

    def unanswered(self) -> "Invocation":
        """The event in hand. Raises: RuntimeError, there is none or it has been answered."""
        invocation = current.invocation
        if invocation is None:
            raise RuntimeError("no event is being handled")
        if invocation.answered:
            raise RuntimeError("the event has been answered already")
        return invocation

    def _try_again(self, error: Exception) -> "Invocation":
        from time import sleep

        pause = FIRST_PAUSE
        for _ in range(ATTEMPTS - 1):
            self.warn(f"no event could be fetched, trying again: {error}")
            sleep(pause)
            pause *= 2
            try:
                return self.client.next()
            except (RefusedError, ProtocolError, OSError) as again:
                error = again
        sys.stderr.write(f"The Runtime API at {self.client.connection.address} fails: {error}\n")
        raise SystemExit(1)

    def serve(self, invocation: "Invocation", handler: "Callable[[Any, Context], Any]") -> None:
        """Call the handler for an event and post what comes of it.

        Raises:
            BaseException: the handler raised something that ends the process (SystemExit ...).
        """
        try:
            context = self.context(invocation)
            result = handler(self.event(invocation), context)
            if invocation.answered:
                self._finish(invocation)
                return
            if is_streamed(result):
                self._stream(invocation, result)
                return
            body, content_type = self.encode(result)
        except Exception as error:
            self.failed(invocation, error)
            return
        except BaseException as error:
            self.warn(f"the handler ends the process: {error!r}")
            raise
        self.respond(invocation, body, content_type)

    def event(self, invocation: "Invocation") -> "Any":
        """The event: decoded where it is JSON, else as bytes. Raises: Fault."""
        # Not kept: a handler that works for long on a large event needs the memory itself.
        body, invocation.body = invocation.body, b""
        if invocation.content_type == JSON:
            return self.codec.decode(body)
        return bytes(body)

    def context(self, invocation: "Invocation") -> Context:
        """The context of an invocation. Raises: Fault where one of its headers is no JSON."""
        client_context = identity = None
        if invocation.client_context:
            client_context = self._json_header(invocation.client_context, "Client Context")
        if invocation.identity:
            identity = self._json_header(invocation.identity, "Cognito Identity")
        return Context(
            self.function,
            invocation.request_id,
            invocation.deadline_ms,
            invocation.arn,
            invocation.tenant_id,
            client_context,
            identity,
        )

    def _json_header(self, text: str, name: str) -> "Any":
        try:
            value = self.codec.decode(text.encode())
        except Fault as fault:
            reason = fault.message.removeprefix("Unable to unmarshal input: ")
            raise Fault(CONTEXT_UNMARSHAL_ERROR, f"Unable to parse {name} JSON: {reason}") from None
        if value is not None and not isinstance(value, dict):
            raise Fault(CONTEXT_UNMARSHAL_ERROR, f"Unable to parse {name} JSON: not an object")
        return value

    def encode(self, result: "Any") -> tuple[bytes, str]:
        """A result as the bytes to post and their content type. Raises: Fault."""
        if isinstance(result, bytes):
            return result, BINARY
        if self.raw_text and isinstance(result, str):
            return result.encode("utf-8", "backslashreplace"), JSON
        return self.codec.encode(result), JSON

    def respond(self, invocation: "Invocation", body: bytes, content_type: str) -> None:
        """Post a result. A refusal is logged and the loop goes on."""
        try:
            self.client.respond(invocation, body, content_type)
        except (RefusedError, ProtocolError, OSError) as error:
            self.warn(f"the response of {len(body)} bytes was not accepted: {error}")

    def _stream(self, invocation: "Invocation", result: "Any") -> None:
        from .streaming import send_all

        try:
            send_all(self.client, invocation, result)
        except (StreamClosedError, RefusedError, ProtocolError) as error:
            self.warn(f"the streamed response was not taken: {error}")

    def _finish(self, invocation: "Invocation") -> None:
        """End a stream that the handler has left open."""
        try:
            if invocation.stream is not None:
                invocation.stream.finish()
        except (RefusedError, ProtocolError, OSError) as error:
            self.warn(f"the streamed response was not taken: {error}")

    def failed(self, invocation: "Invocation", error: BaseException) -> None:
        """Log a failure and post it, unless the handler has answered already."""
        from .errors import Failure

        self.report(invocation, Failure.of(error))

    def report(self, invocation: "Invocation", failure: "Failure") -> None:
        """Log and post a failure. A refusal is logged and the loop goes on."""
        request_id = invocation.request_id
        failure.log(self.sink, self.json_log, request_id)
        stream = invocation.stream
        try:
            if stream is not None and invocation.answered:
                body = failure.body(request_id, MAX_TRAILER_BODY)
                stream.finish(failure.type, body)
            if invocation.answered:
                return
            self.client.fail(
                invocation, failure.body(request_id), failure.type, failure.xray_cause()
            )
        except (RefusedError, ProtocolError, OSError) as refusal:
            self.warn(f"the error was not accepted: {refusal}")

    def init_failed(self, failure: "Failure", type: str = "") -> None:
        """Log and post that initialisation failed; a refusal is logged.

        Args:
            failure: what happened.
            type: what kind of failure the Runtime API is told, where not the failure's own.
        """
        failure.log(self.sink, self.json_log)
        try:
            self.client.init_error(failure.body(), type or failure.type)
        except (RefusedError, ProtocolError, OSError) as refusal:
            # 403: another worker of this environment has told of it already.
            if not (isinstance(refusal, RefusedError) and refusal.status == 403):
                self.warn(f"the initialisation error was not accepted: {refusal}")

    def warn(self, text: str) -> None:
        """Write a line about the runtime's own affairs to the log."""
        from .errors import log_line

        log_line(self.sink, self.json_log, "WARNING", text, current.request_id)
