"""Looking ahead changes nothing, and goes on after what would be made."""

from __future__ import annotations

from lambdaimg.make.target import LATER, Observed
from tests.make.conftest import World


def test_everything_would_be_made(world: World) -> None:
    targets = [world.target("repo"), world.target("image", "repo")]
    done, _ = world.run(targets, "image", dry_run=True)
    assert set(done.values()) == {"would create"}
    assert (world.there, world.acted) == ({}, [])
    assert not world.store.folder.exists()
    assert world.values == {"repo": LATER, "image": LATER}


def test_differences_are_told_also_after_what_would_be_made(world: World) -> None:
    targets = [world.target("image"), world.target("function", "image")]
    world.run(targets, "function")
    del world.there["image"]
    world.settings["function"] = "512"
    world.there["function"] = "128"
    done, listener = world.run(targets, "function", dry_run=True, verify=True)
    assert done == {"image": "would create", "function": "would update"}
    (difference,) = listener.outcomes[-1].differences
    assert (difference.have, difference.want) == ("128", "512")
    assert listener.outcomes[-1].as_dict()["differences"] == [
        {"attribute": "function", "have": "128", "want": "512"}
    ]


def test_what_is_foreseen_reaches_the_targets_after_it(world: World) -> None:
    seen: list[object] = []

    def observe(context: World) -> Observed | None:
        seen.append(context.extras["image"]["source"])
        return None

    targets = [
        world.target("image", foresee=lambda _context: {"source": "abc"}),
        world.target("deploy", "image", observe=observe),
    ]
    world.run(targets, "deploy", dry_run=True)
    assert seen == ["abc"]


def test_a_part_of_what_is_gone_would_be_made(world: World) -> None:
    def observe(_context: World) -> Observed | None:
        raise KeyError("role")

    targets = [world.target("role"), world.target("policies", "role", observe=observe)]
    done, _ = world.run(targets, "policies", dry_run=True)
    assert done == {"role": "would create", "policies": "would create"}


def test_nothing_to_do(world: World) -> None:
    targets = [world.target("repo"), world.target("image", "repo")]
    world.run(targets, "image")
    done, _ = world.run(targets, "image", dry_run=True)
    assert set(done.values()) == {"up to date"}
    world.store.clear()
    done, _ = world.run(targets, "image", dry_run=True)
    assert set(done.values()) == {"adopted"}
    assert world.store.read("image") is None
