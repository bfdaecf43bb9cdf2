"""What a run works with, and what it decides of each target before it acts or looks ahead."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from lambdaimg.errors import LambdaimgError
from lambdaimg.make.decide import Decision, Verdict, canonical, decide, digest
from lambdaimg.make.store import Sentinel, Store
from lambdaimg.make.target import Outcome, Target


class Reporter(Protocol):
    """Hears what happens, as it happens; may be called from several threads."""

    def planned(self, names: Sequence[str]) -> None:
        """The closure, in order."""

    def started(self, target: str, reason: str) -> None:
        """A target is looked at, because of `reason`."""

    def finished(self, outcome: Outcome) -> None:
        """A target is done."""

    def restarted(self, why: str) -> None:
        """The run starts over: what was told of its targets so far no longer holds."""

    def note(self, text: str) -> None:
        """A remark about the run as a whole."""


class RunContext(Protocol):
    """What the runner needs of the composition root."""

    def for_target(self, name: str) -> Any:
        """The context that the functions of `name` get."""

    def setting(self, name: str) -> Any:
        """The value of a setting."""

    def file_digest(self, setting: str) -> str:
        """A short hash of the content of the file that `setting` names; '' if it is missing."""

    def remember(self, target: str, value: str, extra: Any) -> None:
        """Keeps a target's value for the targets after it."""

    def translate(self, error: Exception, target: str) -> LambdaimgError:
        """The one translation of foreign errors."""

    def renew(self) -> None:
        """Forgets what was read of the project's files, which may have changed since."""

    def sleep(self, seconds: float) -> None:
        """Waits, unless the run is interrupted."""

    def cancel(self) -> None:
        """Tells every wait to end."""


@dataclass(frozen=True)
class Options:
    """How to run: the flags that every target has."""

    dry_run: bool = False
    trust: bool = False
    force: bool = False
    verify: bool = False
    lock_wait: float = 300.0


def inputs_of(
    target: Target[Any], context: RunContext, values: Mapping[str, str]
) -> dict[str, str]:
    """The named inputs of a target's fingerprint, each as a short hash.

    Args:
        values: the values of the targets that it needs.
    """
    found = {f"setting:{name}": digest(canonical(context.setting(name))) for name in target.uses}
    found |= {f"file:{context.setting(name)}": context.file_digest(name) for name in target.files}
    found |= {f"target:{name}": digest(values[name]) for name in target.needs}
    if target.inputs is not None:
        more = target.inputs(context.for_target(target.name))
        found |= {f"input:{name}": digest(text) for name, text in more.items()}
    return found


def judge(
    target: Target[Any],
    context: RunContext,
    store: Store,
    inputs: Mapping[str, str],
    named: bool,
    options: Options,
) -> tuple[Decision, Sentinel | None]:
    """Skip or look, and the sentinel that is believed.

    Args:
        inputs: as `inputs_of` gives them now.
        named: the user asked for this very target.
    """
    sentinel = store.read(target.name)
    decision = decide(
        recorded=sentinel.inputs if sentinel else None,
        current=inputs,
        named=named,
        always=target.always,
        trust=options.trust,
        force=options.force,
        verify=options.verify,
    )
    if (
        decision.verdict is Verdict.SKIP
        and sentinel
        and target.alive is not None
        and target.alive(context.for_target(target.name), sentinel.value) is False
    ):
        decision = Decision(Verdict.LOOK, "it is gone")
    return decision, sentinel
