"""A logger that costs nothing until it writes.

`import logging` takes about half as long as starting the interpreter, so this stands before it:
levels are compared here, and the standard library's logger of the same name is fetched for the
first message that is to be written.
"""

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

LEVELS = {"fatal": 50, "error": 40, "warn": 30, "info": 20, "debug": 10, "trace": 5}
"""The levels by name, as numbers of the standard library's `logging`."""

_ALSO = {"critical": 50, "warning": 30}


def level_number(name: str) -> "int | None":
    """The number of a level's name in any case, None where there is no such level."""
    name = name.lower()
    return LEVELS.get(name) or _ALSO.get(name)


def choose_level(wanted: "str | None", environ: "Mapping[str, str]") -> int:
    """The level to log at: `LOG_LEVEL`, else `wanted`, else `AWS_LAMBDA_LOG_LEVEL`, else info.

    The function's configuration wins over its code, so that a level can be changed without a
    new image. Names that are none are passed over.
    """
    for name in (environ.get("LOG_LEVEL"), wanted, environ.get("AWS_LAMBDA_LOG_LEVEL")):
        number = level_number(name) if name else None
        if number is not None:
            return number
    return LEVELS["info"]


class Logger:
    """Logs to the standard library's logger of the same name.

    A message may be a function without arguments, which is called only where its level is on.
    Further arguments are as those of `logging.Logger.info`: `%` arguments, `exc_info`,
    `extra`, `stack_info`.

    Args:
        name: the logger's name.
        level: the lowest level that is written; see `LEVELS`.
    """

    def __init__(self, name: str, level: int = LEVELS["info"]) -> None:
        self.name = name
        self.level = level
        self._log: Callable[..., None] | None = None

    def fatal(self, message: object, *args: object, **options: "Any") -> None:
        """Log at level fatal, which `logging` calls CRITICAL."""
        if self.level <= 50:
            self._write(50, message, args, options)

    def error(self, message: object, *args: object, **options: "Any") -> None:
        """Log at level error."""
        if self.level <= 40:
            self._write(40, message, args, options)

    def exception(self, message: object, *args: object, **options: "Any") -> None:
        """Log at level error, with the exception that is being handled."""
        if self.level <= 40:
            self._write(40, message, args, {"exc_info": True, **options})

    def warn(self, message: object, *args: object, **options: "Any") -> None:
        """Log at level warn."""
        if self.level <= 30:
            self._write(30, message, args, options)

    warning = warn

    def info(self, message: object, *args: object, **options: "Any") -> None:
        """Log at level info."""
        if self.level <= 20:
            self._write(20, message, args, options)

    def debug(self, message: object, *args: object, **options: "Any") -> None:
        """Log at level debug."""
        if self.level <= 10:
            self._write(10, message, args, options)

    def trace(self, message: object, *args: object, **options: "Any") -> None:
        """Log at level trace, below debug."""
        if self.level <= 5:
            self._write(5, message, args, options)

    def is_on(self, name: str) -> bool:
        """Whether messages of a level are written. Raises: KeyError, no such level."""
        return self.level <= LEVELS[name]

    def _write(
        self, level: int, message: object, args: "tuple[object, ...]", options: "dict[str, Any]"
    ) -> None:
        log = self._log
        if log is None:
            import logging

            target = logging.getLogger(self.name)
            target.setLevel(self.level)
            log = self._log = target.log
        text = message() if callable(message) else message
        log(level, text, *args, stacklevel=options.pop("stacklevel", 1) + 2, **options)


def get_logger(name: str = "lambda", loglevel: "str | None" = None) -> Logger:
    """A logger with the levels fatal, error, warn, info, debug and trace.

    Args:
        name: its name, which stands in JSON log lines.
        loglevel: see `choose_level`.
    """
    return Logger(name, choose_level(loglevel, os.environ))
