"""A world of toy resources, on which the small make is run with its real store."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from lambdaimg.errors import LambdaimgError, ResourceGoneError
from lambdaimg.make.graph import table_of
from lambdaimg.make.plan import Options
from lambdaimg.make.runner import run
from lambdaimg.make.store import Store, Whom
from lambdaimg.make.target import Action, Difference, Done, Observed, Outcome, Target

WHOM = Whom("123456789012", "eu-west-1", "")


class Listener:
    """A reporter that remembers."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []
        self.notes: list[str] = []
        self.began: list[str] = []

    def planned(self, names: Sequence[str]) -> None:
        self.names = list(names)

    def started(self, target: str, reason: str) -> None:
        self.began.append(target)

    def finished(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)

    def restarted(self, why: str) -> None:
        self.notes.append(why)

    def note(self, text: str) -> None:
        self.notes.append(text)


@dataclass
class World:
    """Resources by name, settings, and what was done to them; it is the context of its runs.

    A resource is the setting of its name; its value is made of that and of what it needs.
    """

    store: Store
    settings: dict[str, str] = field(default_factory=dict)
    there: dict[str, str] = field(default_factory=dict)
    values: dict[str, str] = field(default_factory=dict)
    extras: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    looked: list[str] = field(default_factory=list)
    acted: list[str] = field(default_factory=list)
    failing: dict[str, Exception] = field(default_factory=dict)
    meanwhile: dict[str, Callable[[], None]] = field(default_factory=dict)
    renewed: int = 0
    cancelled: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    # --- what the runner asks of a context ---

    def for_target(self, name: str) -> World:
        return self

    def setting(self, name: str) -> Any:
        return self.settings.get(name, "")

    def path(self, name: str) -> Path:
        return self.store.folder / name

    def file_digest(self, setting: str) -> str:
        return hashlib.sha256(self.setting(setting).encode()).hexdigest()

    def remember(self, target: str, value: str, extra: Mapping[str, Any]) -> None:
        self.values[target], self.extras[target] = value, extra

    def translate(self, error: Exception, target: str) -> LambdaimgError:
        if isinstance(error, KeyError):
            return ResourceGoneError(f"{error.args[0]} is gone.", target=error.args[0])
        return LambdaimgError(f"{target}: {error}")

    def renew(self) -> None:
        self.renewed += 1

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def cancel(self) -> None:
        self.cancelled = True

    # --- targets ---

    def target(self, name: str, *needs: str, **more: Any) -> Target[Any]:
        """A target whose resource needs others to be there while it is made."""

        def observe(world: World) -> Observed | None:
            with self.lock:
                self.looked.append(name)
            have = self.there.get(name)
            if have is None:
                return None
            want = self.setting(name)
            found = () if have == want else (Difference(name, have, want),)
            return Observed(f"{name}-value", found, extra={"seen": have})

        def act(world: World, observed: Observed | None) -> Done:
            if name in self.failing:
                raise self.failing[name]
            for need in needs:
                if need not in self.there:
                    raise KeyError(need)
            self.meanwhile.get(name, lambda: None)()
            with self.lock:
                self.acted.append(name)
                self.there[name] = self.setting(name)
            action = Action.UPDATED if observed else Action.CREATED
            return Done(f"{name}-value", action, extra={"made": True})

        options = {"needs": needs, "uses": (name,), "observe": observe, "act": act, **more}
        return Target(name=name, help=name, **options)

    def run(
        self,
        targets: Sequence[Target[Any]],
        *names: str,
        listener: Listener | None = None,
        **options: Any,
    ) -> tuple[dict[str, str], Listener]:
        """Runs; gives what became of each target, and what the reporter heard."""
        self.looked, self.acted, listener = [], [], listener or Listener()
        done = run(table_of(targets), names, self, self.store, listener, Options(**options))
        return {outcome.target: str(outcome.action) for outcome in done}, listener


@pytest.fixture
def world(tmp_path: Path) -> World:
    """An empty world, with its state in a folder of the test's."""
    return World(Store(tmp_path / ".lambdaimg" / "env", WHOM))
