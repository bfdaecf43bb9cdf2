"""Ending at once what waits for somebody else, when the user interrupts a run."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from lambdaimg.errors import InterruptedRunError


class Cancel:
    """Whether a run was interrupted, and what is to be ended then; for several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ends: list[Callable[[], object]] = []
        self._done = False

    def now(self) -> None:
        """Ends all that runs within `ending`, and whatever is to begin later."""
        with self._lock:
            self._done, ends = True, list(self._ends)
        for end in ends:
            with suppress(OSError):  # it has ended by itself
                end()

    def check(self) -> None:
        """Raises `InterruptedRunError` where the run was interrupted."""
        if self._done:
            raise InterruptedRunError(
                "Interrupted.", hint="Run the same command again: it goes on from here."
            )

    @contextmanager
    def ending(self, end: Callable[[], object]) -> Iterator[None]:
        """Calls `end`, in another thread, if the run is interrupted within the block.

        Raises:
            InterruptedRunError: it was, before or within; in place of whatever `end` led to.
        """
        with self._lock:
            if not self._done:
                self._ends.append(end)
        self.check()
        try:
            yield
        except Exception as error:
            if self._done and not isinstance(error, InterruptedRunError):
                self.check()
            raise
        finally:
            with self._lock:
                self._ends.remove(end)
        self.check()
