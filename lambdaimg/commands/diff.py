"""`diff`: what a run would change at AWS, setting by setting; exit status 4 where it would."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from lambdaimg.context import Context
from lambdaimg.errors import DIFFERENT, LambdaimgError, UsageError
from lambdaimg.make.graph import Table, dependents, order
from lambdaimg.make.plan import Options
from lambdaimg.make.preview import preview
from lambdaimg.make.store import Store
from lambdaimg.make.target import Action, Difference, Outcome
from lambdaimg.report import Quiet, table
from lambdaimg.session import Session
from lambdaimg.targets import TABLES

USUAL = ("update-function", "update-policies")
TRIGGERS = "queue"


def run(
    session: Session,
    targets: Annotated[
        list[str] | None,
        typer.Argument(help="Targets; by default the function, its policies and its trigger"),
    ] = None,
) -> None:
    """Prints the differences.

    Raises:
        UsageError: there is no such target.
        SystemExit: with status 4 where there is a difference.
    """
    context, known = session.context(), TABLES[session.settings.package]
    context.fast = session.settings.fast
    store = context.store()
    for name in targets or ():
        if name not in known:
            raise UsageError(f"There is no target {name}.", hint=f"Targets: {', '.join(known)}.")
    names = targets or [*USUAL, *triggers(context, known)]
    closure = order(known, names)
    for name in closure:
        if check := known[name].check:
            check(context.for_target(name))
    options = Options(dry_run=True, verify=True)
    outcomes = preview(known, closure, frozenset(names), context, store, Quiet(), options)
    if not targets:
        outcomes = without_unwanted(outcomes, known, store)
    found = changes([outcome for outcome in outcomes if not known[outcome.target].here])
    cells = [
        (name, difference.attribute, difference.have, difference.want)
        for name, differences in found.items()
        for difference in differences
    ]
    result = {
        "differs": bool(found),
        "targets": [
            {"target": name, "differences": [difference.as_dict() for difference in differences]}
            for name, differences in found.items()
        ],
    }
    text = table(cells, ("target", "what", "now", "then")) if cells else "no difference"
    session.report.result("diff", result, text)
    if found:
        raise SystemExit(DIFFERENT)


def triggers(context: Context, known: Table) -> list[str]:
    """The targets of triggers, as far as the project's files allow them."""
    found = []
    for name in dependents(known, TRIGGERS) - {TRIGGERS}:
        check = known[name].check
        try:
            if check:
                check(context.for_target(name))
        except LambdaimgError:
            continue
        found.append(name)
    return sorted(found)


def without_unwanted(outcomes: list[Outcome], known: Table, store: Store) -> list[Outcome]:
    """The outcomes without triggers that nobody ever asked for: neither there nor recorded."""
    group = dependents(known, TRIGGERS)
    wanted = any(
        outcome.action is not Action.WOULD_CREATE or store.read(outcome.target)
        for outcome in outcomes
        if outcome.target in group
    )
    return [outcome for outcome in outcomes if wanted or outcome.target not in group]


def changes(outcomes: list[Outcome]) -> dict[str, list[Difference]]:
    """What would change, by target; what two targets would both change stands with the first."""
    found: dict[str, list[Difference]] = {}
    seen: set[Any] = set()
    for outcome in outcomes:
        differences = [d for d in outcome.differences if not d.here and d not in seen]
        if outcome.action is Action.WOULD_CREATE:
            differences = [Difference("existence", "not there", "there")]
        else:
            seen.update(differences)
        if differences:
            found[outcome.target] = differences
    return found
