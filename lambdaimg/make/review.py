"""What the sentinels say (`review`), and whether it is still so at AWS (`verify`): for `status`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lambdaimg.make.decide import Verdict, decide
from lambdaimg.make.graph import Table, order
from lambdaimg.make.plan import RunContext, inputs_of
from lambdaimg.make.preview import looked_at
from lambdaimg.make.store import Sentinel, Store
from lambdaimg.make.target import LATER, Difference, Observed, Target

FRESH, STALE, NONE = "fresh", "stale", "not done"
SAME, DIFFERS, GONE, UNRECORDED = "as recorded", "differs", "gone", "not recorded"


@dataclass(frozen=True)
class Row:
    """A target as its sentinel tells it. `written_at` is in seconds since the epoch, 0 if none."""

    target: str
    state: str
    value: str
    why: str
    written_at: float

    def as_dict(self) -> dict[str, Any]:
        """The row as `--json` prints it."""
        return vars(self)


def review(table: Table, context: RunContext, store: Store) -> list[Row]:
    """A row per target, in the order of the graph. Calls nobody but the local engine."""
    values: dict[str, str] = {}
    stale: set[str] = set()
    rows: list[Row] = []
    for name in order(table, table):
        target, sentinel = table[name], store.read(name)
        if sentinel is None:
            stale.add(name)
            rows.append(Row(name, NONE, "", "no record of it", 0.0))
            continue
        values[name] = sentinel.value
        context.remember(name, sentinel.value, sentinel.extra)
        open_needs = [need for need in target.needs if need in stale]
        if open_needs:
            state, why = STALE, f"after {', '.join(open_needs)}"
        else:
            verdict = decide(
                recorded=sentinel.inputs,
                current=inputs_of(target, context, values),
                named=False,
                always=False,
                trust=False,
            )
            fresh = verdict.verdict is Verdict.SKIP
            state, why = (FRESH if fresh else STALE), verdict.reason
            if fresh and target.alive is not None:
                there = target.alive(context.for_target(name), sentinel.value)
                if there is False:
                    state, why = STALE, "it is gone"
        if state == STALE:
            stale.add(name)
        rows.append(Row(name, state, sentinel.value, why, sentinel.written_at))
    return rows


@dataclass(frozen=True)
class Verified:
    """A target as AWS has it now, against its sentinel. `value` is the recorded one, if any."""

    target: str
    state: str
    value: str
    differences: tuple[Difference, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """The row as `--json` prints it."""
        found = [difference.as_dict() for difference in self.differences]
        return {**vars(self), "differences": found}


def verify(table: Table, context: RunContext, store: Store) -> list[Verified]:
    """Looks at every target and compares it with its sentinel; changes nothing.

    Returns:
        A row per target, in the order of the graph.

    Raises:
        LambdaimgError: AWS or Docker refused a look.
    """
    rows = []
    values: dict[str, str] = {}
    for name in order(table, table):
        target, sentinel = table[name], store.read(name)
        values[name] = sentinel.value if sentinel else LATER
        context.remember(name, values[name], sentinel.extra if sentinel else {})
        if target.here:
            rows.append(_verified_here(target, context, sentinel))
            continue
        observed = looked_at(target, context)
        other = False
        if sentinel is not None and observed is None:
            # What a record of other settings or sources speaks of was not looked for.
            other = sentinel.inputs != inputs_of(target, context, values)
            values[name] = LATER if other else sentinel.value
        rows.append(compared(target, sentinel, observed, other))
        if sentinel is None and observed is not None:
            values[name] = observed.value
            context.remember(name, observed.value, observed.extra)
    return rows


def _verified_here(target: Target[Any], context: RunContext, sentinel: Sentinel | None) -> Verified:
    if sentinel is None:
        return Verified(target.name, NONE, "")
    alive = target.alive
    there = alive is None or alive(context.for_target(target.name), sentinel.value) is not False
    return Verified(target.name, SAME if there else GONE, sentinel.value)


def compared(
    target: Target[Any], sentinel: Sentinel | None, observed: Observed | None, other: bool = False
) -> Verified:
    """What is there against what is recorded. Pure.

    Args:
        other: nothing was observed, and the record is not of what was looked for.
    """
    if sentinel is None:
        state = NONE if observed is None else UNRECORDED
        return Verified(target.name, state, "", observed.differences if observed else ())
    if observed is None:
        have = " ".join(sentinel.value.split())
        changed = (Difference("value", have, LATER),) if other else ()
        return Verified(target.name, DIFFERS if other else GONE, sentinel.value, changed)
    found = observed.differences
    # A value that a file or another target gives changes with that, and is no matter of AWS.
    if not target.files and not target.always and observed.value != sentinel.value:
        found = (Difference("value", sentinel.value, observed.value), *found)
    return Verified(target.name, DIFFERS if found else SAME, sentinel.value, found)
