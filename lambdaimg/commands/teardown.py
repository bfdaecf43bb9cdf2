"""`teardown`: remove what the kit made, after showing it and asking."""

from __future__ import annotations

from typing import Annotated

import typer

from lambdaimg.errors import AwsError, UsageError
from lambdaimg.make.teardown import Fate, Item, plan, remove
from lambdaimg.report import short, table
from lambdaimg.session import Session
from lambdaimg.sure import make_sure
from lambdaimg.targets import TABLES


def run(
    session: Session,
    targets: Annotated[
        list[str] | None,
        typer.Argument(help="Only these, whoever made them; by default all that lambdaimg made"),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the list, and no more")] = False,
) -> None:
    """Removes resources, newest first; a second teardown goes on where the first one ended.

    Raises:
        UsageError: a target is unknown or cannot be removed, or nobody can be asked.
        InterruptedRunError: the answer was no.
        AwsError: something could not be removed; all else was.
    """
    known = TABLES[session.settings.package]
    removable = [name for name in known if known[name].remove]
    for name in targets or ():
        if name not in removable:
            raise UsageError(
                f"{name} is nothing that can be removed.",
                hint=f"There are: {', '.join(removable)}.",
            )
    context = session.context()
    store = context.store()
    with store.locked(session.settings.lock_wait, lambda who: session.report.note(f"After {who}.")):
        items = plan(known, context, store, targets or ())
        todo = [item for item in items if item.fate is Fate.REMOVE]
        if not session.as_json:
            print(listing(items))
        if todo and not dry_run:
            if not yes:
                count = len(todo)
                make_sure(f"Remove {'this' if count == 1 else f'these {count}'}?", session.as_json)
            items = remove(known, context, store, items, lambda item: show(session, item))
    result = {"items": [item.as_dict() for item in items]}
    failed = [item for item in items if item.fate is Fate.FAILED]
    if failed:
        names = ", ".join(item.target for item in failed)
        raise AwsError(
            f"Not removed: {names}.",
            hint="Mend the cause, then run `lambdaimg teardown` again: it does the rest.",
            output="\n".join(f"{item.target}: {item.why}" for item in failed),
            result=result,
        )
    session.report.result("teardown", result)


def listing(items: list[Item]) -> str:
    """What is there, as a table."""
    if not items:
        return "nothing is there"
    cells = [(item.target, str(item.fate), short(item.value), item.why) for item in items]
    return table(cells, ("target", "", "value", "why"))


def show(session: Session, item: Item) -> None:
    """One thing that is gone."""
    if item.fate is Fate.REMOVED and not session.as_json:
        print(f"  {item.target:<18} removed      {short(item.value)}", flush=True)
