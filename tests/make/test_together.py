"""Several runs that share targets: each shared one is done once, whatever comes of it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lambdaimg.errors import LambdaimgError
from lambdaimg.make.graph import table_of
from lambdaimg.make.plan import Options
from lambdaimg.make.runner import Pass
from lambdaimg.make.store import Store
from lambdaimg.make.target import Outcome
from lambdaimg.make.together import Member, Together
from tests.make.conftest import WHOM, Listener, World

LIMIT_S = 60


def worlds(tmp_path: Path, *names: str) -> dict[str, World]:
    """A world of the same resources for each function, with records and settings of its own."""
    first: World | None = None
    found = {}
    for name in names:
        world = World(Store(tmp_path / name, WHOM), {"function": name})
        if first is None:
            first = world
        world.there, world.looked, world.acted = first.there, first.looked, first.acted
        world.failing, world.meanwhile, world.lock = first.failing, first.meanwhile, first.lock
        found[name] = world
    return found


def go(
    found: dict[str, World], **options: Any
) -> tuple[dict[str, list[Outcome] | LambdaimgError], dict[str, Listener]]:
    """Runs every world's function at the same time; what came of each."""
    together = Together()
    ended: dict[str, Any] = {}
    listeners = {name: Listener() for name in found}

    def work(name: str, world: World) -> Callable[[], None]:
        # The image is the same resource for all of them, the function is each one's own.
        own = f"function {name}"
        targets = [
            world.target("repo"),
            world.target("image", "repo"),
            world.target(own, "image"),
        ]
        world.settings[own] = name

        def run() -> None:
            begun = Pass(
                table_of(targets),
                [own],
                world,
                world.store,
                listeners[name],
                Options(**options),
                Member(name, together),
            )
            try:
                ended[name] = begun.skipped() or begun.whole()
            except LambdaimgError as error:
                ended[name] = error

        return run

    threads = [threading.Thread(target=work(*each), daemon=True) for each in found.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIMIT_S)
    assert not any(thread.is_alive() for thread in threads)
    return ended, listeners


def actions(ended: Any) -> list[str]:
    """What became of a function's targets."""
    assert isinstance(ended, list), ended
    return [str(outcome.action) for outcome in ended]


def test_what_is_shared_is_made_once_and_recorded_by_each(tmp_path: Path) -> None:
    found = worlds(tmp_path, "a", "b", "c")
    acted = found["a"].acted
    ended, _ = go(found)
    assert sorted(acted) == ["function a", "function b", "function c", "image", "repo"]
    for outcomes in ended.values():
        assert actions(outcomes) == ["created", "created", "created"]
    owners = [outcome.who for outcomes in ended.values() for outcome in outcomes]
    assert owners.count("") == 5
    for name, world in found.items():
        assert world.store.read("image"), name
        assert world.extras["image"] == {"made": True}
    acted.clear()
    ended, _ = go(found)
    assert acted == []
    assert {action for outcomes in ended.values() for action in actions(outcomes)} == {"up to date"}


def test_what_differs_is_made_for_each(tmp_path: Path) -> None:
    found = worlds(tmp_path, "a", "b")
    found["b"].settings["image"] = "another"
    go(found)
    assert found["a"].acted.count("image") == 2
    assert found["a"].acted.count("repo") == 1


def test_a_shared_failure_is_everybodys_and_tried_once(tmp_path: Path) -> None:
    found = worlds(tmp_path, "a", "b", "c")
    found["a"].failing["image"] = LambdaimgError("No.", "Mend it.")
    ended, _ = go(found)
    assert {str(error) for error in ended.values()} == {"No."}
    assert found["a"].acted == ["repo"]


def test_a_failure_of_ones_own_leaves_the_others_alone(tmp_path: Path) -> None:
    found = worlds(tmp_path, "a", "b", "c")
    found["a"].failing["function b"] = LambdaimgError("No.")
    ended, _ = go(found)
    assert str(ended["b"]) == "No."
    assert actions(ended["a"]) == actions(ended["c"]) == ["created"] * 3
    found["a"].failing.clear()
    ended, _ = go(found)
    assert actions(ended["b"])[-1] == "created"


def test_a_shared_thing_that_is_gone_is_made_again_for_all(tmp_path: Path) -> None:
    found = worlds(tmp_path, "a", "b")
    go(found)
    there, acted = found["a"].there, found["a"].acted
    for name in list(there):
        del there[name]
    acted.clear()
    ended, listeners = go(found)
    assert sorted(set(acted)) == ["function a", "function b", "image", "repo"]
    assert acted.count("function a") == acted.count("function b") == 1
    for name, outcomes in ended.items():
        assert len(actions(outcomes)) == 3
        assert listeners[name].notes, "it says that it starts over"
    assert set(there) == {"repo", "image", "function a", "function b"}


def test_a_look_ahead_looks_once_too(tmp_path: Path) -> None:
    found = worlds(tmp_path, "a", "b", "c")
    ended, _ = go(found, dry_run=True)
    assert found["a"].acted == []
    assert sorted(found["a"].looked) == ["function a", "function b", "function c", "image", "repo"]
    assert {a for outcomes in ended.values() for a in actions(outcomes)} == {"would create"}
