"""What a target is: one declarative record, and the values that go in and out of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar


class TargetContext(Protocol):
    """What the engine needs of the context that it hands to targets."""

    def setting(self, name: str) -> Any:
        """The value of the setting `name`."""
        ...

    def path(self, name: str) -> Path:
        """The absolute path of a project file."""
        ...


C = TypeVar("C", bound=TargetContext)

LATER = "not known yet"
"""The value of a target that a look ahead would bring about: only the run itself will tell it."""


class Action(StrEnum):
    """What became of a target in a run; the word that the report shows."""

    UP_TO_DATE = "up to date"
    ADOPTED = "adopted"
    CREATED = "created"
    UPDATED = "updated"
    BUILT = "built"
    PUSHED = "pushed"
    CHANGED = "changed"
    WRITTEN = "written"
    WOULD_CREATE = "would create"
    WOULD_UPDATE = "would update"
    FAILED = "failed"


@dataclass(frozen=True)
class Difference:
    """One attribute of a resource that is not as the settings ask.

    `here` tells that it concerns this machine alone, so that `diff` does not count it.
    """

    attribute: str
    have: str
    want: str
    secret: bool = False
    here: bool = False

    def as_dict(self) -> dict[str, str]:
        """The difference as `--json` prints it; of a secret only that it differs."""
        have, want = ("***", "***") if self.secret else (self.have, self.want)
        return {"attribute": self.attribute, "have": have, "want": want}

    def __str__(self) -> str:
        if self.secret:
            return f"{self.attribute} changed"
        return f"{self.attribute} {self.have or 'unset'} -> {self.want or 'unset'}"


@dataclass(frozen=True)
class Observed:
    """What is there now.

    `value` is what later targets use (URI, ARN, digest, URL). `differences` is empty where the
    resource is as it should be. `detail` is a short remark for the report. `facts` is whatever
    the target's `act` can use again, so that nothing is asked twice.
    """

    value: str
    differences: tuple[Difference, ...] = ()
    detail: str = ""
    facts: Any = None
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Done:
    """What `act` brought about. `extra` is kept in the sentinel, and never holds a secret."""

    value: str
    action: Action
    detail: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """A target's line in the report. `who` is the function whose run did it, if not one's own."""

    target: str
    action: Action
    value: str = ""
    reason: str = ""
    detail: str = ""
    seconds: float = 0.0
    differences: tuple[Difference, ...] = ()
    who: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The outcome as `--json` prints it; `seconds` is wall time."""
        found: dict[str, Any] = {
            "target": self.target,
            "action": str(self.action),
            "value": self.value,
            "reason": self.reason,
            "detail": self.detail,
            "seconds": round(self.seconds, 3),
        }
        if self.differences:
            found["differences"] = [difference.as_dict() for difference in self.differences]
        if self.who:
            found["done_by"] = self.who
        return found


@dataclass(frozen=True)
class Target(Generic[C]):
    """One thing that can be brought about.

    Args:
        name: the command's name.
        help: one line for `--help` and the tables.
        observe: what is there now, or None where there is nothing; None instead of a function
            where there is nothing to look at, since the value is made of the settings alone.
        act: bring it about; gets what `observe` found and returns once it is really so.
        needs: targets whose value is part of this one's fingerprint.
        order_only: targets that must be done first, whose changes do not re-run this one.
        uses: settings that are part of the fingerprint.
        files: settings that name an input file whose content is part of the fingerprint.
        inputs: further named inputs of the fingerprint, as text (the image's build context).
        check: refuses bad input (a missing or malformed file) before any call is made.
        ready: refuses a machine that lacks what the target works with; asked where its record
            does not vouch for it, before anything is made.
        alive: a cheap local look whether a value still exists; None where it cannot tell.
        remove: take the resource away again; None where there is nothing to remove.
        owned: whether the kit made what was observed, as its tags tell; needed with `remove`.
        in_use: who else uses what was observed, in words; '' where nobody does.
        foresee: what `act` would keep beside the value, as far as it is known before it is done.
        always: look at it in every run in which it takes part.
        again: `act` has a sense where nothing differs (a build, a push), for `--force`.
        here: it is on this machine alone, so that no other machine can differ in it.
        permissions: the IAM actions that observe and act call.
        removal: the IAM actions that only `teardown` calls.
        group: the heading under which `--help` lists it.
    """

    name: str
    help: str
    observe: Callable[[C], Observed | None] | None
    act: Callable[[C, Observed | None], Done]
    needs: tuple[str, ...] = ()
    order_only: tuple[str, ...] = ()
    uses: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    inputs: Callable[[C], Mapping[str, str]] | None = None
    check: Callable[[C], None] | None = None
    ready: Callable[[C], None] | None = None
    alive: Callable[[C, str], bool | None] | None = None
    remove: Callable[[C, str], None] | None = None
    owned: Callable[[C, Observed], bool] | None = None
    in_use: Callable[[C, Observed], str] | None = None
    foresee: Callable[[C], Mapping[str, Any]] | None = None
    always: bool = False
    again: bool = False
    here: bool = False
    permissions: tuple[str, ...] = ()
    removal: tuple[str, ...] = ()
    group: str = "Deploy"

    @property
    def before(self) -> tuple[str, ...]:
        """Every target that must be done before this one."""
        return self.needs + self.order_only
