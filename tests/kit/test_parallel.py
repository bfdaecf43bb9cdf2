"""Calls at the same time: in order, all of them, and none that outlives the process."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial

import pytest

from lambdaimg.parallel import AT_ONCE, at_once


def test_results_come_in_the_order_of_the_calls() -> None:
    numbers = range(3 * AT_ONCE)
    assert at_once(partial(pow, number, 2) for number in numbers) == [n * n for n in numbers]
    assert at_once([lambda: 1]) == [1]
    assert at_once([]) == []


def test_the_first_failure_is_raised_once_all_have_ended() -> None:
    ended: list[int] = []

    def call(number: int) -> None:
        ended.append(number)
        if number in (3, 5):
            raise LookupError(number)

    with pytest.raises(LookupError, match="3"):
        at_once(partial(call, number) for number in range(20))
    assert sorted(ended) == list(range(20))


@pytest.mark.parametrize("count", [2, 50])
def test_the_end_of_the_process_waits_for_none_of_them(count: int) -> None:
    calls: list[Callable[[], bool]] = [lambda: threading.current_thread().daemon] * count
    assert all(at_once(calls))
