"""Locks between processes: files that the kernel locks, so that none outlives its holder."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from lambdaimg.errors import StateError

MODE = 0o600
FIRST_PAUSE_S = 0.05
GROWTH = 1.5
LONGEST_PAUSE_S = 0.25


@contextmanager
def exclusive(
    path: Path,
    limit: float,
    on_wait: Callable[[str], None] = lambda _holder: None,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[None]:
    """Holds the lock at `path`. The kernel drops the lock of a process that died.

    Args:
        path: the lock's file, made where it is missing; its folder must exist.
        limit: how long to wait for the one who holds it, in seconds.
        on_wait: told once who that is.
        sleep: how to wait, in seconds.

    Raises:
        StateError: somebody else holds the lock for longer than `limit`, or the file cannot be
            opened.
    """
    descriptor = _acquired(path, limit, on_wait, sleep)
    try:
        holder = f"process {os.getpid()} on {os.uname().nodename}".encode()
        try:
            size = os.pwrite(descriptor, holder, 0)
        except OSError:  # the disk is full; the lock is held all the same
            size = 0
        os.ftruncate(descriptor, size)
        yield
    finally:
        os.close(descriptor)


def _acquired(
    path: Path, limit: float, on_wait: Callable[[str], None], sleep: Callable[[float], None]
) -> int:
    while True:
        descriptor = _opened(path)
        try:
            _wait_for(descriptor, limit, on_wait, sleep)
            if _is_file(descriptor, path):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def make_private(folder: Path) -> None:
    """Makes a folder that its owner alone may enter, and the state folder above it likewise.

    Raises:
        OSError: it cannot be made.
    """
    # `parents` would give the folder above the mode that the umask leaves.
    for each in (folder.parent, folder):
        each.mkdir(parents=True, exist_ok=True, mode=0o700)


def _opened(path: Path) -> int:
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        make_private(path.parent)
        return os.open(path, flags, MODE)
    except OSError as error:
        raise StateError(
            f"Cannot open the lock {path}: {error.strerror or error}.",
            hint="Check the folder's permissions.",
        ) from error


def _wait_for(
    descriptor: int,
    limit: float,
    on_wait: Callable[[str], None],
    sleep: Callable[[float], None],
) -> None:
    waited, pause, told = 0.0, FIRST_PAUSE_S, False
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 200, 0).decode(errors="replace")
        else:
            return
        if waited >= limit:
            raise StateError(
                f"Another run works on this environment: {holder or 'it does not say who'}.",
                hint="Wait for it to end, or raise lock_wait.",
            )
        # Whoever got a new lock this moment has not written its name yet.
        if not told and (holder or waited):
            on_wait(holder or "another run")
            told = True
        sleep(pause)
        waited += pause
        pause = min(pause * GROWTH, LONGEST_PAUSE_S)


def _is_file(descriptor: int, path: Path) -> bool:
    """Whether an open file is still the one at `path`: somebody may have removed the folder."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except OSError:
        return False
