"""The files by which the embedded AWS is found, and the lock that proves that it lives.

A folder holds:

- `start.lock`: held by whoever starts or stops the server, so that two runs start one.
- `server.lock`: held by the server for as long as it lives, with its process id inside. The
  kernel lets go of the lock when the process ends, however it ends, so a process id that was
  given to another process is never mistaken for the server's.
- `server.json`: what the server says of itself; written when it answers, removed when it stops.
- `port`: the port of the last run, chosen again, because repository URIs hold it.
- `server.log`, `server.log.1`: its output, and that of the run before.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lambdaimg.errors import LocalAwsError

FORMAT = 1


@dataclass(frozen=True)
class StateFiles:
    """The paths inside one state folder."""

    home: Path

    @property
    def start_lock(self) -> Path:
        """Held while the server is started or stopped."""
        return self.home / "start.lock"

    @property
    def server_lock(self) -> Path:
        """Held by the server while it lives."""
        return self.home / "server.lock"

    @property
    def record(self) -> Path:
        """What the running server says of itself."""
        return self.home / "server.json"

    @property
    def port(self) -> Path:
        """The port of the last run."""
        return self.home / "port"

    @property
    def log(self) -> Path:
        """The server's output."""
        return self.home / "server.log"

    def make(self) -> None:
        """Create the folder, readable by its owner alone.

        Raises:
            LocalAwsError: the folder cannot be made.
        """
        try:
            self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise LocalAwsError(
                f"The embedded AWS cannot keep its state in {self.home}: {error.strerror}.",
                "Set LAMBDAIMG_LOCAL_HOME to a folder that you can write.",
            ) from error


def default_home() -> Path:
    """Folder of the user's embedded AWS: LAMBDAIMG_LOCAL_HOME, else below XDG_STATE_HOME."""
    chosen = os.environ.get("LAMBDAIMG_LOCAL_HOME")
    if chosen:
        return Path(chosen).expanduser().absolute()
    base = os.environ.get("XDG_STATE_HOME")
    root = Path(base) if base else Path.home() / ".local" / "state"
    return root / "lambdaimg" / "local"


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Replace a file whole: temporary file in the same folder, sync, rename."""
    import tempfile

    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".new")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(content, file)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


_RECORD = {
    "pid": int,
    "port": int,
    "account": str,
    "region": str,
    "docker_host": str | None,
    "version": str,
}


def read_record(files: StateFiles) -> dict[str, Any] | None:
    """What a server, living or not, last said of itself; None where it cannot be made out."""
    try:
        content = json.loads(files.record.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        return None
    if not all(isinstance(content.get(name, ...), kind) for name, kind in _RECORD.items()):
        return None
    return content


def remembered_port(files: StateFiles) -> int | None:
    """The port of the last run, or None."""
    try:
        port = int(files.port.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
    return port if 0 < port < 65536 else None


def remember_port(files: StateFiles, port: int) -> None:
    """Keep the port for the next run."""
    files.port.write_text(f"{port}\n", encoding="ascii")


def lock_holder(files: StateFiles) -> int | None:
    """Process id of the living server; None where none lives."""
    try:
        descriptor = os.open(files.server_lock, os.O_RDWR)
    except FileNotFoundError:
        return None
    try:
        try:
            # Shared: of two who look at the same time, neither is to be taken for the server.
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            text = os.read(descriptor, 32).decode("ascii", "replace").strip()
            return int(text) if text.isdigit() else 0
        return None
    finally:
        os.close(descriptor)


def hold_server_lock(files: StateFiles, patience_s: float = 5.0) -> int | None:
    """Take the server's lock for the life of this process, and write the process id into it.

    Returns:
        The open descriptor, or None where another server holds the lock. A look by
        `lock_holder` holds it for an instant too, hence the patience.
    """
    descriptor = os.open(files.server_lock, os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + patience_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if time.monotonic() > deadline:
                os.close(descriptor)
                return None
            time.sleep(0.02)
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode("ascii"), 0)
    return descriptor


@contextlib.contextmanager
def exclusive(files: StateFiles, patience_s: float) -> Iterator[None]:
    """Be the only one that starts or stops the server.

    Raises:
        LocalAwsError: another run holds the lock for longer than `patience_s` seconds.
    """
    files.make()
    descriptor = os.open(files.start_lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        deadline = time.monotonic() + patience_s
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise LocalAwsError(
                        "Another run has been starting or stopping the embedded AWS for "
                        f"{patience_s:.0f} seconds.",
                        f"See {files.log}; end that run and try again.",
                    ) from None
                time.sleep(0.05)
        yield
    finally:
        os.close(descriptor)
