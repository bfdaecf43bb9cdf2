"""Files as a zip: sorted, without times, so that the same files give the same bytes. Pure.

The compressed bytes still depend on the zlib of the machine; `content_hash` does not, and it is
what tells whether something is published already.
"""

from __future__ import annotations

import hashlib
import io
import stat
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from lambdaimg import sizes
from lambdaimg.errors import ProjectError

MAX_ZIPPED = 50 * 1024 * 1024
"""Bytes that Lambda takes of a zip that is uploaded directly."""
MAX_UNZIPPED = 250 * 1024 * 1024
"""Bytes that a function and all its layers may have, unzipped."""

_EPOCH = (1980, 1, 1, 0, 0, 0)
_LEFT_OUT = frozenset({"__pycache__", ".git", ".lambdaimg", ".DS_Store"})


@dataclass(frozen=True)
class Entry:
    """A file: its path in the archive, its bytes, and whether it is a program."""

    path: str
    data: bytes = field(repr=False)
    program: bool = False


@dataclass(frozen=True)
class Archive:
    """Files, and the zip that they make."""

    entries: tuple[Entry, ...]

    @cached_property
    def zipped(self) -> bytes:
        """The zip."""
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as file:
            for entry in self.entries:
                info = zipfile.ZipInfo(entry.path, _EPOCH)
                info.create_system = 3  # Unix, whatever this machine is: modes count
                info.external_attr = (stat.S_IFREG | (0o755 if entry.program else 0o644)) << 16
                info.compress_type = zipfile.ZIP_DEFLATED
                file.writestr(info, entry.data)
        return buffer.getvalue()

    @property
    def unzipped(self) -> int:
        """Bytes of all files."""
        return sum(len(entry.data) for entry in self.entries)

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 of paths, modes and contents, in hexadecimal."""
        found = hashlib.sha256()
        for entry in self.entries:
            head = f"{entry.path}\0{int(entry.program)}\0{len(entry.data)}\0"
            found.update(head.encode() + entry.data)
        return found.hexdigest()


def archive(entries: Iterable[Entry], what: str) -> Archive:
    """An archive of files, sorted by their paths.

    Args:
        what: what it is, for errors: `the layer`.

    Raises:
        ProjectError: it is empty, or larger than Lambda takes; says by how much.
    """
    made = Archive(tuple(sorted(entries, key=lambda entry: entry.path)))
    if not made.entries:
        raise ProjectError(f"There are no files for {what}.")
    if made.unzipped > MAX_UNZIPPED:
        raise _too_large(what, "unzipped", made.unzipped, MAX_UNZIPPED)
    if len(made.zipped) > MAX_ZIPPED:
        raise _too_large(what, "zipped", len(made.zipped), MAX_ZIPPED)
    return made


def _too_large(what: str, how: str, size: int, limit: int) -> ProjectError:
    return ProjectError(
        f"{what[0].upper()}{what[1:]} has {sizes.text(size)} {how}; "
        f"Lambda takes {sizes.text(limit)}.",
        hint="Leave files out, or use an image: those may have 10 GB.",
    )


def files(path: Path, prefix: str = "") -> Iterator[Entry]:
    """A file, or all files of a folder, with their paths below `prefix`.

    A file is a program where its mode says so, or its first two bytes are `#!`: a wheel need not
    keep modes. Links are followed, those to folders as well.

    Raises:
        ProjectError: something is a link that leads out of the folder or to a folder that it is
            in, or cannot be read.
    """
    if not path.exists():
        raise ProjectError(f"There is no {path}.")
    root = path if path.is_dir() else path.parent
    for found in _below(path, root, frozenset()) if path.is_dir() else [path]:
        _check_inside(found, root)
        relative = found.relative_to(root)
        try:
            data = found.read_bytes()
            program = bool(found.stat().st_mode & stat.S_IXUSR) or data[:2] == b"#!"
        except OSError as error:
            raise ProjectError(f"Cannot read {found}: {error.strerror}.") from error
        yield Entry(f"{prefix}{relative.as_posix()}", data, program)


def _below(folder: Path, root: Path, above: frozenset[Path]) -> Iterator[Path]:
    """All files of a folder, those of its folders included.

    Args:
        root: what no link may lead out of.
        above: the folders that this one is in, resolved.
    """
    real = folder.resolve()
    if real in above:
        raise ProjectError(f"{folder} is a link to a folder that it is in.")
    for found in folder.iterdir():
        if found.name in _LEFT_OUT:
            continue
        if found.is_dir():
            _check_inside(found, root)
            yield from _below(found, root, above | {real})
        else:
            yield found


def _check_inside(found: Path, root: Path) -> None:
    if not found.resolve().is_relative_to(root.resolve()):
        raise ProjectError(f"{found} is a link that leads out of {root}.")
