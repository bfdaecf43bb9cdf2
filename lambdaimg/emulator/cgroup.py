"""A container's control group, where the engine's containers are processes of this machine.

It tells what the engine tells late or not at all: the peak of memory, whether the kernel has
killed for memory, and the process to wait for.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
# Cgroup version, files for the peak and for the count of kills (kernel: cgroup-v1, cgroup-v2).
PEAK = {1: "memory.max_usage_in_bytes", 2: "memory.peak"}
KILLS = {1: "memory.oom_control", 2: "memory.events"}


class ControlGroup:
    """The open files of one container's control group. Close it with `close`."""

    def __init__(self, folder: Path, version: int) -> None:
        self._peak = _open(folder / PEAK[version])
        self._kills = _open(folder / KILLS[version])
        self._most = 0
        self._killed = False
        self.pid = 0
        with contextlib.suppress(OSError, ValueError):
            # The first process has the lowest number; those that it started come and go.
            self.pid = min(map(int, (folder / "cgroup.procs").read_text().split()), default=0)

    def read(self) -> None:
        """Take in the present figures; they stay when the group is gone."""
        with contextlib.suppress(OSError, ValueError):
            self._most = int(os.pread(self._peak, 64, 0))
        with contextlib.suppress(OSError, ValueError):
            for line in os.pread(self._kills, 1024, 0).splitlines():
                if line.startswith(b"oom_kill "):
                    self._killed = int(line.split()[1]) > 0

    @property
    def peak_mb(self) -> int:
        """The peak when last read, in MB, rounded up; 0 if it is not known."""
        return -(-self._most // (1024 * 1024))

    @property
    def out_of_memory(self) -> bool:
        """Whether the kernel had killed a process for memory when last read."""
        return self._killed

    def close(self) -> None:
        """Close the files."""
        for fd in (self._peak, self._kills):
            if fd >= 0:
                os.close(fd)
        self._peak = self._kills = -1


def find(container: str) -> ControlGroup | None:
    """The control group of a running container, by its full id.

    Looks where Docker puts them: by cgroup driver (cgroupfs, systemd), version, and rootless.
    """
    user = os.getuid() if hasattr(os, "getuid") else 0
    own = f"user.slice/user-{user}.slice/user@{user}.service/user.slice"
    names = (
        f"docker/{container}",
        f"system.slice/docker-{container}.scope",
        f"{own}/docker-{container}.scope",
    )
    for version, root in ((1, ROOT / "memory"), (2, ROOT)):
        for name in names:
            if (root / name / PEAK[version]).exists():
                return ControlGroup(root / name, version)
    return None


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDONLY)
    except OSError:
        return -1
