"""Hashes of files, remembered by their stat in a cache file.

A hash is believed while size, modification time, change time and inode are the same. A file
that was touched within the last two seconds is not remembered: it could change again within
one tick of the file system's clock.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

SCHEMA = 1
SETTLED_NS = 2_000_000_000


class FileHashes:
    """SHA-256 hashes (hex) with a memory.

    Args:
        cache: the memory's file, or None for none.
        now_ns: the time that counts as now, in nanoseconds since the epoch.
    """

    def __init__(self, cache: Path | None, now_ns: int | None = None) -> None:
        self._cache = cache
        self._now = time.time_ns() if now_ns is None else now_ns
        self._known: dict[str, Any] = _load(cache) if cache else {}
        self._used: dict[str, list[Any]] = {}

    @staticmethod
    def new() -> hashlib._Hash:
        """An empty hash."""
        return hashlib.sha256()

    @staticmethod
    def of_bytes(content: bytes) -> str:
        """Hash of contents at hand."""
        return hashlib.sha256(content).hexdigest()

    def of_file(self, path: str, status: os.stat_result) -> str:
        """Hash of a file, read only where the memory does not know this stat of it.

        Raises:
            OSError: the file cannot be read.
        """
        key = [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]
        known = self._known.get(path)
        if isinstance(known, list) and known[:-1] == key:
            self._used[path] = known
            return str(known[-1])
        with Path(path).open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if max(status.st_mtime_ns, status.st_ctime_ns) + SETTLED_NS < self._now:
            self._used[path] = [*key, digest]
        return digest

    def save(self) -> None:
        """Replace the cache file where what it should hold has changed.

        A cache that cannot be written is no error: the next run hashes again.
        """
        if self._cache is None or self._used == self._known:
            return
        temporary = self._cache.with_name(f"{self._cache.name}.{os.getpid()}.tmp")
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape") as file:
                json.dump({"schema": SCHEMA, "files": self._used}, file, ensure_ascii=False)
            temporary.replace(self._cache)
        except OSError:
            with suppress(OSError):
                temporary.unlink()


def _load(cache: Path) -> dict[str, Any]:
    try:
        with cache.open(encoding="utf-8", errors="surrogateescape") as file:
            memory = json.load(file)
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(memory, dict) or memory.get("schema") != SCHEMA:
        return {}
    files = memory.get("files")
    return files if isinstance(files, dict) else {}
