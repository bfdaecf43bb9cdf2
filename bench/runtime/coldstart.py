"""Cold start: from the start of a process to its first `next`."""

from __future__ import annotations

import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence

from bench.report import spread, table
from bench.runtime.events import AWS, BARE, OURS, commands
from bench.runtime.package import Installed
from bench.runtime.server import cpu_seconds

RUNS = 31
INTERPRETER = "bare interpreter"

Times = dict[str, tuple[list[float], list[float]]]
"""Wall and CPU times in ms by client."""


def measure(installed: Installed, core: int) -> Times:
    """All clients in turn, bound to one core."""
    affinity = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    times: Times = {}
    try:
        for _ in range(RUNS):
            wall, cpu = whole_run([sys.executable, "-c", "pass"])
            add(times, INTERPRETER, wall, cpu)
            for client in (BARE, AWS, OURS):
                command, env = commands(installed)[client]
                wall, cpu = until_next(command, env)
                add(times, client, wall, cpu)
    finally:
        os.sched_setaffinity(0, affinity)
    return times


def add(times: Times, client: str, wall: float, cpu: float) -> None:
    """Note a run."""
    walls, cpus = times.setdefault(client, ([], []))
    walls.append(wall * 1e3)
    cpus.append(cpu * 1e3)


def whole_run(command: Sequence[str]) -> tuple[float, float]:
    """Wall and CPU seconds from start to end."""
    began = time.perf_counter()
    process = subprocess.Popen(command, env={"PATH": os.environ["PATH"]})
    _, _, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - began
    process.returncode = 0
    return wall, usage.ru_utime + usage.ru_stime


def until_next(command: Sequence[str], env: Mapping[str, str]) -> tuple[float, float]:
    """Wall and CPU seconds from start to the first request."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        began = time.perf_counter()
        process = subprocess.Popen(
            command,
            env={**env, "AWS_LAMBDA_RUNTIME_API": address},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            peer, _ = listener.accept()
            with peer:
                request = peer.recv(65536)
                wall = time.perf_counter() - began
                cpu = cpu_seconds(process.pid)
        finally:
            process.kill()
            process.wait()
    if b"/invocation/next " not in request:
        raise RuntimeError(f"no next but {request[:200]!r}")
    return wall, cpu


def ratio(times: Times, client: str, other: str) -> float:
    """By the medians of the wall times."""
    return statistics.median(times[client][0]) / statistics.median(times[other][0])


def tables(times: Times) -> str:
    """One table."""
    rows = [
        [client, spread(walls), spread(cpus), f"{ratio(times, client, INTERPRETER):.2f}"]
        for client, (walls, cpus) in times.items()
    ]
    head = ["client", "wall", "CPU", "of the interpreter's"]
    return f"Start of the process to its first `next`, ms:\n\n{table(head, rows)}"


def targets(times: Times) -> list[list[str]]:
    """What was aimed at, what was reached, and whether that is enough."""
    rows = []
    for other, most in ((INTERPRETER, 1.6), (AWS, 0.6)):
        reached = ratio(times, OURS, other)
        name = f"cold start, of {'the ' + other if other == INTERPRETER else other}'s"
        rows.append([name, f"{most:.2f}", f"{reached:.2f}", "yes" if reached <= most else "no"])
    return rows
