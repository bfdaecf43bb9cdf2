"""Notices that files have changed, by looking at them.

A look costs some two microseconds a file, and so often as it takes a twentieth of the time;
that needs no library and no help of the system, and works on mounts that report no changes.
"""

from __future__ import annotations

import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

SHORTEST = 0.02
"""Seconds between two looks, at least."""
SHARE = 20
"""How many times longer than a look the pause after it is, at least."""

PATIENCE = 25
"""Looks after a change until it counts as complete although there is more of it."""

Facts = tuple[int, int, int, int]


class Files:
    """The files of a project as they were at the last look.

    Args:
        paths: gives the files and folders that count, as absolute paths. It is asked again
            whenever a folder has changed; a file that it names need not exist any more.
    """

    def __init__(self, paths: Callable[[], Iterable[str]]) -> None:
        self._paths = paths
        self._facts = self._look(paths())
        self._pause = SHORTEST

    def changed(self) -> set[str]:
        """The files (not folders) that appeared, changed or vanished since the last look."""
        begun = time.monotonic()
        before = self._facts
        now = self._look(before)
        if any(_is_folder(facts) and before[path] != facts for path, facts in now.items()) or (
            len(now) < len(before)
        ):
            now = self._look(self._paths())
        self._facts = now
        self._pause = max(SHORTEST, SHARE * (time.monotonic() - begun))
        different = {
            path for path in before.keys() | now.keys() if before.get(path) != now.get(path)
        }
        return {
            path
            for path in different
            if not _is_folder(now.get(path)) and not _is_folder(before.get(path))
        }

    def wait(self, matters: Callable[[str], bool] = lambda _path: True) -> set[str]:
        """Wait for a change, and until it is complete: until a look finds nothing more.

        Args:
            matters: whether a file counts; others may change all the time (logs, for example).
        """
        found: set[str] = set()
        while not found:
            time.sleep(self._pause)
            found = {path for path in self.changed() if matters(path)}
        for _ in range(PATIENCE):
            time.sleep(SHORTEST)
            more = {path for path in self.changed() if matters(path)}
            if not more:
                break
            found |= more
        return found

    @staticmethod
    def _look(paths: Iterable[str]) -> dict[str, Facts]:
        found = {}
        for path in paths:
            try:
                status = os.stat(path)  # noqa: PTH116 - a Path would triple the cost
            except OSError:
                continue
            found[path] = (status.st_mode, status.st_mtime_ns, status.st_size, status.st_ino)
        return found


def _is_folder(facts: Facts | None) -> bool:
    return facts is not None and facts[0] & 0o170000 == 0o040000
