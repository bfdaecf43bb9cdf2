"""The base of the handlers for each source."""

from ..faults import NO_HANDLER_DEFINED, Fault
from ..logger import get_logger

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..context import Context
    from ..logger import Logger


class EventHandler:
    """Handles the events of one source. Made once, called for each event."""

    _logger: "Logger | None" = None

    @property
    def logger(self) -> "Logger":
        """A logger named like the class's module."""
        if self._logger is None:
            self._logger = get_logger(type(self).__module__)
        return self._logger

    def __call__(self, event: "Any", context: "Context") -> "Any":
        """Handle an event; the result is the function's response."""
        raise Fault(NO_HANDLER_DEFINED, f"{type(self).__name__} handles no event")


def missing(handler: EventHandler, method: str) -> Fault:
    """The fault of a class that does not define the method it is there for."""
    return Fault(NO_HANDLER_DEFINED, f"{type(handler).__name__} defines no method {method}")


def choose(table: "dict[str, str]", name: str) -> "str | None":
    """The method that a table has for an event's name, None where it has none.

    Keys are names, or the start of names with a `*` behind. A whole name wins, then the longest
    start.
    """
    if name in table:
        return table[name]
    fitting = [key for key in table if key.endswith("*") and name.startswith(key[:-1])]
    return table[max(fitting, key=len)] if fitting else None
