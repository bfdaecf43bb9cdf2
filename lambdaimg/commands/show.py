"""`show`: the value of a target, alone, for scripts."""

from __future__ import annotations

from typing import Annotated

import typer

from lambdaimg.errors import ProjectError, UsageError
from lambdaimg.session import Session
from lambdaimg.targets import TABLES


def run(session: Session, target: Annotated[str, typer.Argument(help="Name of a target")]) -> None:
    """Prints what the record of a target holds.

    Raises:
        UsageError: there is no such target.
        ProjectError: it was not done yet.
    """
    table = TABLES[session.settings.package]
    if target not in table:
        raise UsageError(f"There is no target {target}.", hint=f"Targets: {', '.join(table)}.")
    sentinel = session.context().store(trust=True).read(target)
    if sentinel is None:
        raise ProjectError(f"{target} was not done yet.", hint=f"Run `lambdaimg {target}`.")
    session.report.result("show", {"target": target, "value": sentinel.value}, sentinel.value)
