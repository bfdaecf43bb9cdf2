"""`python -m bench.startup`: the time that a user waits where there is nothing to do."""

from __future__ import annotations

import statistics
import sys
from pathlib import Path

from bench import report
from bench._clock import Case, in_turn
from bench._project import KIT, Project, bench, say
from bench._tools import beside_python, installed, version_of

ROUNDS = 21
SAM = "aws-sam-cli"
ONE_LOOK = """\
import boto3, sys
boto3.client("lambda").get_function(FunctionName=sys.argv[1])
"""
TITLE = "Starting up, and nothing to do"

PYTHON, TYPER, TRUST, LOOK, SDK, HELP, STATUS = (
    "`python -c pass`",
    '`python -c "import typer"`',
    "`lambdaimg lambda-function --trust`, nothing to do",
    "`lambdaimg lambda-function`, nothing to do: one look",
    "one process, boto3: a client and that one look",
    "`lambdaimg --help`",
    "`lambdaimg status`",
)


def cases(project: Project, sam: Path) -> list[Case]:
    """What is measured, in the order of the table."""
    bench, folder = project.bench, project.folder
    python = sys.executable
    aws = bench.env | bench.aws
    plain: list[tuple[str, list[str | Path]]] = [
        (PYTHON, [python, "-c", "pass"]),
        (TYPER, [python, "-c", "import typer"]),
        (TRUST, [KIT, "--local", "lambda-function", "--trust"]),
        (LOOK, [KIT, "--local", "lambda-function"]),
        (HELP, [KIT, "--help"]),
        (STATUS, [KIT, "--local", "status"]),
        ("`aws --version`", [beside_python("aws"), "--version"]),
        ("`sam --version`", [sam, "--version"]),
    ]
    found = [Case(name, command, folder, bench.env) for name, command in plain]
    one_look = Case(SDK, [python, "-c", ONE_LOOK, project.name], folder, aws)
    return [*found[:4], one_look, *found[4:]]


def main() -> None:
    """Measures, and writes the result."""
    say("installing what is compared with")
    sam = installed("sam", SAM, "sam")
    with bench() as made:
        project = made.project()
        say("deploying a project")
        project.kit("lambda-function")
        measured = cases(project, sam)
        say(f"{ROUNDS} rounds of {len(measured)} commands")
        in_turn(measured, ROUNDS)
    path = report.write("startup", TITLE, body(measured), how=how(sam))
    print(path.read_text())


def how(sam: Path) -> str:
    """What was run, and the versions of what it was compared with."""
    versions = "; ".join(version_of(path) for path in (beside_python("aws"), sam))
    return f"{ROUNDS} rounds, each command once a round; wall and CPU time in ms. {versions}."


def body(measured: list[Case]) -> str:
    """The table, and the targets with what was reached."""
    by_name = {case.name: case for case in measured}
    bare, typer = by_name[PYTHON].median, by_name[TYPER].median
    rows = [
        [
            case.name,
            report.spread(case.wall),
            report.spread([statistics.median(case.cpu)]).partition(" ")[0],
            f"{case.median / bare:.1f}",
            f"{case.median / typer:.2f}",
        ]
        for case in measured
    ]
    head = ["command", "wall", "CPU", "× bare Python", "× import typer"]
    trust, look = by_name[TRUST].median, by_name[LOOK].median / by_name[SDK].median
    targets = [
        ["nothing to do, `--trust`: at most 1.3 × `import typer`", f"{trust / typer:.2f}"],
        ["nothing to do, `--trust`: at most 3 × bare Python", f"{trust / bare:.2f}"],
        ["nothing to do, one look: at most 1.2 × one process of the SDK's", f"{look:.2f}"],
    ]
    return f"{report.table(head, rows)}\n{report.table(['target', 'reached'], targets)}"


if __name__ == "__main__":
    main()
