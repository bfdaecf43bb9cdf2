"""Events of Amazon EventBridge, those of schedules included.

Their form: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-events-structure.html.
"""

from .handler import EventHandler, choose, missing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, ClassVar

    from ..context import Context


class EventBridgeEvent:
    """An event.

    Args:
        event: as it came.

    Attributes:
        id, source, detail_type, account, region, time: as EventBridge gives them.
        resources: ARNs of what it is about.
        detail: what happened.
        event: all of it.
    """

    def __init__(self, event: "dict[str, Any]") -> None:
        self.event = event
        self.id: str = event.get("id") or ""
        self.source: str = event.get("source") or ""
        self.detail_type: str = event.get("detail-type") or ""
        self.account: str = event.get("account") or ""
        self.region: str = event.get("region") or ""
        self.time: str = event.get("time") or ""
        self.resources: list[str] = event.get("resources") or []
        self.detail: Any = event.get("detail")


class EventBridgeHandler(EventHandler):
    """Calls the method that its table has for an event's detail type.

    Attributes:
        events: detail type, or its start with a `*` behind, to the name of a method, which is
            called with an `EventBridgeEvent` and the context; its result is the response.
    """

    events: "ClassVar[dict[str, str]]" = {}  # noqa: RUF012

    def __call__(self, event: "Any", context: "Context") -> "Any":
        """Handle an event."""
        told = EventBridgeEvent(event)
        method = choose(self.events, told.detail_type)
        if method is None:
            return self.event(told, context)
        return getattr(self, method)(told, context)

    def event(self, event: EventBridgeEvent, context: "Context") -> "Any":
        """Called for events that are not in the table; to be overridden."""
        raise missing(self, f"for the detail type {event.detail_type!r}")
