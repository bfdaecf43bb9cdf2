"""From an event to the handler that is registered for its source."""

from ..faults import NO_HANDLER_DEFINED, Fault
from .detect import detect_source
from .handler import EventHandler
from .sns import SnsHandler, SnsNotification
from .sqs import SqsHandler, SqsMessage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..context import Context


class Router:
    """Handlers by the source of their events.

    An event of SQS or SNS for which no handler is registered is taken as an envelope: what is
    in each of its messages goes to the handler of its own source, as S3's notifications that
    come by way of a topic or a queue.
    """

    def __init__(self) -> None:
        self._handlers: dict[str, EventHandler] = {}
        self._envelopes = {"sqs": _Queue(self), "sns": _Topic(self)}

    def register(self, source: str, handler: "type[EventHandler] | EventHandler") -> None:
        """Have events of a source handled.

        Args:
            source: as `detect_source` gives it.
            handler: a class, which is made once and without arguments, or an instance.
        """
        self._handlers[source] = handler() if isinstance(handler, type) else handler

    def route(self, event: "Any", context: "Context") -> "Any":
        """Handle an event.

        Raises:
            Fault: `NoHandlerDefinedException`, nothing is registered for its source.
        """
        source = detect_source(event)
        handler = self._handlers.get(source or "")
        if handler is None and self._handlers:
            handler = self._envelopes.get(source or "")
        if handler is None:
            raise Fault(NO_HANDLER_DEFINED, _untold(source))
        return handler(event, context)


class _Queue(SqsHandler):
    def __init__(self, router: Router) -> None:
        self._router = router

    def message(self, message: SqsMessage, context: "Context") -> None:
        self._router.route(message.json(), context)


class _Topic(SnsHandler):
    def __init__(self, router: Router) -> None:
        self._router = router

    def notification(self, notification: SnsNotification, context: "Context") -> None:
        self._router.route(notification.json(), context)


def _untold(source: "str | None") -> str:
    if source is None:
        return "the event comes from no known service, and no method handler is defined"
    return f"no handler is registered for events of {source}"
