"""The emulator where the system lacks what it uses on Linux: epoll, pidfds, /proc."""

from __future__ import annotations

import json
import os
import select
from collections.abc import Callable
from pathlib import Path

import pytest

from lambdaimg.emulator.function_pool import FunctionPool
from lambdaimg.emulator.owner import is_abandoned, owner_mark

from .conftest import steps


def test_events_crashes_and_timeouts_without_epoll_and_pidfds(
    serve: Callable[..., FunctionPool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(select, "epoll")
    monkeypatch.delattr(os, "pidfd_open")
    monkeypatch.delattr(os, "waitid")
    pool = serve(timeout=0.5)
    for _ in range(3):
        assert pool.invoke(b"1").payload == b"1"
    big = b'"' + b"x" * 1_000_000 + b'"'
    assert pool.invoke(big).payload == big
    assert pool.invoke(steps(["exit", 3])).error_type == "Runtime.ExitError"
    assert pool.invoke(steps(["sleep", 60])).error_type == "Sandbox.Timedout"
    pid = json.loads(pool.invoke(steps(["facts"])).payload)["pid"]
    pool.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_sandbox_that_forbids_pidfds_is_no_obstacle(
    serve: Callable[..., FunctionPool], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_pid: int) -> int:
        raise PermissionError(1, "Operation not permitted")

    there: list[bool] = []
    kill = os.killpg

    def end(group: int, number: int) -> None:
        there.append(Path(f"/proc/{group}").exists())
        kill(group, number)

    monkeypatch.setattr(os, "pidfd_open", refuse)
    monkeypatch.setattr(os, "killpg", end)
    pool = serve()
    assert pool.invoke(steps(["exit", 3])).error_type == "Runtime.ExitError"
    assert pool.invoke(b"1").payload == b"1"
    pool.close()
    assert there, "groups are ended"
    assert all(there), "and only while nobody else can have their number"


@pytest.mark.parametrize("mark", ["", "other-host/1-2", "nonsense", f"{os.uname().nodename}/x-1"])
def test_marks_of_others_are_left_alone(mark: str) -> None:
    assert not is_abandoned(mark)


def test_a_number_that_was_given_out_again_is_told_apart() -> None:
    host, _, process = owner_mark().partition("/")
    pid, _, started = process.partition("-")
    assert is_abandoned(f"{host}/{pid}-{int(started) + 1}")
    assert is_abandoned(f"{host}/4194305-1")
    assert not is_abandoned(f"{host}/{pid}-{started}")
