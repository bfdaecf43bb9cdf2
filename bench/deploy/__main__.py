"""`python -m bench.deploy`: the time from a saved file to the new code live."""

from __future__ import annotations

import os
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench import report
from bench._clock import Case, timed
from bench._project import Bench, bench, say
from bench._tools import beside_python, version_of
from bench.deploy.contenders import (
    FLOOR,
    MAKEFILE,
    OURS,
    Contender,
    Step,
    contenders,
    place,
    steps,
)
from bench.deploy.wire import Relay

ROUNDS = 7
TITLE = "From a saved file to the new code live"
TOOLS = ("aws", "docker", "lambdaimg", "python", "make")


@dataclass(frozen=True)
class Count:
    """What a contender did for a case, besides taking time."""

    calls: int
    processes: int
    pushed: int


def environment(made: Bench, endpoint: str = "") -> dict[str, str]:
    """The environment of every contender: AWS's own variables, the AWS CLI at hand."""
    env = made.env | made.aws | {"DOCKER_CONFIG": str(made.folder / "docker")}
    env["PATH"] = f"{beside_python('aws').parent}{os.pathsep}{env['PATH']}"
    return env | ({"AWS_ENDPOINT_URL": endpoint} if endpoint else {})


def measure(made: Bench, rounds: int) -> dict[tuple[str, str], Case]:
    """Every contender through every case, in turn, in a new place each round."""
    env = environment(made)
    found: dict[tuple[str, str], Case] = {}
    for number in range(rounds + 1):
        say(f"round {number} of {rounds}" if number else "one round to warm up")
        for contender in turned(contenders(), number):
            where = place(made.folder)
            made.names.append(where.name)
            for step in steps():
                step.prepare(where)
                command = contender.command(step.step, where)
                cost = timed(command, where.folder, env)
                key = (step.case, contender.name)
                case = found.setdefault(key, Case(contender.name, command, where.folder, env))
                case.costs += [cost] if number else []
    return found


def turned(all_of_them: list[Contender], by: int) -> list[Contender]:
    """The same in another order, so that nobody is always first."""
    by %= len(all_of_them)
    return all_of_them[by:] + all_of_them[:by]


def count(made: Bench) -> dict[tuple[str, str], Count]:
    """Calls, processes and bytes of every contender in every case; takes no times."""
    say("counting calls, processes and bytes")
    log, shims = made.folder / "processes", made.folder / "shims"
    found = {}
    with Relay(made.aws["AWS_ENDPOINT_URL"]) as relay:
        env = environment(made, relay.url)
        env["PATH"] = f"{shimmed(shims, log, env['PATH'])}{os.pathsep}{env['PATH']}"
        for contender in contenders():
            where = place(made.folder)
            made.names.append(where.name)
            for step in steps():
                step.prepare(where)
                log.write_text("")
                before = (relay.counts.calls, relay.counts.pushed)
                timed(contender.command(step.step, where), where.folder, env)
                found[step.case, contender.name] = Count(
                    relay.counts.calls - before[0],
                    1 + len(log.read_text().splitlines()),
                    relay.counts.pushed - before[1],
                )
    return found


def shimmed(folder: Path, log: Path, path: str) -> Path:
    """A folder of commands that write themselves down and then become the real ones."""
    folder.mkdir(exist_ok=True)
    for name in TOOLS:
        real = next(
            (Path(p) / name for p in path.split(os.pathsep) if (Path(p) / name).exists()), None
        )
        if real:
            shim = folder / name
            shim.write_text(f'#!/bin/sh\necho {name} >> "{log}"\nexec "{real}" "$@"\n')
            shim.chmod(0o755)
    return folder


def main() -> None:
    """Measures, and writes the result."""
    with bench() as made:
        costs, counts = measure(made, ROUNDS), count(made)
    path = report.write("deploy", TITLE, body(costs, counts, steps()), how=how())
    print(path.read_text())


def how() -> str:
    """What was run."""
    return (
        f"{ROUNDS} rounds in new places each, contenders in turn; ms. Calls, processes (of the "
        "tools, without the shell's own) and bytes are of a further round through a relay. "
        f"{version_of(beside_python('aws'))}."
    )


def body(
    costs: Mapping[tuple[str, str], Case],
    counts: Mapping[tuple[str, str], Count],
    cases: Iterable[Step],
) -> str:
    """The table of every case, and what was reached."""
    rows = []
    names = list(dict.fromkeys(name for _, name in costs))
    for step in cases:
        base = costs[step.case, FLOOR].median
        for name in names:
            case, counted = costs[step.case, name], counts[step.case, name]
            rows.append(
                [
                    f"{step.case}: {name}",
                    report.spread(case.wall, 0),
                    f"{statistics.median(case.cpu):.0f}",
                    f"{case.median / base:.2f}",
                    str(counted.calls),
                    str(counted.processes),
                    f"{counted.pushed:,}",
                ]
            )
    head = ["case", "wall", "CPU", "× floor", "AWS calls", "processes", "bytes pushed"]
    return report.table(head, rows) + "\n" + reached(costs, counts, cases)


def reached(
    costs: Mapping[tuple[str, str], Case],
    counts: Mapping[tuple[str, str], Count],
    cases: Iterable[Step],
) -> str:
    """The kit against both others, case by case."""
    rows = []
    for step in cases:
        ours = costs[step.case, OURS].median
        rows.append(
            [
                step.case,
                f"{ours / costs[step.case, FLOOR].median:.2f}",
                f"{ours / costs[step.case, MAKEFILE].median:.3f}",
                f"{counts[step.case, OURS].calls - counts[step.case, FLOOR].calls:+d}",
            ]
        )
    head = ["lambdaimg against", "SDK floor", "Makefile", "calls more than the floor"]
    return report.table(head, rows)


if __name__ == "__main__":
    main()
