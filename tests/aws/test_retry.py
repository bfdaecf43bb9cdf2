"""Waiting and retrying, by a clock of the test's own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lambdaimg.aws.retry import LONGEST_PAUSE_S, Waiter, poll, retry
from lambdaimg.errors import InterruptedRunError, WaitTimeoutError


class Clock:
    """Time that passes only where somebody sleeps."""

    def __init__(self) -> None:
        self.time = 0.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds

    @property
    def waiter(self) -> Waiter:
        return Waiter(lambda: self.time, self.sleep)


class PassingError(Exception):
    pass


def answers(*values: object) -> Iterator[object]:
    yield from values


def test_poll_looks_until_there_is_an_answer() -> None:
    clock, said, looks = Clock(), list[str](), answers(None, None, 0)
    found = poll(
        lambda: next(looks), waiter=clock.waiter, limit=60, what="the thing", say=said.append
    )
    assert found == 0
    assert len(clock.slept) == 2
    assert said[0] == "waiting for the thing, 0 s"


def test_poll_gives_up_at_its_limit_and_not_before() -> None:
    clock = Clock()
    with pytest.raises(WaitTimeoutError) as caught:
        poll(lambda: None, waiter=clock.waiter, limit=30, what="the thing", hint="Do this.")
    assert caught.value.message == "Waited 30 s for the thing, in vain."
    assert caught.value.hint == "Do this."
    assert sum(clock.slept) == pytest.approx(30)
    assert clock.slept == sorted(clock.slept[:-1]) + clock.slept[-1:]
    assert max(clock.slept) <= LONGEST_PAUSE_S


def test_poll_looks_at_least_once() -> None:
    assert poll(lambda: "there", waiter=Clock().waiter, limit=0, what="x") == "there"


def failing(times: int, error: Exception) -> Iterator[str]:
    for _ in range(times):
        yield "fail"
    while True:
        yield "ok"


def test_retry_passes_over_passing_errors_alone() -> None:
    clock, steps = Clock(), failing(3, PassingError())

    def call() -> str:
        if next(steps) == "fail":
            raise PassingError
        return "done"

    passing = lambda error: isinstance(error, PassingError)  # noqa: E731
    assert retry(call, passing=passing, waiter=clock.waiter, limit=60, what="x") == "done"
    assert len(clock.slept) == 3


def test_retry_raises_others_at_once_and_passing_ones_at_the_limit() -> None:
    def call() -> str:
        raise PassingError("again")

    for passes, seconds in ((False, 0), (True, 10)):
        clock = Clock()
        with pytest.raises(PassingError):
            retry(call, passing=lambda _e, p=passes: p, waiter=clock.waiter, limit=10, what="x")
        assert sum(clock.slept) == pytest.approx(seconds)


def test_an_interrupt_ends_every_wait() -> None:
    waiter = Waiter()
    waiter.cancel()
    with pytest.raises(InterruptedRunError):
        poll(lambda: None, waiter=waiter, limit=3600, what="x")
    with pytest.raises(InterruptedRunError):
        waiter.sleep(3600)
