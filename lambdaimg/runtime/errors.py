"""Failures as AWS reports them: to the caller, to X-Ray and in the log.

Loaded when something has failed; nothing here is needed while all goes well.
"""

import json
import os
import sys
import time
import traceback
from typing import Any

from .faults import Fault
from .sink import FRAME_BITS, JSON_FRAME, TEXT_FRAME, Sink

_OWN_FILES = os.path.dirname(__file__) + os.sep  # noqa: PTH120 - no pathlib in the image's path
_MAX_BODY = 6 * 1024 * 1024
_SHORTENINGS = (
    (400_000, 200),
    (60_000, 200),
    (8_000, 50),
    (1_200, 20),
    (300, 8),
    (200, 4),
    (100, 0),
)
"""Letters of the message and frames of the trace that are kept, until an error is small enough."""
_VALIDATION = "LambdaValidationError"

Frame = tuple[str, int, str, str | None]
"""File, line, function, source line."""


class Failure:
    """What is told of a failure.

    Args:
        type, message: errorType and errorMessage.
        frames: where it happened, outermost first, the runtime's own frames left out.
        trace: the formatted frames, where they are not to be made from `frames`.
        cause_type: the type that X-Ray is told.
    """

    def __init__(
        self,
        type: str,
        message: str,
        frames: "list[Frame] | None" = None,
        trace: "list[str] | None" = None,
        cause_type: "str | None" = None,
    ) -> None:
        self.type = type
        self.message = message
        self.frames = frames or []
        self.trace = traceback.format_list(self.frames) if trace is None else trace
        self.cause_type = cause_type or type

    @classmethod
    def of(cls, error: BaseException) -> "Failure":
        """The failure that an exception stands for. Never raises, whatever the exception."""
        if isinstance(error, Fault):
            return cls(error.type, error.message, trace=error.trace, cause_type=_VALIDATION)
        return cls(type(error).__name__, _text_of(error), _frames_of(error))

    def body(self, request_id: str = "", limit: int = _MAX_BODY) -> bytes:
        """The error as the JSON that the Runtime API takes.

        Args:
            request_id: of the invocation.
            limit: bytes for which message and trace are shortened. The Runtime API takes no more
                of an error than of a response, and does not recover from one beyond.
        """
        told = self._told(request_id)
        body = json.dumps(told).encode()
        for letters, frames in _SHORTENINGS:
            if len(body) <= limit:
                break
            told["errorMessage"] = _shortened(self.message, letters)
            told["stackTrace"] = _without_middle(self.trace, frames)
            body = json.dumps(told).encode()
        return body

    def xray_cause(self) -> str:
        """The cause as AWS X-Ray takes it: JSON on one line, in ASCII."""
        try:
            folder = os.getcwd()  # noqa: PTH109
        except OSError:
            folder = ""
        stack = [{"label": name, "path": file, "line": line} for file, line, name, _ in self.frames]
        exception = {"message": self.message, "type": self.cause_type, "stack": stack}
        paths = sorted({file for file, _, _, _ in self.frames})
        return json.dumps({"working_directory": folder, "exceptions": [exception], "paths": paths})

    def log(self, sink: Sink, as_json: bool, request_id: str = "") -> None:
        """Write the failure to the log, in AWS's text or JSON form."""
        if as_json:
            stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            told = {"timestamp": stamp, "level": "ERROR", **self._told(request_id)}
            sink.error([json.dumps(told)], JSON_FRAME + FRAME_BITS["ERROR"])
            return
        title = ": ".join(filter(None, (self.type, self.message)))
        lines = [f"[ERROR] {title}" if title else "[ERROR]", "Traceback (most recent call last):"]
        for frame in self.trace:
            lines += frame.splitlines() or [""]
        sink.error(lines, TEXT_FRAME + FRAME_BITS["ERROR"])

    def _told(self, request_id: str) -> dict[str, Any]:
        return {
            "errorMessage": self.message,
            "errorType": self.type,
            "requestId": request_id,
            "stackTrace": self.trace,
        }


def _shortened(text: str, letters: int) -> str:
    if len(text) <= letters:
        return text
    return f"{text[:letters]} ... ({len(text)} characters in all)"


def _without_middle(trace: "list[str]", frames: int) -> "list[str]":
    if len(trace) <= frames:
        return trace
    half = frames // 2
    left_out = f"  ... ({len(trace)} frames in all)\n"
    return [*trace[:half], left_out, *trace[len(trace) - half :]]


def _text_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:
        return f"<no text can be made of this {type(error).__name__}>"


def _frames_of(error: BaseException) -> list[Frame]:
    frames: list[Frame] = [
        (frame.filename, frame.lineno or 0, frame.name, frame.line)
        for frame in traceback.extract_tb(error.__traceback__)
    ]
    for index, frame in enumerate(frames):
        if not _is_machinery(frame[0]):
            return frames[index:]
    return []


def _is_machinery(file: str) -> bool:
    # importlib is there only where the handler's path took it in.
    importer = getattr(sys.modules.get("importlib"), "__file__", None)
    return file.startswith((_OWN_FILES, "<frozen importlib")) or file == importer


def log_line(sink: Sink, as_json: bool, level: str, text: str, request_id: str = "") -> None:
    """Write one line of the runtime's own to the log, formatted as Lambda's log lines are.

    Args:
        sink, as_json: where to, and in which form.
        level: a key of `FRAME_BITS`.
        text: the message.
        request_id: the invocation that it is about.
    """
    now = time.time()
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now))
    if as_json:
        told = {"timestamp": f"{stamp}Z", "level": level, "message": text, "requestId": request_id}
        sink.write(json.dumps(told) + "\n", JSON_FRAME + FRAME_BITS[level])
        return
    line = f"[{level}]\t{stamp}.{int(now % 1 * 1000):03d}Z\t{request_id}\t{text}\n"
    sink.write(line, TEXT_FRAME + FRAME_BITS[level])
