"""The operating system's errors, and what the user is told: what happened, why, what to do next.

Where a module knows what it was about (a Dockerfile, a payload, a record), it tells that itself;
this table is for the rest.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass

from lambdaimg.errors import LambdaimgError, MachineError


@dataclass(frozen=True)
class Row:
    """One kind of error.

    Args:
        names: names of `errno`.
        message: what happened; may use {file} and {why}.
        hint: what to do next.
    """

    names: tuple[str, ...]
    message: str
    hint: str = ""


ROWS = (
    Row(
        ("ENOSPC", "EDQUOT"),
        "The disk is full, or its quota is used up: {file}.",
        "Free some space, then run the same command: it goes on from here.",
    ),
    Row(
        ("EACCES", "EPERM"),
        "This user may not use {file}.",
        "Change the file's owner or permissions.",
    ),
    Row(("EROFS",), "{file} is on a file system that cannot be written.", "Work on a copy."),
    Row(("ENOENT", "ENOTDIR"), "There is no {file}.", "Check the name, and where you are."),
    Row(("EISDIR",), "{file} is a folder, and a file is needed.", "Name a file."),
    Row(
        ("ENAMETOOLONG",),
        "The name of {file} is too long for this file system.",
        "Use a shorter name, or a project folder nearer to the root.",
    ),
    Row(("ELOOP",), "{file} is a link that leads to itself.", "Remove the link."),
    Row(
        ("EMFILE", "ENFILE"),
        "Too many files are open.",
        "Raise the limit (`ulimit -n 4096`), or close other programs.",
    ),
    Row(("ENOMEM",), "This machine has no memory left.", "Close other programs."),
    Row(
        ("EIO", "ESTALE"),
        "The disk, or the network drive, that holds {file} has a fault: {why}.",
        "Look at the system's log.",
    ),
    Row(
        ("ECONNREFUSED", "ECONNRESET", "ENETUNREACH", "EHOSTUNREACH", "ETIMEDOUT", "EPIPE"),
        "A connection failed: {why}.",
        "Check the network, then run the same command again.",
    ),
)
OTHER = Row((), "The operating system refused: {why} ({file}).")


def translate(error: OSError) -> LambdaimgError:
    """An error of the operating system as one of ours."""
    name = errno.errorcode.get(error.errno or 0, "")
    row = next((row for row in ROWS if name in row.names), OTHER)
    facts = {
        "file": str(error.filename or "the file"),
        "why": error.strerror or " ".join(str(error).split()) or type(error).__name__,
    }
    return MachineError(row.message.format(**facts), row.hint, errno=name)
