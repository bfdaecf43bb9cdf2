"""What a run would do, and why; changes nothing, here or at AWS.

A target that would be made has a value that nobody knows yet (`LATER`). The targets after it are
looked at all the same: what is there already differs in what it differs in.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from lambdaimg.errors import LambdaimgError, ResourceGoneError
from lambdaimg.make.decide import Verdict, fingerprint
from lambdaimg.make.graph import Table
from lambdaimg.make.plan import Options, Reporter, RunContext, inputs_of, judge
from lambdaimg.make.store import Store
from lambdaimg.make.target import LATER, Action, Observed, Outcome, Target
from lambdaimg.make.together import Member


def preview(
    table: Table,
    names: Sequence[str],
    named: Collection[str],
    context: RunContext,
    store: Store,
    reporter: Reporter,
    options: Options,
    member: Member | None = None,
) -> list[Outcome]:
    """What would become of each target of a closure.

    Args:
        names: the closure, in order.
        named: the targets that the user asked for.
        member: one of several runs, which look once at what they share.

    Raises:
        LambdaimgError: AWS or Docker refused a look.
    """
    values: dict[str, str] = {}
    outcomes = []
    member = member or Member()
    for name in names:
        target = table[name]
        inputs = inputs_of(target, context, values)
        decision, sentinel = judge(target, context, store, inputs, name in named, options)
        extra: Mapping[str, Any]
        if decision.verdict is Verdict.SKIP and sentinel is not None:
            outcome = Outcome(name, Action.UP_TO_DATE, sentinel.value, decision.reason)
            extra = sentinel.extra
        else:
            recorded = sentinel.value if sentinel else None
            observed, who = member.once(
                name, fingerprint(inputs), partial(looked_at, target, context)
            )
            outcome = replace(foreseen(target, observed, recorded, decision.reason), who=who)
            if observed is None:
                foresee = target.foresee
                extra = foresee(context.for_target(name)) if foresee else {}
            else:
                kept = sentinel.extra if sentinel and recorded == observed.value else {}
                extra = {**kept, **observed.extra}
        values[name] = outcome.value or LATER
        context.remember(name, values[name], extra)
        reporter.finished(outcome)
        outcomes.append(outcome)
    return outcomes


def foreseen(
    target: Target[Any], observed: Observed | None, recorded: str | None, reason: str
) -> Outcome:
    """What would become of a target that was looked at. Pure."""
    if observed is None:
        return Outcome(target.name, Action.WOULD_CREATE, reason=reason)
    found = observed.differences
    if found:
        action, detail = Action.WOULD_UPDATE, ", ".join(map(str, found))
    else:
        action = Action.UP_TO_DATE if recorded == observed.value else Action.ADOPTED
        detail = observed.detail
    value = "" if observed.value == LATER else observed.value
    return Outcome(target.name, action, value, reason, detail, differences=found)


def looked_at(target: Target[Any], context: RunContext) -> Observed | None:
    """What there is; a part of something that is not there is not there either."""
    if target.observe is None:
        return None
    try:
        return target.observe(context.for_target(target.name))
    except ResourceGoneError:
        return None
    except LambdaimgError:
        raise
    except Exception as error:
        told = context.translate(error, target.name)
        if isinstance(told, ResourceGoneError):
            return None
        raise told from error
