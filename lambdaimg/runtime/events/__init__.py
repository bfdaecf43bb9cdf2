"""Events of AWS services: what sent one, and base classes for handlers of each.

A class for each source takes the envelope apart and calls one method per message, notification,
object or request:

    class Uploads(S3Handler):
        events = {"ObjectCreated:*": "created", "ObjectRemoved:*": "removed"}

        def created(self, item, context): ...
        def removed(self, item, context): ...

Such a class is a handler of its own (`handler = Uploads()`), or is registered with a function
that is a class: `self.register_event_handler("s3", Uploads)`.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .detect import detect_source
    from .eventbridge import EventBridgeEvent, EventBridgeHandler
    from .handler import EventHandler
    from .http import HttpHandler, Request, Response
    from .router import Router
    from .s3 import S3Handler, S3Object
    from .sns import SnsHandler, SnsNotification
    from .sqs import SqsHandler, SqsMessage

_HOME = {
    "EventBridgeEvent": "eventbridge",
    "EventBridgeHandler": "eventbridge",
    "EventHandler": "handler",
    "HttpHandler": "http",
    "Request": "http",
    "Response": "http",
    "Router": "router",
    "S3Handler": "s3",
    "S3Object": "s3",
    "SnsHandler": "sns",
    "SnsNotification": "sns",
    "SqsHandler": "sqs",
    "SqsMessage": "sqs",
    "detect_source": "detect",
}

__all__ = [
    "EventBridgeEvent",
    "EventBridgeHandler",
    "EventHandler",
    "HttpHandler",
    "Request",
    "Response",
    "Router",
    "S3Handler",
    "S3Object",
    "SnsHandler",
    "SnsNotification",
    "SqsHandler",
    "SqsMessage",
    "detect_source",
]


def __getattr__(name: str) -> object:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = __import__(f"{__name__}.{home}", fromlist=[name])
    value = globals()[name] = getattr(module, name)
    return value
