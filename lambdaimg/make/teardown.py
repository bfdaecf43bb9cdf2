"""Taking away what the kit made: newest first, and the rest goes on where one thing stays.

What is there is looked for at AWS, not in the sentinels, so that a teardown from another machine,
or a second one after an interruption, finds what is left.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from lambdaimg.errors import InterruptedRunError, LambdaimgError
from lambdaimg.make.graph import Table, dependents, order
from lambdaimg.make.plan import RunContext
from lambdaimg.make.preview import looked_at
from lambdaimg.make.store import Store
from lambdaimg.make.target import LATER, Observed, Target


class Fate(StrEnum):
    """What is to become, or became, of a resource."""

    REMOVE = "remove"
    KEEP = "keep"
    REMOVED = "removed"
    FAILED = "failed"


@dataclass(frozen=True)
class Item:
    """A resource that is there. `why` says why it stays."""

    target: str
    value: str
    fate: Fate
    why: str = ""

    def as_dict(self) -> dict[str, str]:
        """The item as `--json` prints it."""
        return {
            "target": self.target,
            "value": self.value,
            "fate": str(self.fate),
            "why": self.why,
        }


def plan(
    table: Table,
    context: RunContext,
    store: Store,
    asked: Collection[str] = (),
    without: Collection[str] = (),
) -> list[Item]:
    """What is there, newest first, and what is to become of it.

    Args:
        asked: the targets that the user named: they go whoever made them, and nothing else does.
        without: targets that are left to another function of the project, which shares them.
    """
    found: dict[str, Item] = {}
    for name in order(table, table):
        target, sentinel = table[name], store.read(name)
        context.remember(name, sentinel.value if sentinel else LATER, _extra(sentinel))
        if target.remove is None or name in without or (asked and name not in asked):
            continue
        try:
            observed = _standing(target, context, sentinel.value if sentinel else "")
            if observed is None:
                continue
            context.remember(name, observed.value, observed.extra)
            fate, why = (Fate.REMOVE, "") if asked else _fate(target, context, observed)
        except LambdaimgError as error:
            found[name] = Item(name, "", Fate.FAILED, error.message)
            continue
        found[name] = Item(name, observed.value, fate, why)
    if not found and not asked and not without:
        # A teardown that was killed may have left records of what it had removed.
        store.clear()
    return [found[name] for name in reversed(order(table, table)) if name in found]


def _extra(sentinel: Any) -> Any:
    return sentinel.extra if sentinel else {}


def _standing(target: Target[Any], context: RunContext, recorded: str) -> Observed | None:
    """What there is; of what is on this machine alone, also one made from other sources."""
    if target.here and recorded and target.alive:
        there = target.alive(context.for_target(target.name), recorded)
        return Observed(recorded) if there else None
    return looked_at(target, context)


def _fate(target: Target[Any], context: RunContext, observed: Observed) -> tuple[Fate, str]:
    own = context.for_target(target.name)
    try:
        if target.owned is None or not target.owned(own, observed):
            return Fate.KEEP, "lambdaimg did not make it"
        if target.in_use and (users := target.in_use(own, observed)):
            return Fate.KEEP, f"used by {users}"
    except LambdaimgError:
        raise
    except Exception as error:
        raise context.translate(error, target.name) from error
    return Fate.REMOVE, ""


def remove(
    table: Table,
    context: RunContext,
    store: Store,
    items: list[Item],
    told: Callable[[Item], None],
) -> list[Item]:
    """Removes what is to be removed, and voids its records; returns what became of each.

    Args:
        items: as `plan` gives them.
        told: hears of each as it is done.

    Raises:
        InterruptedRunError: the user interrupted; a second teardown finds what is left.
    """
    done = []
    for item in items:
        if item.fate is Fate.REMOVE:
            item = _removed(table[item.target], context, item)
        if item.fate is Fate.REMOVED:
            for name in dependents(table, item.target):
                store.void(name)
        told(item)
        done.append(item)
    return done


def forget(table: Table, store: Store, done: Collection[Item]) -> None:
    """Forgets everything where nothing is left; a part of what was removed is gone with it."""
    removed = {item.target for item in done if item.fate is Fate.REMOVED}
    if removed and all(
        item.fate is Fate.REMOVED
        or (item.fate is Fate.KEEP and not removed.isdisjoint(table[item.target].needs))
        for item in done
    ):
        store.clear()


def _removed(target: Target[Any], context: RunContext, item: Item) -> Item:
    try:
        if target.remove is not None:
            target.remove(context.for_target(target.name), item.value)
    except InterruptedRunError:
        raise
    except Exception as error:
        told = error if isinstance(error, LambdaimgError) else context.translate(error, target.name)
        return Item(item.target, item.value, Fate.FAILED, told.message)
    return Item(item.target, item.value, Fate.REMOVED)
