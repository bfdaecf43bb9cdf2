"""Several calls at the same time, none of which outlives the process.

The standard library's pools wait for their threads at the end of the process: after Ctrl-C, a call
that AWS or a registry does not answer would hold it for minutes.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable
from typing import TypeVar

AT_ONCE = 8
T = TypeVar("T")


def at_once(calls: Iterable[Callable[[], T]]) -> list[T]:
    """What the calls give, in their order.

    Raises:
        BaseException: that of the first call that failed, once all have ended.
    """
    waiting: queue.SimpleQueue[tuple[int, Callable[[], T]]] = queue.SimpleQueue()
    for numbered in enumerate(calls):
        waiting.put(numbered)
    found: dict[int, T] = {}
    failures: dict[int, BaseException] = {}

    def work() -> None:
        while True:
            try:
                number, call = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                found[number] = call()
            except BaseException as error:  # handed to whoever waits
                failures[number] = error

    if waiting.qsize() < 2:
        work()
    else:
        threads = [
            threading.Thread(target=work, daemon=True) for _ in range(min(AT_ONCE, waiting.qsize()))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    if failures:
        raise failures[min(failures)]
    return [found[number] for number in sorted(found)]
