"""Where log lines go: standard output, or the descriptor that Lambda hands over."""

import os
import sys
from time import time_ns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import MutableMapping

JSON_FRAME = 0xA55A0002
TEXT_FRAME = 0xA55A0003
FRAME_BITS = {"TRACE": 4, "DEBUG": 8, "INFO": 12, "WARNING": 16, "ERROR": 20, "CRITICAL": 24}
"""What a level adds to a frame's type."""

_NO_BREAK_SPACE = "\u00a0"


class StandardSink:
    """Writes to `sys.stdout`."""

    def write(self, text: str, frame: int = TEXT_FRAME) -> None:
        """Write text as it stands; letters that the stream cannot hold become escapes.

        Where a handler has closed the stream, or put another in its place that cannot be written
        to, the text goes to standard error, which is in the same log.
        """
        stream = sys.stdout
        try:
            try:
                stream.write(text)
            except UnicodeEncodeError:
                stream.write(text.encode("utf-8", "backslashreplace").decode())
            stream.flush()
        except Exception:
            os.write(2, text.encode("utf-8", "backslashreplace"))

    def error(self, lines: "list[str]", frame: int) -> None:
        """Write a report of several lines so that a log viewer keeps it together."""
        self.write("\r".join(map(_indent_kept, lines)) + "\n")


class FramedSink:
    """Writes frames to a file descriptor, which keep a message together whatever is in it.

    A frame is the type and the length (4 bytes each), the time in microseconds since the epoch
    (8 bytes), all big-endian, and the message in UTF-8.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def write(self, text: str, frame: int = TEXT_FRAME) -> None:
        """Write one frame. Raises: OSError."""
        message = text.encode("utf-8", "backslashreplace")
        rest = memoryview(
            frame.to_bytes(4, "big")
            + len(message).to_bytes(4, "big")
            + (time_ns() // 1000).to_bytes(8, "big")
            + message
        )
        while rest:
            rest = rest[os.write(self._fd, rest) :]

    def error(self, lines: "list[str]", frame: int) -> None:
        """Write a report of several lines as one frame. Raises: OSError."""
        self.write("\n".join(map(_indent_kept, lines)), frame)


Sink = StandardSink | FramedSink

_sink: Sink = StandardSink()


def open_sink(environ: "MutableMapping[str, str]") -> Sink:
    """Choose this process's sink from `_LAMBDA_TELEMETRY_LOG_FD`, which is removed."""
    global _sink
    fd = environ.pop("_LAMBDA_TELEMETRY_LOG_FD", "")
    _sink = FramedSink(int(fd)) if fd.isdigit() else StandardSink()
    return _sink


def current_sink() -> Sink:
    """This process's sink."""
    return _sink


def unbuffer() -> None:
    """Make every write to standard output and error go out at once, as `python -u` does."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is not None and not stream.write_through:
            raw = open(stream.fileno(), "wb", 0, closefd=False)  # noqa: SIM115
            wrapper = type(stream)(raw, stream.encoding, stream.errors, None, False, True)
            setattr(sys, name, wrapper)


def _indent_kept(line: str) -> str:
    text = line.lstrip(" ")
    return _NO_BREAK_SPACE * (len(line) - len(text)) + text
