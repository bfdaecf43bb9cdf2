"""What the records say, without a look at AWS."""

from __future__ import annotations

from lambdaimg.make.graph import table_of
from lambdaimg.make.review import FRESH, NONE, STALE, review
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
