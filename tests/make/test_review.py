"""What the records say, without a look at AWS and with one."""

from __future__ import annotations

from dataclasses import replace

from lambdaimg.make.graph import table_of
from lambdaimg.make.review import DIFFERS, FRESH, GONE, NONE, SAME, STALE, review, verify
from lambdaimg.make.target import Observed
from tests.make.conftest import World


def test_fresh_stale_and_not_done(world: World) -> None:
    targets = [world.target("repo"), world.target("image", "repo"), world.target("queue")]
    world.run(targets, "image")
    world.settings["repo"] = "new"
    world.looked = []
    rows = {row.target: row for row in review(table_of(targets), world, world.store)}
    assert world.looked == []
    assert {name: row.state for name, row in rows.items()} == {
        "repo": STALE,
        "image": STALE,
        "queue": NONE,
    }
    assert rows["repo"].why == "repo changed"
    assert rows["image"].why == "after repo"
    assert rows["image"].as_dict()["value"] == "image-value"


def test_what_is_gone_here_is_stale(world: World) -> None:
    targets = [world.target("image", alive=lambda context, _value: "image" in context.there)]
    world.run(targets, "image")
    (row,) = review(table_of(targets), world, world.store)
    assert row.state == FRESH
    del world.there["image"]
    (row,) = review(table_of(targets), world, world.store)
    assert (row.state, row.why) == (STALE, "it is gone")


def test_only_what_its_record_speaks_of_can_be_gone(world: World) -> None:
    targets = [world.target("repo"), world.target("image", "repo")]
    world.run(targets, "image")

    def found() -> dict[str, str]:
        return {row.target: row.state for row in verify(table_of(targets), world, world.store)}

    assert found() == {"repo": SAME, "image": SAME}
    del world.there["image"]
    assert found() == {"repo": SAME, "image": GONE}
    world.settings["image"] = "another"
    assert found() == {"repo": SAME, "image": DIFFERS}
    # Nor can what is made of another thing than then.
    world.settings = {"repo": "another"}
    world.there.clear()
    assert found() == {"repo": DIFFERS, "image": DIFFERS}


def test_another_value_is_a_difference(world: World) -> None:
    target = world.target("image")
    world.run([target], "image")
    other = replace(target, observe=lambda _world: Observed("other-value"))
    (row,) = verify(table_of([other]), world, world.store)
    assert row.state == DIFFERS
    assert [str(each) for each in row.differences] == ["value image-value -> other-value"]
    (row,) = verify(table_of([replace(other, always=True)]), world, world.store)
    assert row.state == SAME
