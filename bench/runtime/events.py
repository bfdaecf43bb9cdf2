"""Cost per event: CPU of the client process, and the time from event to response."""

from __future__ import annotations

import os
import statistics
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench.report import spread, table
from bench.runtime.documents import DOCUMENTS
from bench.runtime.package import Installed
from bench.runtime.server import Server

RUNS = 9
EVENTS = {"64 bytes": 5000, "6 KB": 2000, "1 MB": 40}
CLIENTS = Path(__file__).parent / "clients"

BARE, PIPELINED, AWS, OURS, ORJSON = (
    "bare loop",
    "bare loop, pipelined",
    "awslambdaric",
    "lambdaimg",
    "lambdaimg with orjson",
)


@dataclass
class Figures:
    """Of one client and one size, a value for each run, all in microseconds.

    Attributes:
        cpu: CPU time of the process per event.
        median, p99: of the times from event to response.
    """

    cpu: list[float] = field(default_factory=list)
    median: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)


Measured = dict[tuple[str, str], Figures]


def commands(installed: Installed) -> dict[str, tuple[list[str], dict[str, str]]]:
    """What is run for each client, and its environment."""
    python = [sys.executable]
    path = str(installed.folder)
    plain = clean_environment(path=f"{installed.no_orjson}{os.pathsep}{path}")
    return {
        BARE: ([*python, str(CLIENTS / "bare.py")], plain),
        PIPELINED: ([*python, str(CLIENTS / "bare_pipelined.py")], plain),
        AWS: ([*python, "-m", "awslambdaric", "echo.handler"], plain),
        OURS: ([*python, str(installed.bootstrap), "echo.handler"], plain),
        ORJSON: ([*python, str(installed.bootstrap), "echo.handler"], clean_environment(path=path)),
    }


def clean_environment(path: str) -> dict[str, str]:
    """The least that a client needs."""
    return {"PATH": os.environ["PATH"], "PYTHONPATH": path, "LAMBDA_TASK_ROOT": path.split(":")[-1]}


def measure(installed: Installed, core: int) -> Measured:
    """All clients and sizes, in turn so that none has the machine's better half hour."""
    measured: Measured = {}
    for _ in range(RUNS):
        for size, body in DOCUMENTS.items():
            for client, (command, env) in commands(installed).items():
                figures = measured.setdefault((client, size), Figures())
                one_run(figures, command, env, size, body, core)
    return measured


def one_run(
    figures: Figures,
    command: list[str],
    env: Mapping[str, str],
    size: str,
    body: bytes,
    core: int,
) -> None:
    """A fresh process, warmed up by a tenth of the events."""
    with Server(command, env, core) as server:
        server.serve(body, max(5, EVENTS[size] // 10))
        seen = server.serve(body, EVENTS[size])
    figures.cpu.append(seen.cpu / seen.events * 1e6)
    ordered = sorted(seen.latencies)
    figures.median.append(statistics.median(ordered) * 1e6)
    figures.p99.append(ordered[int(len(ordered) * 0.99)] * 1e6)


def ratio(measured: Measured, client: str, other: str, size: str) -> float:
    """How much of another client's CPU time a client needs, by the medians."""
    return statistics.median(measured[client, size].cpu) / statistics.median(
        measured[other, size].cpu
    )


def tables(measured: Measured) -> str:
    """A table per size."""
    parts = []
    for size in DOCUMENTS:
        rows = []
        for client in (BARE, PIPELINED, AWS, OURS, ORJSON):
            figures = measured[client, size]
            rows.append(
                [
                    client,
                    spread(figures.cpu),
                    f"{ratio(measured, client, AWS, size):.2f}",
                    f"{ratio(measured, client, BARE, size):.2f}",
                    spread(figures.median),
                    spread(figures.p99),
                ]
            )
        head = ["client", "CPU", "of AWS's", "of the bare loop's", "latency", "p99"]
        parts.append(f"Echo of {size} ({len(DOCUMENTS[size]):,} bytes), µs:\n\n{table(head, rows)}")
    return "\n".join(parts)


TARGETS = (
    ("64 bytes, of AWS's CPU", OURS, AWS, "64 bytes", 0.5),
    ("64 bytes, of the bare loop's", OURS, BARE, "64 bytes", 1.4),
    ("6 KB, of AWS's", OURS, AWS, "6 KB", 0.7),
    ("1 MB, of AWS's", OURS, AWS, "1 MB", 0.9),
    ("1 MB with orjson, of AWS's", ORJSON, AWS, "1 MB", 1 / 3),
)


def targets(measured: Measured) -> list[list[str]]:
    """What was aimed at, what was reached, and whether that is enough."""
    rows = []
    for name, client, other, size, most in TARGETS:
        reached = ratio(measured, client, other, size)
        rows.append([name, f"{most:.2f}", f"{reached:.2f}", "yes" if reached <= most else "no"])
    return rows
