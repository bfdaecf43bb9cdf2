"""`status`: every target with its value, fresh or stale, and why; AWS is asked with `--verify`."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from lambdaimg.context import Context
from lambdaimg.make.review import review, verify
from lambdaimg.make.store import Store
from lambdaimg.report import short, table
from lambdaimg.session import Session
from lambdaimg.targets import TABLES


def run(
    session: Session,
    verify_: Annotated[
        bool, typer.Option("--verify", help="Look at AWS, and name what differs from the records")
    ] = False,
) -> None:
    """Prints the table of targets."""
    context = session.context()
    store = context.store(trust=not verify_)
    whom = store.whom
    where = f"account {whom.account}, region {whom.region}"
    where += f", endpoint {whom.endpoint}" if whom.endpoint else ""
    rows, text = (verified if verify_ else recorded)(session, context, store)
    result = {"whom": vars(whom), "verified": verify_, "targets": rows}
    session.report.result("status", result, f"{where}\n{text}")


def recorded(
    session: Session, context: Context, store: Store
) -> tuple[list[dict[str, object]], str]:
    """The rows as the records tell them, for JSON and as a table."""
    rows = review(TABLES[session.settings.package], context, store)
    now = time.time()
    cells = [
        (row.target, row.state, age(now - row.written_at) if row.written_at else "", row.why,
         short(row.value) or summary(row.value))
        for row in rows
    ]  # fmt: skip
    return [row.as_dict() for row in rows], table(cells, ("target", "state", "age", "why", "value"))


def verified(
    session: Session, context: Context, store: Store
) -> tuple[list[dict[str, object]], str]:
    """The rows as AWS tells them."""
    rows = verify(TABLES[session.settings.package], context, store)
    cells = [
        (row.target, row.state, "; ".join(map(str, row.differences)),
         short(row.value) or summary(row.value))
        for row in rows
    ]  # fmt: skip
    return [row.as_dict() for row in rows], table(cells, ("target", "state", "differs", "value"))


def summary(value: str) -> str:
    """What stands for a value that does not fit into a line."""
    lines = value.count("\n") + 1
    return f"{lines} lines, see `lambdaimg show`" if lines > 1 else "a document" if value else ""


def age(seconds: float) -> str:
    """A span of time in its largest unit."""
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"
