"""SIGTERM: the user's shutdown hooks, then a clean end.

Lambda sends it only where an extension is registered, and kills some 300 ms later; a container
engine sends it on `docker stop`. Between events the hooks run at once and the process ends.
Within an event they run at once too, since on Lambda that means that the event's time is up;
the event goes on, and the process ends when it is answered.
"""

import _signal  # type: ignore[import-not-found]
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType


class Stop(BaseException):
    """Ends the wait for the next event."""


class Shutdown:
    """Whether, and how, this process has been told to end.

    Attributes:
        idle: set while waiting for an event, when the wait may be broken off.
        requested: whether SIGTERM has come.
    """

    def __init__(self) -> None:
        self.idle = False
        self.requested = False
        self._hooks: list[Callable[[], object]] = []

    def add(self, hook: "Callable[[], object]") -> "Callable[[], object]":
        """Have `hook` called at shutdown; the last one added is called first."""
        self._hooks.append(hook)
        return hook

    def listen(self) -> None:
        """Take over SIGTERM. Does nothing outside of the main thread."""
        try:
            _signal.signal(_signal.SIGTERM, self._on_signal)
        except ValueError:
            return

    def run_hooks(self) -> None:
        """Call each hook once; one that raises is told of on standard error."""
        while self._hooks:
            hook = self._hooks.pop()
            try:
                hook()
            except Exception as error:
                print(f"shutdown hook {hook!r} failed: {error!r}", file=sys.stderr)

    def _on_signal(self, number: int, frame: "FrameType | None") -> None:
        self.requested = True
        self.run_hooks()
        if self.idle:
            raise Stop


shutdown = Shutdown()


def on_shutdown(hook: "Callable[[], object]") -> "Callable[[], object]":
    """Have a function without arguments called when the environment is shut down.

    May be used as a decorator. Hooks run on SIGTERM, the last one added first, each once; one
    that raises does not keep the others from running. On Lambda SIGTERM comes only where an
    extension is registered, and some 300 ms remain.

    Returns:
        The function itself.
    """
    return shutdown.add(hook)
