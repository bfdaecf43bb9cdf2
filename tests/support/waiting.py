"""Waits of tests: with a limit each, for a wait without one hides what went wrong in a hang."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import pytest

T = TypeVar("T")
LIMIT_S = 60.0


def until(
    look: Callable[[], T], what: str, *, pause_s: float = 0.01, limit_s: float = LIMIT_S
) -> T:
    """The first true answer of `look`; fails the test where none came within the limit.

    Args:
        look: asked again and again; what it raises, the test raises.
        what: what is waited for, in words for the failure.
        pause_s: between two looks, in seconds.
        limit_s: far more than it can take, in seconds.
    """
    deadline = time.monotonic() + limit_s
    while not (found := look()):
        if time.monotonic() > deadline:
            pytest.fail(f"{what}: not within {limit_s:.0f} s")
        time.sleep(pause_s)
    return found
