"""Lambda's log formats for the standard library's `logging`. Loaded only together with it."""

import json
import logging
import time
import traceback
from typing import Any

from .current import current
from .sink import FRAME_BITS, JSON_FRAME, TEXT_FRAME, Sink

TRACE = 5

_TEXT = "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s\n"
_SECONDS = "%Y-%m-%dT%H:%M:%S"
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {
    "aws_request_id",
    "tenant_id",
    "asctime",
    "message",
}


def install(sink: Sink, as_json: bool, level: str) -> None:
    """Give the root logger its Lambda handler.

    Args:
        sink: where lines go.
        as_json: JSON lines rather than text.
        level: the root logger's level by name; anything else leaves it at WARNING.
    """
    logging.addLevelName(TRACE, "TRACE")
    logging.Formatter.converter = time.gmtime
    root = logging.getLogger()
    known = level in logging.getLevelNamesMapping()
    handler = LambdaHandler(sink, JSON_FRAME if as_json else TEXT_FRAME, as_json or bool(level))
    handler.setFormatter(JsonFormatter(datefmt=_SECONDS + "Z") if as_json else TextFormatter())
    root.addHandler(handler)
    if known:
        root.setLevel(level)


class LambdaHandler(logging.Handler):
    """Writes records to a sink, with the request id of the invocation in hand.

    Args:
        sink: where to.
        frame: the frames' type, before the level's bits.
        by_level: whether a frame's type tells the record's level.
    """

    def __init__(self, sink: Sink, frame: int, by_level: bool) -> None:
        super().__init__()
        self.log_sink = sink
        self._frame = frame
        self._by_level = by_level

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record; what goes wrong is told on standard error, as `logging` does."""
        try:
            record.aws_request_id = current.request_id
            record.tenant_id = current.tenant_id
            bits = FRAME_BITS.get(_level_name(record), 0) if self._by_level else 0
            self.log_sink.write(self.format(record), self._frame + bits)
        except Exception:
            self.handleError(record)


class TextFormatter(logging.Formatter):
    """`[LEVEL]`, time in UTC, request id and message, parted by tabs."""

    def __init__(self) -> None:
        super().__init__(_TEXT, _SECONDS)

    def format(self, record: logging.LogRecord) -> str:
        """The line, with its end, and the exception's trace where there is one."""
        text = super().format(record)
        return text if text.endswith("\n") else f"{text}\n"


class JsonFormatter(logging.Formatter):
    """One JSON object a line, with the fields of AWS's JSON log format and the record's own."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, with its end."""
        raised = record.exc_info if isinstance(record.exc_info, tuple) else None
        error = raised[1] if raised else None
        as_it_is = isinstance(record.msg, dict) and not record.args
        fields: dict[str, Any] = {
            "timestamp": self.formatTime(record, self.datefmt),
            "level": _level_name(record),
            "message": record.msg if as_it_is else record.getMessage(),
            "logger": record.name,
            "stackTrace": traceback.format_tb(error.__traceback__) if error else None,
            "errorType": type(error).__name__ if error else None,
            "errorMessage": str(error) if error else None,
            "requestId": record.__dict__.get("aws_request_id"),
            "location": f"{record.pathname}:{record.funcName}:{record.lineno}" if error else None,
            "tenantId": record.__dict__.get("tenant_id"),
        }
        for name, value in record.__dict__.items():
            if name not in _STANDARD and name not in fields:
                fields[name] = value
        told = {name: value for name, value in fields.items() if value is not None}
        return json.dumps(told, ensure_ascii=False, default=str) + "\n"


def _level_name(record: logging.LogRecord) -> str:
    number = min(50, max(0, record.levelno))
    return logging.getLevelName(number if number == TRACE else number // 10 * 10)
