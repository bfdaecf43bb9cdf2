"""`LambdaRuntime`: a function as a class of its own."""

import os
import sys

from .current import current
from .faults import NO_HANDLER_DEFINED, Fault
from .logger import Logger, choose_level
from .signals import shutdown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from .context import Context
    from .events.handler import EventHandler
    from .events.router import Router
    from .loop import Loop


class LambdaRuntime:
    """Base class of functions that are classes.

    A module `orders` with a subclass `Orders` and the handler `orders.handler` has the class
    made once, when the environment starts, and its method `handler(event, context)` called for
    each event. A str or bytes that it returns is the response as it stands, a generator or
    another iterator of str or bytes is streamed, everything else becomes JSON.

    Args:
        loglevel: fatal, error, warn, info, debug or trace; `LOG_LEVEL` in the function's
            configuration wins over it.
    """

    # Here, so that a subclass's constructor need not call this class's.
    _loglevel: "str | None" = None
    _logger: "Logger | None" = None
    _router: "Router | None" = None

    def __init__(self, loglevel: "str | None" = None) -> None:
        self._loglevel = loglevel

    @property
    def logger(self) -> Logger:
        """The logger that `get_logger` gives, with the constructor's level."""
        if self._logger is None:
            self._logger = self.get_logger(self._loglevel)
        return self._logger

    def handler(self, event: "Any", context: "Context") -> "Any":
        """Handle one event; to be overridden, else it goes by the source of the event.

        Args:
            event: the event, decoded.
            context: about the invocation.

        Returns:
            The response.

        Raises:
            Exception: the invocation fails, with the exception's type, text and trace.
            Fault: `NoHandlerDefinedException`, no handler is registered for the event's source.
        """
        if self._router is None:
            raise Fault(
                NO_HANDLER_DEFINED,
                f"{type(self).__name__} defines no method handler(event, context)",
            )
        return self._router.route(event, context)

    def register_event_handler(
        self, source: str, handler: "type[EventHandler] | EventHandler"
    ) -> None:
        """Have the events of a source handled by a class of `lambdaimg.runtime.events`.

        For the constructor, in a class that does not define `handler` itself.

        Args:
            source: `sqs`, `sns`, `s3`, `eventbridge`, `http` or another of `detect_source`.
            handler: a class, which is made once and without arguments, or an instance.
        """
        if self._router is None:
            from .events.router import Router

            self._router = Router()
        self._router.register(source, handler)

    def on_shutdown(self) -> None:
        """Called once when the environment is shut down; to be overridden.

        See `lambdaimg.runtime.on_shutdown` for when that is.
        """

    def get_logger(self, loglevel: "str | None" = None) -> Logger:
        """A logger named like the class's module. Its level is as the constructor's."""
        return Logger(type(self).__module__, choose_level(loglevel, os.environ))

    def run(self, name: str = "handler") -> None:
        """Serve events with the method `name` until the environment ends.

        Raises:
            SystemExit: the Runtime API cannot be reached any more.
        """
        self._get_loop().run(getattr(self, name))

    def next_event(self) -> "Any":
        """Wait for the next event, for functions with a loop of their own.

        The event is to be answered with `send_invocation_response` or `send_invocation_error`
        before the next one is asked for. `self.context` is its context.

        Returns:
            The event, decoded where it is JSON, else as bytes.

        Raises:
            SystemExit: the Runtime API cannot be reached any more, or SIGTERM came.
        """
        loop = self._get_loop()
        while True:
            invocation = loop.next_or_exit()
            try:
                self.context = loop.context(invocation)
                return loop.event(invocation)
            except Exception as error:
                loop.failed(invocation, error)

    def send_invocation_response(self, response: "Any") -> None:
        """Answer the event in hand; what the handler returns afterwards is passed over.

        Args:
            response: as a handler's result, but for streams.

        Raises:
            Fault: it cannot be made JSON.
            RuntimeError: no event is in hand, or it has been answered.
        """
        loop = self._get_loop()
        invocation = loop.unanswered()
        body, content_type = loop.encode(response)
        loop.respond(invocation, body, content_type)

    def send_invocation_error(self, message: str, type: str = "Error") -> None:
        """Answer the event in hand with an error; preferred to raising for a type of one's own.

        Args:
            message: the error's `errorMessage`.
            type: its `errorType`.

        Raises:
            RuntimeError: no event is in hand, or it has been answered.
        """
        from .errors import Failure

        loop = self._get_loop()
        loop.report(loop.unanswered(), Failure(type, message))

    def send_init_error(self, message: str, type: str = "InitError") -> "NoReturn":
        """Say that the function cannot be initialised, and end; for the constructor.

        Args:
            message: the error's `errorMessage`.
            type: its `errorType`.

        Raises:
            SystemExit: always, with status 1.
        """
        from .errors import Failure

        self._get_loop().init_failed(Failure(type, message))
        sys.exit(1)

    def _get_loop(self) -> "Loop":
        if current.loop is None:
            from .start import build_loop

            current.loop = build_loop(os.environ, raw_text=True)
            shutdown.listen()
            shutdown.add(self.on_shutdown)
        return current.loop
