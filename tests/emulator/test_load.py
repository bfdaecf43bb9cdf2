"""Many events in many environments, some of which crash, hang or starve: each is answered once."""

from __future__ import annotations

import gc
import json
import os
import random
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from lambdaimg.emulator.function_pool import FunctionPool
from lambdaimg.emulator.protocol import Invocation, Outcome

from .conftest import SCRIPTED, Log, steps

ENVIRONMENTS = 50
EVENTS = 5000
# Of a hundred events, in this order; the rest is answered.
SHARES = {"exit 1": 1, "exit 0": 1, "hang": 1, "error": 3}

WANTED = {
    "exit 1": ("Runtime.ExitError", b"exit status 1"),
    "exit 0": ("Runtime.ExitError", b"without providing a reason"),
    "hang": ("Sandbox.Timedout", b"Task timed out after 6.00 seconds"),
    "memory": ("Runtime.OutOfMemory", b"signal: killed"),
    "exit": ("Runtime.ExitError", b"exit status 3"),
    "sleep": ("Sandbox.Timedout", b"Task timed out after"),
}


def kinds() -> list[str]:
    found = [kind for kind, share in SHARES.items() for _ in range(share * EVENTS // 100)]
    found += ["answer"] * (EVENTS - len(found))
    random.Random(5).shuffle(found)
    return found


def scripted_event(kind: str, number: int) -> bytes:
    by_kind: dict[str, list[Any]] = {
        "answer": ["respond", str(number)],
        "error": ["error", "Function.Own", str(number)],
        "exit 1": ["exit", 1],
        "exit 0": ["exit", 0],
        "hang": ["sleep", 60],
    }
    return steps(["out", f"{number}\n"], by_kind[kind])


def is_right(kind: str, number: int, outcome: Outcome) -> bool:
    if kind == "answer":
        return (outcome.payload, outcome.function_error) == (str(number).encode(), "")
    if kind == "error":
        return (outcome.payload, outcome.error_type) == (str(number).encode(), "Function.Own")
    error_type, words = WANTED[kind]
    return outcome.error_type == error_type and words in outcome.payload


def scripted_processes() -> list[str]:
    """The processes of the scripted runtime that this one has started and that still run."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
            command = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if int(parent) == os.getpid() and SCRIPTED.name.encode() in command:
            found.append(folder.name)
    return found


def open_descriptors() -> set[str]:
    gc.collect()
    found = set()
    for path in Path("/proc/self/fd").iterdir():
        try:
            found.add(f"{path.name} {path.readlink()}")
        except OSError:
            continue
    return found


def test_five_thousand_events_in_fifty_environments(
    serve: Callable[..., FunctionPool], log: Log
) -> None:
    before = open_descriptors()
    pool = serve(timeout=6, max_environments=ENVIRONMENTS, init_limit=60)
    answers: Counter[str] = Counter()
    wrong: list[tuple[str, int, bytes]] = []
    most = 0

    def invoke(number: int, kind: str) -> None:
        nonlocal most
        outcome = pool.invoke(scripted_event(kind, number), request_id=f"r-{number}")
        most = max(most, pool.size)
        answers[f"r-{number}"] += 1
        if not is_right(kind, number, outcome):
            wrong.append((kind, number, outcome.payload))

    with ThreadPoolExecutor(ENVIRONMENTS) as threads:
        list(threads.map(invoke, range(EVENTS), kinds()))
    pool.close()
    assert wrong == []
    assert set(answers.values()) == {1}
    assert len(answers) == EVENTS
    assert most == ENVIRONMENTS
    ends = Counter(line for line in log.text.splitlines() if line.startswith("END RequestId: r-"))
    assert set(ends.values()) == {1}
    assert len(ends) == EVENTS
    assert scripted_processes() == []
    assert open_descriptors() <= before


def test_an_outcome_comes_once_however_the_pool_ends(serve: Callable[..., FunctionPool]) -> None:
    pool = serve(timeout=30, max_environments=8)
    told: Counter[str] = Counter()
    invocations = []
    for number in range(200):
        event = scripted_event("hang" if number % 3 == 0 else "answer", number)
        invocation = Invocation(event, request_id=f"r-{number}")
        invocation.on_outcome = lambda _, name=f"r-{number}": told.update([name])  # type: ignore[misc]
        invocations.append(invocation)
    for invocation in invocations:
        pool.submit(invocation)
    pool.close()
    assert told == Counter({f"r-{number}": 1 for number in range(200)})


def test_containers_that_crash_hang_and_starve(
    run: Callable[..., FunctionPool],
) -> None:
    pool = run(timeout=3, max_environments=4)
    script = ["answer"] * 36 + ["exit"] * 2 + ["memory"] * 2 + ["sleep"]
    random.Random(6).shuffle(script)

    def invoke(number: int, kind: str) -> bool:
        body = str(number).encode() if kind == "answer" else json.dumps({"do": kind}).encode()
        return is_right(kind, number, pool.invoke(body))

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(invoke, range(len(script)), script))
