"""Protocols for type checkers; nothing else imports this."""

from collections.abc import Iterator
from typing import Any, Protocol, TypeAlias

from .context import Context

JsonValue: TypeAlias = "bool | int | float | str | list[JsonValue] | dict[str, JsonValue] | None"
"""What JSON can hold."""

Streamed: TypeAlias = Iterator[str | bytes]
"""A streamed response."""


class Handler(Protocol):
    """A function that Lambda calls."""

    def __call__(self, event: Any, context: Context, /) -> Any:
        """Handle an event; see `lambdaimg.runtime.LambdaRuntime.handler`."""


class ShutdownHook(Protocol):
    """A function for `on_shutdown`."""

    def __call__(self) -> object:
        """Called once, when the environment is shut down."""
