"""Every fault ends either done or in one sentence, and a second run without it ends done.

The table of cases and outcomes is docs/faults.md. It is written by

    WRITE_DOCS=1 python -m pytest tests/faults/test_faults.py

and each case holds its line to what happened.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.cases import CASES, POLICIES, STARTS, Case
from tests.faults.kit import Ended, Kit, Project

PAGE = Path(__file__).resolve().parents[2] / "docs" / "faults.md"
WRITING = bool(os.environ.get("WRITE_DOCS"))
# Waits pass fifty times as fast.
SPEED = 50
RESOURCES = ("repository", "role", "function", "queue", "mappings", "names")
HEAD = """# Faults

What becomes of a run in which something breaks. Each line was tried: the call named is spoilt on
its way between the command and the embedded AWS (or the Docker engine, or the registry), the
command runs, then it runs again with nothing spoilt. The second run ends done in every case, with
the same resources as an undisturbed run.

This page is made by the test that tries them:
`WRITE_DOCS=1 python -m pytest tests/faults/test_faults.py`.

| command | where | call | fault | the first run |
| --- | --- | --- | --- | --- |
"""


@pytest.fixture(scope="module")
def settled(
    zygote: Any, quick_aws: Any, aws_proxy: Any, docker_proxy: Any, engine: Any, run_id: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Project, dict[str, Any]]]:  # fmt: skip
    """A project in which everything is done, and its state."""
    folder = tmp_path_factory.mktemp("faults")
    kit = Kit(zygote, quick_aws, aws_proxy, docker_proxy, engine, folder, run_id)
    project = kit.project(
        policies=POLICIES, environment='{AA = "1"}', memory=256, batch_size=7,
        visibility_timeout=60, function_wait=20, role_wait=20, trigger_wait=20, queue_wait=20,
        image_wait=20, partial_batch_responses="true",
    )  # fmt: skip
    settle(project)
    yield project, project.state()
    kit.close()


def settle(project: Project) -> None:
    """Brings everything about that the commands can."""
    for command in ("lambda-sqs-trigger", "update-function", "update-policies"):
        project.run(command, "--verify").ok()
    project.whole = True


@pytest.fixture(scope="module")
def page() -> Iterator[dict[str, str]]:
    """The lines of the page by case; written at the end where that is asked for."""
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    found = {} if WRITING else dict(zip((case.name for case in CASES), lines, strict=True))
    yield found
    if WRITING and len(found) == len(CASES):
        PAGE.write_text(HEAD + "\n".join(found[case.name] for case in CASES) + "\n")


def line_of(case: Case, ended: Ended, project: Project) -> str:
    """The case as the page shows it."""
    outcome = "done"
    if ended.status:
        said = ended.errors[0].removeprefix("error: ").replace(project.name, "NAME")
        said = re.sub(r"(localhost|127\.0\.0\.1):\d+", "HOST", said)
        said = re.sub(r"\b[0-9a-f]{12,64}\b", "...", said)
        outcome = f"exit {ended.status}: {said}"
    call = case.call.removeprefix("docker.").removeprefix("registry.")
    where = f"{case.start}"
    cells = (f"`{STARTS[case.start].command}`", where, f"`{call}`", case.what, outcome)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


ATTEMPTS = 3
"""The embedded AWS may be done before the first look that waits for it: no call, no fault."""


def run_twice(project: Project, case: Case) -> tuple[int, Ended, Ended]:
    """The command with the fault and again without: how often it struck, and how they ended."""
    start = STARTS[case.start]
    if not project.whole:
        settle(project)
    project.whole = False
    start.prepare(project)
    proxy = project.kit.proxies[case.call.partition(".")[0]]
    rule = proxy.inject(case.call, case.fault, times=case.times, skip=case.skip)
    first = project.run(start.command, speed=SPEED)
    proxy.heal()
    second = project.run(start.command, speed=SPEED)
    for command in start.then:
        project.run(command).ok()
    return rule.struck, first, second


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_fault_ends_done_or_in_one_sentence(
    case: Case,
    settled: tuple[Project, dict[str, Any]],
    page: dict[str, str],
    record_property: Any,
) -> None:
    project, wanted = settled
    for _ in range(ATTEMPTS):
        struck, first, second = run_twice(project, case)
        if struck:
            break
    assert struck, "the fault struck no call"
    assert "Traceback" not in first.out + first.err
    assert first.status == (0 if case.done else case.status), first.err
    assert len(first.errors) == (0 if case.done else 1), first.err
    assert second.status == 0, second.err
    state = project.state()
    assert {key: state[key] for key in RESOURCES if state[key] != wanted[key]} == {}
    project.whole = True
    record_property("figure: fault cases", 1)
    line = line_of(case, first, project)
    if WRITING:
        page[case.name] = line
    assert page[case.name] == line, "docs/faults.md is stale: run with WRITE_DOCS=1"
