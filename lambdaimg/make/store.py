"""Sentinel files: what a run remembers of a target, one JSON file each.

A sentinel is a memory, not the truth: one that is damaged, of another schema, or that speaks of
another account, region or endpoint is as good as none. Files are replaced atomically (written
beside, synced, renamed) and are readable by their owner alone.
"""

from __future__ import annotations

import json
import os
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lambdaimg.errors import StateError
from lambdaimg.make.decide import digest, fingerprint
from lambdaimg.make.lock import MODE, exclusive, make_private

SCHEMA = 1
LOCK_NAME = "lock"
TEMPORARY = re.compile(r".+\.(?P<pid>\d+)\.tmp")


@dataclass(frozen=True)
class Whom:
    """Whom a sentinel speaks of. `endpoint` is empty for AWS itself."""

    account: str
    region: str
    endpoint: str = ""


@dataclass(frozen=True)
class Sentinel:
    """What is remembered of a target. `written_at` is in seconds since the epoch."""

    target: str
    value: str
    inputs: Mapping[str, str]
    written_at: float = 0.0
    action: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)


def write_atomically(path: Path, text: str) -> None:
    """Replaces `path` by `text`, so that a reader sees the old file or the new one, whole."""
    # Also of its own among the threads that write for several functions at the same time.
    temporary = path.with_name(f".{path.name}.{threading.get_ident()}.{os.getpid()}.tmp")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, MODE)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()
        raise StateError(
            f"Cannot write {path.name} in {path.parent}: {error.strerror or error}.",
            hint="Check the folder's permissions and the free disk space.",
        ) from error


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sweep(folder: Path) -> None:
    """Removes the temporary files of processes that were killed while they wrote."""
    for path in folder.glob("*.tmp"):
        match = TEMPORARY.fullmatch(path.name)
        if match and not _is_alive(int(match["pid"])):
            with suppress(OSError):
                path.unlink()


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        pass
    return True


def seal(document: Mapping[str, Any]) -> str:
    """A hash over a sentinel file's content, by which a damaged one is told."""
    return digest(json.dumps(document, sort_keys=True))


class Store:
    """The sentinels of one environment.

    Args:
        folder: `.lambdaimg/<environment>` of the project.
        whom: the account, region and endpoint that the sentinels must speak of.
        now: the clock, in seconds since the epoch.
    """

    def __init__(self, folder: Path, whom: Whom, now: Callable[[], float] = time.time) -> None:
        self.folder = folder
        self.whom = whom
        self._now = now

    def path(self, target: str) -> Path:
        """Where the sentinel of `target` is."""
        return self.folder / f"{target}.json"

    def read(self, target: str) -> Sentinel | None:
        """The sentinel of `target`; None where there is none that can be believed."""
        try:
            return self._believed(target, json.loads(self.path(target).read_bytes()))
        except (OSError, ValueError, OverflowError, RecursionError):
            return None

    def _believed(self, target: str, data: object) -> Sentinel | None:
        if not isinstance(data, dict) or data.get("schema") != SCHEMA:
            return None
        if data.get("target") != target or data.get("whom") != vars(self.whom):
            return None
        if data.pop("seal", None) != seal(data):
            return None
        value, inputs, extra = data.get("value"), data.get("inputs"), data.get("extra")
        written_at, action = data.get("written_at"), data.get("action")
        if (
            not isinstance(value, str)
            or not isinstance(inputs, dict)
            or not all(isinstance(text, str) for text in inputs.values())
            or not isinstance(extra, dict)
            or not isinstance(written_at, (int, float))
            or not isinstance(action, str)
            or data.get("fingerprint") != fingerprint(inputs)
        ):
            return None
        return Sentinel(target, value, inputs, float(written_at), action, extra)

    def write(self, sentinel: Sentinel) -> None:
        """Replaces the target's sentinel.

        Raises:
            StateError: the folder cannot be written.
        """
        document = {
            "schema": SCHEMA,
            "target": sentinel.target,
            "value": sentinel.value,
            "fingerprint": fingerprint(sentinel.inputs),
            "inputs": dict(sentinel.inputs),
            "whom": vars(self.whom),
            "written_at": self._now(),
            "action": sentinel.action,
            "extra": dict(sentinel.extra),
        }
        document["seal"] = seal(document)
        self._make_folder()
        write_atomically(self.path(sentinel.target), json.dumps(document, indent=1) + "\n")

    def void(self, target: str) -> None:
        """Forgets a target; nothing where there is nothing to forget."""
        with suppress(FileNotFoundError):
            self.path(target).unlink()

    def clear(self) -> list[str]:
        """Forgets every target and returns their names."""
        names = []
        for path in sorted(self.folder.glob("*.json")):
            with suppress(FileNotFoundError):
                path.unlink()
                names.append(path.stem)
        return names

    def _make_folder(self) -> None:
        try:
            make_private(self.folder)
        except OSError as error:
            raise StateError(
                f"Cannot make the state folder {self.folder}: {error.strerror or error}.",
                hint="Run in a folder that you may write to.",
            ) from error
        ignore = self.folder.parent / ".gitignore"
        if not ignore.exists():
            write_atomically(ignore, "*\n")

    @contextmanager
    def locked(
        self,
        limit: float,
        on_wait: Callable[[str], None] = lambda _holder: None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> Iterator[None]:
        """Holds the environment's lock, so that one run at a time changes it.

        The kernel drops the lock of a process that died, so no lock outlives its holder.

        Args:
            limit: how long to wait for another run, in seconds.
            on_wait: told once who holds the lock.
            sleep: how to wait, in seconds.

        Raises:
            StateError: another run holds the lock for longer than `limit`.
        """
        self._make_folder()
        with exclusive(self.folder / LOCK_NAME, limit, on_wait, sleep):
            for folder in (self.folder, self.folder.parent):
                sweep(folder)
            yield
