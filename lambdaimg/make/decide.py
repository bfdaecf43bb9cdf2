"""Fingerprints, and the decision to skip a target or to look at it. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

SHORT = 16


class Verdict(Enum):
    """What the runner does with a target."""

    SKIP = "skip"
    LOOK = "look"


@dataclass(frozen=True)
class Decision:
    """The verdict, and the reason that the report shows."""

    verdict: Verdict
    reason: str


def digest(text: str | bytes) -> str:
    """A short hash of an input, for comparing only; nothing can be read back from it."""
    data = text.encode() if isinstance(text, str) else text
    return hashlib.sha256(data).hexdigest()[:SHORT]


def canonical(value: Any) -> str:
    """A setting's value as text that is equal exactly where the values are."""
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{k!r}:{canonical(value[k])}" for k in sorted(value)) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(canonical(item) for item in value) + "]"
    return repr(value)


def fingerprint(inputs: Mapping[str, str]) -> str:
    """The fingerprint of a target: one hash over its named inputs (name -> short hash)."""
    return digest("\n".join(f"{name}={inputs[name]}" for name in sorted(inputs)))


def changed_inputs(old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    """The names of the inputs that differ, as the report shows them."""
    names = sorted(name for name in {*old, *new} if old.get(name) != new.get(name))
    return [name.partition(":")[2] or name for name in names]


def decide(
    *,
    recorded: Mapping[str, str] | None,
    current: Mapping[str, str],
    named: bool,
    always: bool,
    trust: bool,
    force: bool = False,
    verify: bool = False,
) -> Decision:
    """Whether a target can be skipped, given the inputs of its sentinel and those of now.

    Args:
        recorded: the sentinel's inputs; None where there is no sentinel to be believed.
        current: the inputs as they are now.
        named: the user asked for this very target.
        always: the target looks in every run.
        trust: believe the sentinel of a named target too, as make does.
        force: the user wants it done again.
        verify: the user wants everything looked at.
    """
    if force and named:
        return Decision(Verdict.LOOK, "forced")
    if recorded is None:
        return Decision(Verdict.LOOK, "no record of it")
    changed = changed_inputs(recorded, current)
    if changed:
        shown = ", ".join(changed[:3]) + (" and more" if len(changed) > 3 else "")
        return Decision(Verdict.LOOK, f"{shown} changed")
    if verify:
        return Decision(Verdict.LOOK, "verified")
    if trust:
        return Decision(Verdict.SKIP, "unchanged since it was done")
    if always:
        return Decision(Verdict.LOOK, "always looked at")
    if named:
        return Decision(Verdict.LOOK, "asked for")
    return Decision(Verdict.SKIP, "unchanged since it was done")
