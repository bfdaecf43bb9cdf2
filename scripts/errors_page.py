"""Writes docs/errors.md from the tables of errors: `python scripts/errors_page.py [--check]`.

`--check` changes nothing and ends with status 1 where the page is stale.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from lambdaimg import os_errors
from lambdaimg.aws.client_errors import CLIENT_ROWS
from lambdaimg.aws.error_table import ROWS, Row
from lambdaimg.container import errors as docker_errors
from lambdaimg.container import refusals
from lambdaimg.errors import LambdaimgError, MachineError

PAGE = Path(__file__).resolve().parent.parent / "docs" / "errors.md"
HEAD = """# Errors

What AWS, Docker, registries and the operating system say when they refuse, and what `lambdaimg`
makes of it: one sentence, a hint, an exit status (1 where somebody refused or failed, 2 where a
setting or a file of the project is at fault). Words in braces are filled in. An error that no line
fits keeps its own code, message and request id. `--debug` adds the traceback and every call, with
secrets out.

This page is made from the code by `python scripts/errors_page.py`.
"""


def cell(text: str) -> str:
    """Text for a cell of a table."""
    return " ".join(text.split()).replace("|", "\\|")


def codes(text: str) -> str:
    """Error codes, one after another."""
    return ", ".join(f"`{code}`" for code in text.split("|"))


def table(title: str, head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A section with a Markdown table."""
    lines = [list(head)]
    lines += [["---"] * len(lines[0]), *[[cell(text) for text in row] for row in rows]]
    return f"## {title}\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def of_aws(row: Row) -> list[str]:
    """A row of AWS's answers."""
    said = f"{codes(row.code)}, saying `{row.says}`" if row.says else codes(row.code)
    return [said, row.message, row.hint, status(row.kind)]


def status(kind: type[LambdaimgError]) -> str:
    """The exit status of a class of errors."""
    return str(kind.exit_status)


def page() -> str:
    """The whole page."""
    head = ("what is said", "what you are told", "what to do", "exit")
    docker = [
        [f"`{name}`", row.what, row.hint, status(row.error)]
        for name, row in docker_errors.TABLE.items()
    ]
    words = [[f"... {text} ...", row.what, row.hint, status(row.error)]
             for text, row in docker_errors.WORDS]  # fmt: skip
    registry = [
        [f"`{row.words.pattern}`", row.what, row.hint, status(row.error)] for row in refusals.TABLE
    ]
    system = [
        [codes("|".join(row.names)), row.message, row.hint, status(MachineError)]
        for row in os_errors.ROWS
    ]
    clients = [
        [f"`{name}`", row.message, row.hint, status(row.kind)] for name, row in CLIENT_ROWS.items()
    ]
    parts = (
        table("AWS's answers", head, map(of_aws, ROWS)),
        table("No answer from AWS", head, clients),
        table("The Docker engine", head, [*words, *docker]),
        table("Registries", head, registry),
        table("The operating system", head, system),
    )
    return HEAD + "\n" + "\n".join(parts)


def main(arguments: list[str]) -> int:
    """Writes or checks; the exit status."""
    stale = not PAGE.is_file() or PAGE.read_text() != page()
    if "--check" in arguments:
        return int(stale)
    PAGE.write_text(page())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
