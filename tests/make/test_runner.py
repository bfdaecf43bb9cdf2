"""The loop that acts: what is skipped, adopted, made, made again, and what a failure leaves."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from lambdaimg.errors import AwsError, InterruptedRunError, LambdaimgError
from lambdaimg.make.target import Action, Outcome, Target
from tests.make.conftest import Listener, World


def chain(world: World, **more: Any) -> list[Target[Any]]:
    """repo <- image <- function."""
    return [
        world.target("repo"),
        world.target("image", "repo"),
        world.target("function", "image", **more),
    ]


def test_first_everything_then_one_look_then_nothing(world: World) -> None:
    targets = chain(world)
    done, _ = world.run(targets, "function")
    assert done == {"repo": "created", "image": "created", "function": "created"}
    done, _ = world.run(targets, "function")
    assert set(done.values()) == {"up to date"}
    assert (world.looked, world.acted) == (["function"], [])
    done, _ = world.run(targets, "function", trust=True)
    assert set(done.values()) == {"up to date"}
    assert (world.looked, world.acted) == ([], [])
    done, _ = world.run(targets, "function", verify=True)
    assert set(done.values()) == {"up to date"}
    assert (world.looked, world.acted) == (["repo", "image", "function"], [])


def test_without_records_everything_is_adopted(world: World) -> None:
    targets = chain(world)
    world.run(targets, "function")
    world.store.clear()
    done, _ = world.run(targets, "function")
    assert set(done.values()) == {"adopted"}
    assert world.acted == []


def test_a_setting_changes_what_uses_it_and_nothing_else(world: World) -> None:
    targets = chain(world)
    world.run(targets, "function")
    world.settings["image"] = "new"
    done, _ = world.run(targets, "function")
    assert done == {"repo": "up to date", "image": "updated", "function": "up to date"}
    assert world.acted == ["image"]


def test_drift_of_a_prerequisite_is_mended_where_it_is_looked_for(world: World) -> None:
    targets = chain(world)
    world.run(targets, "function")
    world.there["repo"] = "changed by hand"
    world.run(targets, "function")
    assert world.there["repo"] == "changed by hand"
    done, _ = world.run(targets, "function", verify=True)
    assert done["repo"] == "updated"


def test_a_deleted_target_has_everything_before_it_looked_at(world: World) -> None:
    targets = chain(world)
    world.run(targets, "function")
    del world.there["function"], world.there["repo"]
    done, listener = world.run(targets, "function")
    assert done["function"] == done["repo"] == "created"
    assert any("Looking at everything again" in note for note in listener.notes)


def test_not_found_starts_over_once_and_heals(world: World) -> None:
    targets = chain(world)
    world.run(targets, "image")
    del world.there["image"]
    done, listener = world.run(targets, "function")
    assert done == {"repo": "adopted", "image": "created", "function": "created"}
    assert listener.notes == ["image is gone. Looking at everything again."]


def test_not_found_twice_is_a_failure(world: World) -> None:
    targets = chain(world)
    world.run(targets, "image")
    world.failing["function"] = KeyError("image")
    with pytest.raises(AwsError, match="image is gone") as caught:
        world.run(targets, "function")
    assert type(caught.value) is AwsError
    assert caught.value.details["target"] == "image"


def test_not_found_without_any_record_is_a_failure_at_once(world: World) -> None:
    world.failing["repo"] = KeyError("account")
    with pytest.raises(AwsError, match="account is gone"):
        world.run(chain(world), "repo")


def test_what_is_made_anew_voids_the_records_of_what_stood_on_it(world: World) -> None:
    targets = chain(world)
    world.run(targets, "function")
    del world.there["repo"]
    world.run(targets, "repo")
    assert world.store.read("image") is None
    assert world.store.read("function") is None
    world.run(targets, "function")
    assert world.looked == ["image", "function"]


def test_a_lost_record_and_a_deleted_resource_void_them_too(world: World) -> None:
    targets = chain(world)
    world.run(targets, "function")
    del world.there["repo"], world.there["image"]
    world.store.path("repo").write_text("damaged")
    done, _ = world.run(targets, "function")
    assert done == {"repo": "created", "image": "created", "function": "adopted"}


def test_the_records_are_voided_before_the_act(world: World) -> None:
    targets = chain(world)
    world.run(targets, "function")
    del world.there["repo"]
    world.failing["repo"] = RuntimeError("killed")
    with pytest.raises(LambdaimgError):
        world.run(targets, "repo")
    assert world.store.read("image") is None


def test_a_failure_keeps_what_was_done(world: World) -> None:
    targets = chain(world)
    world.failing["function"] = RuntimeError("no")
    with pytest.raises(LambdaimgError, match="function: no"):
        world.run(targets, "function")
    world.failing.clear()
    done, _ = world.run(targets, "function")
    assert done == {"repo": "up to date", "image": "up to date", "function": "created"}


def test_a_failure_is_reported_and_lets_what_runs_finish(world: World) -> None:
    other = threading.Event()
    targets = [
        world.target("bad"),
        world.target("slow"),
        world.target("last", "bad", "slow"),
    ]
    world.failing["bad"] = RuntimeError("no")
    world.meanwhile["slow"] = lambda: other.wait(0.2) and None
    with pytest.raises(LambdaimgError, match="bad: no"):
        world.run(targets, "last")
    assert world.store.read("slow") is not None
    assert world.store.read("last") is None


def test_independent_targets_run_at_the_same_time(world: World) -> None:
    both = threading.Barrier(2, timeout=20)
    world.meanwhile = {"a": lambda: both.wait() and None, "b": lambda: both.wait() and None}
    targets = [world.target("a"), world.target("b"), world.target("c", "a", "b")]
    done, _ = world.run(targets, "c")
    assert set(done.values()) == {"created"}


class Impatient(Listener):
    """Presses Ctrl-C when the first target is done."""

    def finished(self, outcome: Outcome) -> None:
        raise KeyboardInterrupt


def test_an_interrupt_keeps_what_was_done_and_says_how_to_go_on(world: World) -> None:
    targets = chain(world)
    with pytest.raises(InterruptedRunError) as caught:
        world.run(targets, "function", listener=Impatient())
    assert caught.value.exit_status == 130
    assert "goes on from here" in caught.value.hint
    assert world.cancelled
    done, _ = world.run(targets, "function")
    assert done == {"repo": "up to date", "image": "created", "function": "created"}


def test_an_interrupt_waits_for_what_is_under_way(world: World) -> None:
    targets = [world.target("quick"), world.target("slow"), world.target("all", "quick", "slow")]
    world.meanwhile["slow"] = lambda: time.sleep(0.2)
    with pytest.raises(InterruptedRunError):
        world.run(targets, "all", listener=Impatient())
    assert world.store.read("slow") is not None


def test_force_does_again_what_can_be_done_again(world: World) -> None:
    targets = chain(world, again=True)
    world.run(targets, "function")
    done, _ = world.run(targets, "function", force=True)
    assert (done["function"], world.acted) == ("updated", ["function"])
    done, _ = world.run(targets, "image", force=True)
    assert (done["image"], world.looked, world.acted) == ("up to date", ["image"], [])


def test_always_is_looked_at_as_a_prerequisite_too(world: World) -> None:
    targets = [world.target("a", always=True), world.target("b", "a")]
    world.run(targets, "b")
    world.there["a"] = "drifted"
    done, _ = world.run(targets, "b")
    assert done["a"] == "updated"


def test_what_is_gone_here_is_made_again(world: World) -> None:
    targets = [
        world.target("image", alive=lambda context, _value: "image" in context.there),
        world.target("deploy", "image"),
    ]
    world.run(targets, "deploy")
    del world.there["image"]
    done, listener = world.run(targets, "deploy")
    assert done["image"] == "created"
    reasons = {outcome.target: outcome.reason for outcome in listener.outcomes}
    assert reasons["image"] == "it is gone"


def test_a_check_refuses_before_anything_is_done(world: World) -> None:
    def check(_world: World) -> None:
        raise LambdaimgError("bad input")

    targets = chain(world, check=check)
    with pytest.raises(LambdaimgError, match="bad input"):
        world.run(targets, "function")
    assert world.looked == []


def test_what_a_target_works_with_is_asked_for_before_anything_is_made(world: World) -> None:
    missing: list[str] = []

    def ready(_world: World) -> None:
        if missing:
            raise LambdaimgError("no engine")

    targets = [
        world.target("repo"),
        world.target("image", ready=ready),
        world.target("deploy", "repo", "image", ready=ready),
        world.target("role"),
        world.target("function", "role", "image"),
    ]
    missing.append("engine")
    for dry_run in (True, False):
        with pytest.raises(LambdaimgError, match="no engine"):
            world.run(targets, "deploy", dry_run=dry_run)
        assert world.looked == []
    missing.clear()
    world.run(targets, "deploy")
    missing.append("engine")
    assert world.run(targets, "function")[0]["image"] == "up to date"


def test_a_target_that_nothing_shows_is_done_where_its_record_does_not_fit(world: World) -> None:
    targets = [world.target("document", observe=None), world.target("role", "document")]
    assert world.run(targets, "role")[0]["document"] == "created"
    assert world.run(targets, "role")[0]["document"] == "up to date"
    world.settings["document"] = "new"
    assert world.run(targets, "role")[0]["document"] == "created"


def test_extras_are_kept_where_nothing_was_done(world: World) -> None:
    targets = chain(world)
    world.run(targets, "function")
    world.run(targets, "function")
    assert world.extras["function"] == {"made": True, "seen": ""}
    record = world.store.read("function")
    assert record is not None
    assert record.action == str(Action.UP_TO_DATE)
