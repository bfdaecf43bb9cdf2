"""A reproducible tar of a build context: fixed times and owner, the executable bit alone.

Modification times are no part of the builders' cache keys, but they are part of layers.
"""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from lambdaimg.container.tree import IGNORE_FILE, Entry, unreadable
from lambdaimg.errors import BuildError

MTIME = 315532800
"""1980-01-01, for every file: the earliest time that zip archives know too."""

CHUNK = 1 << 18

Owner = tuple[int, int]
"""User and group."""


def tar_stream(
    entries: Iterable[Entry], owner: Callable[[str], Owner] = lambda _path: (0, 0)
) -> Iterator[bytes]:
    """Entries as an uncompressed POSIX tar, each with its owner; see `BuildContext.stream`."""
    buffer = bytearray()
    for entry in entries:
        buffer += _header(entry, owner(entry.path))
        if entry.kind == "file":
            for piece in _content(entry):
                buffer += piece
                if len(buffer) >= CHUNK:
                    yield bytes(buffer)
                    buffer.clear()
            buffer += bytes(-entry.size % tarfile.BLOCKSIZE)
    buffer += bytes(2 * tarfile.BLOCKSIZE)
    buffer += bytes(-len(buffer) % tarfile.BLOCKSIZE)
    yield bytes(buffer)


def _header(entry: Entry, owner: Owner) -> bytes:
    info = tarfile.TarInfo(entry.path)
    info.uid, info.gid = owner
    info.mode, info.mtime, info.size = entry.mode, MTIME, entry.size
    if entry.kind == "dir":
        info.type = tarfile.DIRTYPE
    elif entry.kind == "link":
        info.type, info.linkname = tarfile.SYMTYPE, str(entry.source)
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


def _content(entry: Entry) -> Iterator[bytes]:
    if isinstance(entry.source, bytes):
        yield entry.source
        return
    left = entry.size
    try:
        with Path(entry.source).open("rb", buffering=0) as file:
            while left and (piece := file.read(min(CHUNK, left))):
                left -= len(piece)
                yield piece
            grown = not left and file.read(1)
    except OSError as exc:
        raise unreadable(entry.path, exc) from exc
    if left or grown:
        raise BuildError(
            f"{entry.path} changed while it was being sent to the build.",
            hint=f"Run again; if something writes to it all the time, list it in {IGNORE_FILE}.",
            file=entry.path,
        )
