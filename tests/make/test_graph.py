"""The order of targets."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdaimg.errors import GraphError
from lambdaimg.make.graph import dependents, order, ready, table_of
from lambdaimg.make.target import Action, Done, Target
from lambdaimg.targets import TABLE


def target(name: str, *needs: str, after: tuple[str, ...] = ()) -> Target[Any]:
    return Target(
        name, name, None, lambda _c, _o: Done("", Action.CREATED), needs=needs, order_only=after
    )


DIAMOND = table_of(
    [target("a"), target("b", "a"), target("c", "a"), target("d", "b", after=("c",))]
)


def test_everything_comes_after_what_it_needs() -> None:
    assert order(DIAMOND, ["d"]) == ["a", "b", "c", "d"]
    assert order(DIAMOND, ["c", "b"]) == ["a", "c", "b"]


def test_what_stands_on_a_target() -> None:
    assert dependents(DIAMOND, "b") == {"b", "d"}
    assert dependents(DIAMOND, "a") == {"a", "b", "c", "d"}


def test_what_can_start() -> None:
    assert ready(DIAMOND, ["b", "c", "d"], {"a"}) == ["b", "c"]
    assert ready(DIAMOND, ["d"], {"a", "b"}) == []


@pytest.mark.parametrize(
    ("targets", "says"),
    [
        ([target("a", "a")], "a -> a"),
        ([target("a", "b"), target("b", "c"), target("c", "a")], "a -> b -> c -> a"),
        ([target("a", after=("b",)), target("b", "a")], "in a circle"),
        ([target("a", "nobody")], "needs nobody, which does not exist"),
        ([target("a"), target("a")], "Two targets are called a"),
    ],
)
def test_tables_that_make_no_sense(targets: list[Target[Any]], says: str) -> None:
    with pytest.raises(GraphError) as caught:
        table_of(targets)
    assert says in caught.value.message


def test_an_unknown_name_is_said_with_the_known_ones() -> None:
    with pytest.raises(GraphError) as caught:
        order(DIAMOND, ["e"])
    assert caught.value.message == "There is no target e."
    assert "a, b, c, d" in caught.value.hint


@given(st.sets(st.sampled_from(sorted(TABLE)), min_size=1))
def test_the_kits_own_targets_are_ordered_whatever_is_asked(names: set[str]) -> None:
    found = order(TABLE, sorted(names))
    assert names <= set(found)
    assert len(set(found)) == len(found)
    for place, name in enumerate(found):
        assert set(TABLE[name].before) <= set(found[:place])


def test_what_can_be_removed_can_be_told_from_what_others_made() -> None:
    assert [t.name for t in TABLE.values() if t.remove and not t.owned] == []
    assert [t.name for t in TABLE.values() if t.remove and not t.observe] == []
