"""`teardown`: remove what the kit made, after showing it and asking.

What several functions of a project share goes last, and only where no function that stays has it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from contextlib import ExitStack
from typing import Annotated, Any

import typer

from lambdaimg import several
from lambdaimg.context import Context
from lambdaimg.errors import AwsError, InterruptedRunError, LambdaimgError, UsageError
from lambdaimg.make.graph import Table
from lambdaimg.make.store import Store
from lambdaimg.make.teardown import Fate, Item, forget, plan, remove
from lambdaimg.report import short, table
from lambdaimg.session import Session
from lambdaimg.settings import Settings
from lambdaimg.sure import make_sure
from lambdaimg.targets import TABLES

# What functions may share, by the setting that names it.
SHARED = {
    "image_name": ("image",),
    "repository": ("ecr-repo",),
    "role_name": ("lambda-role", "lambda-policies"),
    "queue_name": ("queue",),
}
SHAREABLE = frozenset(name for names in SHARED.values() for name in names)
FUNCTION, QUEUE, TRIGGER = "lambda-function", "queue", "lambda-sqs-trigger"
# AWS does not know who needs this one.
HERE = "image"
NOTHING = "nothing is there"


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
    refuse_unknown(known, targets or ())
    context = session.context()
    store = context.store()
    without = () if targets else {HERE} & shared_with(session.settings, session.others())

    def look() -> list[Item]:
        return plan(known, context, store, targets or (), without)

    with store.locked(session.settings.lock_wait, lambda who: session.report.note(f"After {who}.")):
        items = look()
        if stays(items):
            # What it works with stays too, where it was not named.
            context.leaving = frozenset()
            items = looked_again(items, look())
        if not session.as_json:
            session.report.line(listing(items))
        if agreed(session, items, yes, dry_run):
            own = [item for item in items if item.target not in SHAREABLE]
            done = remove(known, context, store, own, lambda item: show(session, item))
            if stays(done) and context.leaving:
                context.leaving = frozenset()
                items = look()
            rest = [item for item in items if item.target in SHAREABLE]
            items = done + remove(known, context, store, rest, lambda item: show(session, item))
            if not targets:
                forget(known, store, items)
    result = {"items": [item.as_dict() for item in items]}
    if error := left_over(items, result):
        raise error
    session.report.result("teardown", result)


def run_each(
    session: Session,
    sessions: list[Session],
    targets: list[str] | None,
    yes: bool,
    dry_run: bool,
) -> None:
    """Removes the resources of several functions: each one's own first, then what they share.

    Raises:
        FunctionsError: something of some of them could not be removed; all else was.
        UsageError, InterruptedRunError: see `run`.
    """
    width = max(len(one.function) for one in sessions)
    owners = [Owner(one, width) for one in sessions]
    asked = targets or ()
    for owner in owners:
        refuse_unknown(owner.known, asked)
    for number, owner in enumerate(owners):
        owner.shared = shared_with(
            owner.settings, (other.settings for other in owners[number + 1 :])
        )
        gone = frozenset(each.settings.function_name for each in owners)
        owner.context.leaving = gone
        if not asked:
            stay = [each for each in session.loaded[1].values() if each.function_name not in gone]
            owner.stays = {HERE} & shared_with(owner.settings, stay)

    def on_wait(who: str) -> None:
        session.report.note(f"After {who}.")

    with ExitStack() as locks:
        # All in one order, so that two teardowns do not wait for each other.
        for owner in sorted(owners, key=lambda each: each.settings.function_name):
            locks.enter_context(owner.store.locked(owner.settings.lock_wait, on_wait))
        at_once(session, owners, lambda owner: owner.look(asked, owner.shared))
        if staying := {o.settings.function_name for o in owners if stays(o.items)}:
            first = {owner.part.name: owner.items for owner in owners}
            for owner in owners:
                owner.context.leaving -= staying
            at_once(session, owners, lambda owner: owner.look(asked, owner.shared))
            for owner in owners:
                owner.items = looked_again(first[owner.part.name], owner.items)
        if not session.as_json:
            rows = [
                (o.part.name, i.target, str(i.fate), short(i.value), i.why)
                for o in owners
                for i in o.items
            ]
            heads = ("function", "target", "", "value", "why")
            session.report.line(table(rows, heads) if rows else NOTHING)
        if agreed(session, [item for owner in owners for item in owner.items], yes, dry_run):
            at_once(session, owners, lambda owner: owner.remove(asked, SHAREABLE))
            for owner in owners:
                # Its own function counts now: where that is still there, what it needs stays.
                owner.context.leaving = frozenset()
                rest = set(owner.known) - (SHAREABLE - owner.shared)
                at_once(session, [owner], lambda owner, rest=rest: owner.remove(asked, rest))
                if not asked and owner.part.error is None:
                    forget(owner.known, owner.store, owner.done)
    for owner in owners:
        owner.conclude()
    several.finish(session, [owner.part for owner in owners])


class Owner:
    """One function of a teardown of several: what it has, and what became of that.

    Args:
        session: of this function.
        width: the columns for the functions' names.
    """

    def __init__(self, session: Session, width: int) -> None:
        self.session = session
        self.width = width
        self.settings = session.settings
        self.known: Table = TABLES[session.settings.package]
        self.context: Context = session.context()
        self.store: Store = self.context.store()
        self.part = several.Part(session.function, self.settings.function_name)
        self.shared: set[str] = set()
        self.stays: set[str] = set()
        self.items: list[Item] = []
        self.done: list[Item] = []

    def look(self, asked: Collection[str], without: Collection[str]) -> None:
        """What is there, without what is left to another function."""
        left = {*without, *self.stays}
        self.items = plan(self.known, self.context, self.store, asked, left)

    def remove(self, asked: Collection[str], without: Collection[str]) -> None:
        """Removes what is there."""
        self.look(asked, without)
        self.done += remove(
            self.known,
            self.context,
            self.store,
            self.items,
            lambda item: show(self.session, item, f"{self.part.name:<{self.width}} "),
        )

    def conclude(self) -> None:
        """What became of it, for the report."""
        items = self.done or self.items
        self.part.result, self.part.over = {"items": [item.as_dict() for item in items]}, True
        if self.part.error is None and (error := left_over(items, None)):
            self.part.failed(error)


def at_once(session: Session, owners: Sequence[Owner], do: Any) -> None:
    """Does something for several functions at the same time; what fails is theirs alone.

    Raises:
        InterruptedRunError: the user interrupted.
    """

    def working(owner: Owner) -> Any:
        def work() -> None:
            try:
                do(owner)
            except BaseException as error:
                owner.part.failed(several.told(error, owner.context, "teardown"))

        return work

    going = [working(owner) for owner in owners if owner.part.error is None]
    if several.side_by_side(going, session.shared_context().cancel):
        raise InterruptedRunError(
            "Interrupted.", hint="A second teardown goes on where this one ended."
        )


def refuse_unknown(known: Table, targets: Iterable[str]) -> None:
    """Refuses targets that cannot be removed. Raises: UsageError."""
    removable = [name for name in known if known[name].remove]
    for name in targets:
        if name not in removable:
            raise UsageError(
                f"{name} is nothing that can be removed.",
                hint=f"There are: {', '.join(removable)}.",
            )


def shared_with(settings: Settings, others: Iterable[Settings]) -> set[str]:
    """The targets that stand for the same thing in another function too. Pure."""
    found: set[str] = set()
    for other in others:
        for setting, targets in SHARED.items():
            if getattr(settings, setting) == getattr(other, setting):
                found.update(targets)
    return found


def stays(items: Iterable[Item]) -> bool:
    """Whether the function itself is there and is not removed. Pure."""
    kept = (Fate.KEEP, Fate.FAILED)
    return any(item.target == FUNCTION and item.fate in kept for item in items)


def looked_again(first: Sequence[Item], second: Sequence[Item]) -> list[Item]:
    """What a second look found; but the queue of a trigger that goes is not used by it. Pure."""
    goes = all(item.fate is Fate.REMOVE for item in first if item.target == TRIGGER)
    before = {item.target: item for item in first if item.target == QUEUE and goes}
    return [before.get(item.target, item) for item in second]


def agreed(session: Session, items: Sequence[Item], yes: bool, dry_run: bool) -> bool:
    """Whether there is something to remove, and the user wants it."""
    count = sum(item.fate is Fate.REMOVE for item in items)
    if not count or dry_run:
        return False
    if not yes:
        make_sure(f"Remove {'this' if count == 1 else f'these {count}'}?", session.as_json)
    return True


def left_over(items: Sequence[Item], result: Any) -> LambdaimgError | None:
    """The error where something could not be removed. Pure."""
    failed = [item for item in items if item.fate is Fate.FAILED]
    if not failed:
        return None
    more = {} if result is None else {"result": result}
    return AwsError(
        f"Not removed: {', '.join(item.target for item in failed)}.",
        hint="Mend the cause, then run `lambdaimg teardown` again: it does the rest.",
        output="\n".join(f"{item.target}: {item.why}" for item in failed),
        **more,
    )


def listing(items: list[Item]) -> str:
    """What is there, as a table."""
    if not items:
        return NOTHING
    cells = [(item.target, str(item.fate), short(item.value), item.why) for item in items]
    return table(cells, ("target", "", "value", "why"))


def show(session: Session, item: Item, of: str = "") -> None:
    """One thing that is gone."""
    if item.fate is Fate.REMOVED and not session.as_json:
        session.report.line(f"  {of}{item.target:<18} removed      {short(item.value)}")
