"""The Lambda runtime: standard library only, and nothing loaded before it is used.

A handler is a function `handler(event, context)`, or a method of a class:

    from lambdaimg.runtime import LambdaRuntime

    class HelloLambda(LambdaRuntime):
        def handler(self, event, context):
            self.logger.info("hello %s", event["name"])
            return {"message": "hello"}
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .base import LambdaRuntime
    from .client import StreamClosedError
    from .context import Context
    from .faults import Fault
    from .logger import Logger, get_logger
    from .signals import on_shutdown
    from .streaming import HttpStream, ResponseStream

_HOME = {
    "Context": "context",
    "Fault": "faults",
    "HttpStream": "streaming",
    "LambdaRuntime": "base",
    "Logger": "logger",
    "ResponseStream": "streaming",
    "StreamClosedError": "client",
    "get_logger": "logger",
    "on_shutdown": "signals",
}

__all__ = [
    "Context",
    "Fault",
    "HttpStream",
    "LambdaRuntime",
    "Logger",
    "ResponseStream",
    "StreamClosedError",
    "get_logger",
    "on_shutdown",
]


def __getattr__(name: str) -> object:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = __import__(f"{__name__}.{home}", fromlist=[name])
    value = globals()[name] = getattr(module, name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
