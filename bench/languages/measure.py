"""Containers, their CPU, cold starts and rounds of events."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.languages.api import BenchApi, message
from bench.languages.images import Contender

RECORD = {"id": 1234567, "name": "Ärmel & Söhne", "price": 19.99, "tags": ["a", "b"], "ok": True}


@dataclass(frozen=True)
class Task:
    """What a handler has to do.

    Attributes:
        title: as the table has it.
        handler: which of the contender's handlers.
        event: what it gets.
        events: how many per round, and as many as that a tenth before it, which do not count.
        slow_events: the same for bash where the work is all arithmetic.
    """

    title: str
    handler: int
    event: Any
    events: int
    slow_events: int = 0

    def count(self, contender: Contender) -> int:
        """Events per round for a contender."""
        slow = self.slow_events and contender.language == "bash"
        return self.slow_events if slow else self.events

    @property
    def message(self) -> bytes:
        """The event as the runtime gets it."""
        return message(json.dumps(self.event, ensure_ascii=False).encode())


TASKS = (
    Task("hello", 0, {"name": "Lambda"}, 500),
    Task("echo, 6 KB", 1, {"records": [RECORD] * 58}, 500),
    Task("pi, 10 digits", 2, {"number": 10}, 500),
    Task("pi, 1,000 digits", 2, {"number": 1000}, 20, 3),
)
PI_10, PI_1000_END = "3.1415926535", "2164201989"


@dataclass
class Figures:
    """What was measured of one contender at one task, a value per round.

    Attributes:
        median_ms, p99_ms: from event to answer.
        cpu_ms: of the container, per event.
    """

    median_ms: list[float] = field(default_factory=list)
    p99_ms: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)


@dataclass
class Starts:
    """Cold starts: from the engine's start call to `next`, and the container's CPU until then."""

    wall_ms: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)


@contextmanager
def running(
    engine: Any, contender: Contender, handler: str, api: BenchApi, core: int
) -> Iterator[tuple[Any, float]]:
    """A container that waits for its first event, and the seconds that its start took."""
    api.reset()
    container = engine.containers.create(
        contender.image,
        command=[handler],
        entrypoint=list(contender.entrypoint) or None,
        environment={
            "AWS_LAMBDA_RUNTIME_API": api.address,
            "_HANDLER": handler,
            "LAMBDA_TASK_ROOT": "/var/task",
            "AWS_LAMBDA_FUNCTION_NAME": "bench",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
            **dict(contender.variables),
        },
        network_mode="host",
        cpuset_cpus=str(core),
        read_only=True,
        tmpfs={"/tmp": "mode=1777"},
        user="993:990",
        log_config={"type": "none"},
    )
    try:
        began = time.perf_counter()
        container.start()
        took = api.ready() - began
        container.reload()
        yield container, took
    finally:
        container.remove(force=True)


def cpu_seconds(container: Any) -> float:
    """CPU that all processes of a container have used."""
    pid = container.attrs["State"]["Pid"]
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if "cpuacct" in controllers.split(","):
            usage = Path(f"/sys/fs/cgroup/cpuacct{path}/cpuacct.usage")
            return int(usage.read_text()) / 1e9
    unified = Path(f"/sys/fs/cgroup{path}/cpu.stat").read_text()
    return int(unified.split("usage_usec ")[1].split()[0]) / 1e6


def start_once(engine: Any, contender: Contender, api: BenchApi, core: int, starts: Starts) -> None:
    """One cold start."""
    with running(engine, contender, contender.names[0], api, core) as (container, took):
        starts.wall_ms.append(took * 1000)
        starts.cpu_ms.append(cpu_seconds(container) * 1000)


def one_round(
    engine: Any, contender: Contender, task: Task, api: BenchApi, core: int, figures: Figures
) -> None:
    """One round of a task: a fresh container, events to warm it up, then those that count."""
    count = task.count(contender)
    with running(engine, contender, contender.names[task.handler], api, core) as (container, _):
        for _ in range(max(1, count // 10)):
            api.event(task.message)
        check(task, api.answer)
        before = cpu_seconds(container)
        taken = sorted(api.event(task.message) for _ in range(count))
        figures.cpu_ms.append((cpu_seconds(container) - before) / count * 1000)
    figures.median_ms.append(statistics.median(taken) * 1000)
    figures.p99_ms.append(taken[min(count - 1, count * 99 // 100)] * 1000)


def check(task: Task, answer: bytes) -> None:
    """See that the work was done. Raises: AssertionError."""
    told = json.loads(answer)
    if task.handler == 0:
        assert told == {"message": "Hello, Lambda!"}, answer
    elif task.handler == 1:
        assert told == task.event, answer[:200]
    elif task.event["number"] == 10:
        assert told == {"message": PI_10}, answer
    else:
        assert told["message"].endswith(PI_1000_END), answer
