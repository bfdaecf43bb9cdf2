"""Which process a container belongs to, so that what a killed process left can be found.

A mark is `host/pid-start`; the start (clock ticks since boot, from Linux's /proc) tells a
process number apart that was given out again.
"""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path


def owner_mark() -> str:
    """The mark of this process."""
    return f"{socket.gethostname()}/{os.getpid()}-{_started_at(os.getpid())}"


def is_abandoned(mark: str) -> bool:
    """Whether the mark is of a process of this machine that is gone."""
    host, _, process = mark.partition("/")
    pid, _, started = process.partition("-")
    if host != socket.gethostname() or not pid.isdigit() or os.name == "nt":
        return False
    try:
        os.kill(int(pid), 0)
    except OSError as error:
        if error.errno == errno.ESRCH:
            return True
    return _started_at(int(pid)) != started


def _started_at(pid: int) -> str:
    """When a process was started; empty where there is no /proc."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return ""
    return stat.rpartition(b")")[2].split()[19].decode()
