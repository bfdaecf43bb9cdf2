"""`python -m bench.languages [--rounds N] [--starts N]`: the table and the picture."""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench import report
from bench.languages.api import BenchApi
from bench.languages.images import CONTENDERS, Contender, build, run
from bench.languages.measure import TASKS, Figures, Starts, Task, one_round, start_once
from bench.languages.picture import Panel, draw

ROUNDS, STARTS = 5, 15
TITLE = "Languages and AWS's own Python client"
PICTURE = "languages.svg"

Sizes = dict[str, int]
AllFigures = dict[tuple[str, str], Figures]
AllStarts = dict[str, Starts]


def main() -> int:
    """Measure everything and write it down."""
    import docker

    parser = argparse.ArgumentParser(prog="python -m bench.languages")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--starts", type=int, default=STARTS)
    asked = parser.parse_args()
    engine = docker.from_env()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["LAMBDAIMG_LOCAL_HOME"] = f"{folder}/aws"
        try:
            sizes = {c.title: build(c, Path(folder), engine) for c in CONTENDERS}
        finally:
            run("local", "down")
        try:
            figures, starts = measured(engine, asked.rounds, asked.starts)
        finally:
            for contender in CONTENDERS:
                engine.images.remove(contender.image, force=True)
    write(sizes, figures, starts, asked.rounds, asked.starts)
    return 0


def measured(engine: Any, rounds: int, starts: int) -> tuple[AllFigures, AllStarts]:
    """Everything, the contenders taking turns so that a busy moment strikes no one alone."""
    core = max(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {core})
    api = BenchApi()
    all_starts = {contender.title: Starts() for contender in CONTENDERS}
    all_figures = {(c.title, t.title): Figures() for c in CONTENDERS for t in TASKS}
    try:
        for turn in range(starts):
            say(f"cold starts {turn + 1}/{starts}")
            for contender in CONTENDERS:
                start_once(engine, contender, api, core, all_starts[contender.title])
        for turn in range(rounds):
            for task in TASKS:
                say(f"round {turn + 1}/{rounds}, {task.title}")
                for contender in CONTENDERS:
                    found = all_figures[contender.title, task.title]
                    one_round(engine, contender, task, api, core, found)
    finally:
        api.close()
    return all_figures, all_starts


def say(text: str) -> None:
    """Tell whoever waits."""
    print(text, file=sys.stderr, flush=True)


def write(sizes: Sizes, figures: AllFigures, starts: AllStarts, rounds: int, count: int) -> None:
    """The tables and the picture."""
    theirs = CONTENDERS[-1].title
    images = report.table(
        ["runtime", "image, MB", "cold start, ms", "CPU of it, ms"],
        [
            [
                c.title,
                f"{sizes[c.title] / 1e6:,.1f}",
                report.spread(starts[c.title].wall_ms),
                report.spread(starts[c.title].cpu_ms),
            ]
            for c in CONTENDERS
        ],
    )
    parts = [f"![{TITLE}](results/{PICTURE})", images]
    for task in TASKS:
        parts.append(f"**{task.title}**\n\n{task_table(task, figures)}")
    said = (
        f"{count} cold starts and {rounds} rounds of each task, the contenders in turns, every "
        "round in a fresh container; medians of the rounds' figures, with the lowest and highest. "
        "Runtime and API share one core and the host's network. An image is the scaffold of "
        "`lambdaimg init` with its debian-slim base (C++: none), unpacked. A cold start is from "
        "the engine's start call to the first `next`, so most of it is the engine's. Latency is "
        "from the event's sending to the answer's arrival. All handlers decode and encode JSON, "
        "but bash's, where hello calls jq and echo is cat. Pi is the same algorithm everywhere, "
        "over 64-bit whole numbers."
    )
    body = "\n\n".join(part.strip() for part in parts)
    report.write("languages", TITLE, body, how=said)
    (report.RESULTS / PICTURE).write_text(draw(panels(sizes, figures, starts), TITLE, theirs))


def task_table(task: Task, figures: AllFigures) -> str:
    """The figures of one task."""

    def row(contender: Contender) -> list[str]:
        found = figures[contender.title, task.title]
        return [
            contender.title,
            report.spread(found.median_ms, 3),
            report.spread(found.p99_ms, 3),
            report.spread(found.cpu_ms, 3),
        ]

    head = ["runtime", "median, ms", "p99, ms", "CPU per event, ms"]
    return report.table(head, [row(contender) for contender in CONTENDERS])


def panels(sizes: Sizes, figures: AllFigures, starts: AllStarts) -> list[Panel]:
    """What the picture shows."""
    titles = [contender.title for contender in CONTENDERS]
    found = [
        Panel("image, MB", [(title, sizes[title] / 1e6) for title in titles]),
        Panel(
            "CPU of a cold start, ms",
            [(title, statistics.median(starts[title].cpu_ms)) for title in titles],
        ),
    ]
    for task in TASKS:
        values = [(t, statistics.median(figures[t, task.title].median_ms)) for t in titles]
        found.append(Panel(f"{task.title}: latency, ms", values, logarithmic=True))
    return found


if __name__ == "__main__":
    sys.exit(main())
