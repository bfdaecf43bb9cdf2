"""The invocation that this process is working on.

A process has one event at a time, so what must be reached from anywhere (log lines that carry
the request id, a stream opened deep inside a handler) finds it here.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .client import Invocation
    from .loop import Loop


class Current:
    """What is being worked on now.

    Attributes:
        request_id, tenant_id: of the latest invocation; empty and None before the first.
        invocation: the invocation in hand, None before the first.
        loop: the loop that serves this process, None before it is built.
    """

    __slots__ = ("invocation", "loop", "request_id", "tenant_id")

    def __init__(self) -> None:
        self.request_id = ""
        self.tenant_id: str | None = None
        self.invocation: Invocation | None = None
        self.loop: Loop | None = None


current = Current()
