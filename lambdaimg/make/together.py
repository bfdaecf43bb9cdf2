"""What the runs of several functions do once: the first to come does it, the others take that.

Two runs share a target where its inputs are the same, as its fingerprint tells: then it is the
same image, the same role, the same repository. The one who does it depends on nobody who waits
for it, so no two wait for each other.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass
class _Task:
    """What somebody does, or has done."""

    who: str
    ended: threading.Event = field(default_factory=threading.Event)
    result: Any = None
    error: BaseException | None = None


class Together:
    """The work of several runs; safe to use from all their threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tasks: dict[tuple[str, str], _Task] = {}

    def once(self, target: str, inputs: str, who: str, make: Callable[[], T]) -> tuple[T, str]:
        """`make()`, done by the first to come with these inputs; and who that was, '' for oneself.

        Raises:
            BaseException: whatever `make` raised, to each of them.
        """
        with self._lock:
            task = self._tasks.get((target, inputs))
            mine = task is None
            if task is None:
                task = self._tasks[target, inputs] = _Task(who)
        if mine:
            try:
                task.result = make()
            except BaseException as error:
                task.error = error
                raise
            finally:
                task.ended.set()
        else:
            task.ended.wait()
            if task.error is not None:
                raise task.error
        result: T = task.result
        return result, "" if mine else task.who

    def forget(self, targets: Collection[str]) -> None:
        """Forgets what was done of these targets: it no longer holds."""
        with self._lock:
            for key, task in list(self._tasks.items()):
                if key[0] in targets and task.ended.is_set():
                    del self._tasks[key]


@dataclass(frozen=True)
class Member:
    """One of the runs that work together. A run of its own is the only member."""

    name: str = ""
    together: Together = field(default_factory=Together)

    def once(self, target: str, inputs: str, make: Callable[[], T]) -> tuple[T, str]:
        """See `Together.once`."""
        return self.together.once(target, inputs, self.name, make)
