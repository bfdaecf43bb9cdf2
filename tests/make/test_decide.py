"""Skip or look, and why."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdaimg.make.decide import (
    Verdict,
    canonical,
    changed_inputs,
    decide,
    digest,
    fingerprint,
)

SAME = {"setting:memory": "1", "file:policies": "2"}
OTHER = {"setting:memory": "9", "file:policies": "2"}


def verdict(**more: Any) -> tuple[Verdict, str]:
    options = {"recorded": SAME, "current": SAME, "named": False, "always": False, "trust": False}
    decision = decide(**{**options, **more})
    return decision.verdict, decision.reason


@pytest.mark.parametrize(
    ("options", "looks", "says"),
    [
        ({}, False, "unchanged"),
        ({"named": True}, True, "asked for"),
        ({"named": True, "trust": True}, False, "unchanged"),
        ({"always": True}, True, "always looked at"),
        ({"always": True, "trust": True}, False, "unchanged"),
        ({"verify": True}, True, "verified"),
        ({"verify": True, "trust": True}, True, "verified"),
        ({"recorded": None}, True, "no record"),
        ({"recorded": None, "trust": True}, True, "no record"),
        ({"current": OTHER, "trust": True}, True, "memory changed"),
        ({"named": True, "force": True, "trust": True}, True, "forced"),
        ({"force": True}, False, "unchanged"),
    ],
)
def test_the_table_of_decisions(options: dict[str, Any], looks: bool, says: str) -> None:
    found, reason = verdict(**options)
    assert (found is Verdict.LOOK) is looks
    assert says in reason


def test_many_changes_are_cut_short() -> None:
    new = {f"setting:s{n}": "x" for n in range(5)}
    assert verdict(current=new | SAME)[1] == "s0, s1, s2 and more changed"


def test_inputs_that_come_and_go_are_changes() -> None:
    assert changed_inputs({"a:x": "1", "a:y": "1"}, {"a:y": "1", "a:z": "1"}) == ["x", "z"]


VALUES = st.recursive(
    st.booleans() | st.integers() | st.text(),
    lambda inner: st.tuples(inner, inner) | st.dictionaries(st.text(), inner),
    max_leaves=6,
)


@given(VALUES, VALUES)
def test_canonical_texts_are_equal_exactly_where_values_are(one: Any, two: Any) -> None:
    same = one == two and repr(sort(one)) == repr(sort(two))
    assert (canonical(one) == canonical(two)) is same


def sort(value: Any) -> Any:
    """The value with its tables in order: 1 and True are equal to Python and not to a user."""
    if isinstance(value, dict):
        return [(key, sort(value[key])) for key in sorted(value)]
    return tuple(map(sort, value)) if isinstance(value, tuple) else value


@given(st.dictionaries(st.text(alphabet="ab:=", min_size=1), st.text(alphabet="01", min_size=1)))
def test_a_fingerprint_does_not_depend_on_the_order(inputs: dict[str, str]) -> None:
    turned = dict(reversed(list(inputs.items())))
    assert fingerprint(inputs) == fingerprint(turned)


def test_a_digest_is_short_and_tells_nothing() -> None:
    assert len(digest("hunter2")) == 16
    assert digest("hunter2") == digest(b"hunter2") != digest("hunter3")
