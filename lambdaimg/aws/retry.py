"""The one place that waits for AWS: polls and retries, with limits, progress and Ctrl-C."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from lambdaimg.errors import InterruptedRunError, WaitTimeoutError

T = TypeVar("T")

FIRST_PAUSE_S = 0.02
GROWTH = 1.3
LONGEST_PAUSE_S = 2.0


def pauses() -> Iterator[float]:
    """The pauses between looks, in seconds: quick at first, never above two seconds."""
    pause = FIRST_PAUSE_S
    while True:
        yield pause
        pause = min(pause * GROWTH, LONGEST_PAUSE_S)


class Waiter:
    """A clock that can be interrupted. Tests hand in their own `now` and `sleep`.

    Args:
        now: monotonic seconds.
        sleep: waits for so many seconds; None for one that `cancel` ends at once.
    """

    def __init__(
        self,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] | None = None,
    ) -> None:
        self._cancelled = threading.Event()
        self.now = now
        self._sleep = sleep or self._cancelled.wait

    def cancel(self) -> None:
        """Ends every wait with `InterruptedRunError`."""
        self._cancelled.set()

    def check(self) -> None:
        """Raises `InterruptedRunError` where the run was interrupted."""
        if self._cancelled.is_set():
            raise InterruptedRunError(
                "Interrupted.", hint="Run the same command again: it goes on from here."
            )

    def sleep(self, seconds: float) -> None:
        """Waits, unless interrupted."""
        self.check()
        self._sleep(seconds)
        self.check()


def poll(
    look: Callable[[], T | None],
    *,
    waiter: Waiter,
    limit: float,
    what: str,
    hint: str = "",
    say: Callable[[str], None] = lambda _text: None,
) -> T:
    """Looks until there is an answer.

    Args:
        look: gives the answer, or None for 'not yet'; errors go through.
        limit: seconds until giving up.
        what: what is waited for, as in 'the function to be active'.
        hint: what to do where the limit is reached.
        say: told, with the seconds waited, what is waited for.

    Raises:
        WaitTimeoutError: there was no answer within `limit`.
    """
    began = waiter.now()
    for pause in pauses():
        answer = look()
        if answer is not None:
            return answer
        waited = waiter.now() - began
        if waited >= limit:
            raise WaitTimeoutError(f"Waited {limit:.0f} s for {what}, in vain.", hint)
        say(f"waiting for {what}, {waited:.0f} s")
        waiter.sleep(min(pause, max(0.0, limit - waited)))
    raise AssertionError("unreachable: pauses never end")


def retry(
    call: Callable[[], T],
    *,
    passing: Callable[[Exception], bool],
    waiter: Waiter,
    limit: float,
    what: str,
    say: Callable[[str], None] = lambda _text: None,
) -> T:
    """Calls until it succeeds, as long as the error is a passing one.

    Args:
        call: the call to make.
        passing: whether an error will pass by itself.
        limit: seconds until the passing error is raised after all.
        what: what is waited for, as in 'the role to be assumable'.
    """
    began = waiter.now()
    for pause in pauses():
        try:
            return call()
        except Exception as error:
            waited = waiter.now() - began
            if not passing(error) or waited >= limit:
                raise
        say(f"waiting for {what}, {waited:.0f} s")
        waiter.sleep(min(pause, max(0.0, limit - waited)))
    raise AssertionError("unreachable: pauses never end")
