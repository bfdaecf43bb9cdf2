"""Times of whole processes: wall and CPU, and how many there were."""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

OUTPUT_KEPT = 4000


@dataclass(frozen=True)
class Cost:
    """What one run of a command took, children that it waited for included.

    Attributes:
        wall: seconds.
        cpu: seconds, user and system.
    """

    wall: float
    cpu: float


@dataclass
class Case:
    """A command that is measured.

    Args:
        name: the row of the table.
        command: words of the command.
        folder: where it runs.
        env: its whole environment.
    """

    name: str
    command: Sequence[str | Path]
    folder: Path
    env: Mapping[str, str]
    costs: list[Cost] = field(default_factory=list)

    @property
    def wall(self) -> list[float]:
        """Wall times in milliseconds."""
        return [cost.wall * 1e3 for cost in self.costs]

    @property
    def cpu(self) -> list[float]:
        """CPU times in milliseconds."""
        return [cost.cpu * 1e3 for cost in self.costs]

    @property
    def median(self) -> float:
        """The median wall time in milliseconds."""
        return statistics.median(self.wall)


def timed(command: Sequence[str | Path], folder: Path, env: Mapping[str, str]) -> Cost:
    """Runs a command to its end.

    Raises:
        RuntimeError: it failed; says with what output.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    done = subprocess.run(
        list(map(str, command)),
        cwd=folder,
        env=dict(env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    wall = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        said = done.stdout.decode("utf-8", "replace")[-OUTPUT_KEPT:]
        raise RuntimeError(f"{' '.join(map(str, command))}: status {done.returncode}\n{said}")
    return Cost(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def in_turn(cases: Sequence[Case], rounds: int) -> None:
    """Measures every case once a round, so that what else the machine does strikes all alike.

    Each runs once before, unmeasured, to have its files in memory and its bytecode written.
    """
    for case in cases:
        timed(case.command, case.folder, case.env)
    for _ in range(rounds):
        for case in cases:
            case.costs.append(timed(case.command, case.folder, case.env))


def clean_environment(outer: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The environment without settings of AWS's, Python's and the kit's own."""
    own, needed = ("AWS_", "LAMBDAIMG_", "PYTHON"), ("LAMBDAIMG_BUILD_CA_BUNDLE", "PYTHONPATH")
    return {
        name: value for name, value in outer.items() if name in needed or not name.startswith(own)
    }
