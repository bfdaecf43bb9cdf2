"""What has to change of a function, and in which order its tags change around it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdaimg.aws.function_config import Change, digest_of, to_create, to_update
from lambdaimg.aws.function_state import failure, is_settled
from lambdaimg.aws.tags import MAX_VALUE, environment_names, environment_tags
from lambdaimg.settings import Settings

ROLE = "arn:aws:iam::123456789012:role/r"
NOW: dict[str, Any] = {"MemorySize": 128, "Timeout": 3, "Description": "", "Role": ROLE}
FRESH: dict[str, str] = {}


def change(
    settings: Settings,
    now: dict[str, Any] | None = None,
    tags: dict[str, str] | None = None,
    stated: tuple[str, ...] = ("memory", "timeout", "environment", "tags", "command"),
) -> Change:
    return to_update(settings, stated.__contains__, {**NOW, **(now or {})}, tags or {}, ROLE)


def applied(update: Change, variables: dict[str, str], tags: dict[str, str]) -> Any:
    """Variables and tags once the change is made; also halfway, where a run may be interrupted."""
    widened = {**tags, **update.tags_before}
    after = dict(update.request.get("Environment", {}).get("Variables", variables))
    last = {**widened, **update.tags_after}
    narrowed = {key: value for key, value in last.items() if key not in update.tags_gone}
    return widened, after, narrowed


def test_nothing_to_do() -> None:
    update = change(Settings())
    assert (dict(update.request), update.differences) == ({}, ())
    assert (dict(update.tags_before), dict(update.tags_after), update.tags_gone) == ({}, {}, ())


def test_only_what_is_stated_is_changed() -> None:
    settings = Settings(memory=512, timeout=9)
    update = change(settings, stated=("memory",))
    assert dict(update.request) == {"MemorySize": 512}
    assert [str(difference) for difference in update.differences] == ["memory 128 -> 512"]


def test_a_new_role_is_always_applied() -> None:
    update = change(Settings(), {"Role": "arn:aws:iam::123456789012:role/other"}, stated=())
    assert update.request["Role"] == ROLE


def test_variables_of_others_stay_where_they_are_merged() -> None:
    settings = Settings(environment={"MINE": "1"})
    now = {"Environment": {"Variables": {"THEIRS": "x", "OLD": "y"}}}
    tags = environment_tags(["OLD"])
    assert change(settings, now, tags).request["Environment"]["Variables"] == {
        "THEIRS": "x",
        "MINE": "1",
    }
    replacing = Settings(environment={"MINE": "1"}, environment_mode="replace")
    assert change(replacing, now, tags).request["Environment"]["Variables"] == {"MINE": "1"}


def test_the_values_of_variables_are_never_told() -> None:
    settings = Settings(environment={"A": "hunter2", "B": "hunter3"})
    now = {"Environment": {"Variables": {"A": "hunter1", "C": "hunter4"}}}
    update = change(settings, now, environment_tags(["A", "C"]))
    told = " ".join(f"{d} {d.have} {d.want} {d.as_dict()}" for d in update.differences)
    assert "hunter" not in told
    assert {d.attribute for d in update.differences} == {
        "environment A",
        "environment B",
        "environment C",
    }


NAMES = st.dictionaries(st.sampled_from(["AA", "BB", "CC", "DD"]), st.sampled_from("12"))


@given(old=NAMES, new=NAMES, foreign=NAMES)
def test_an_interruption_leaves_no_variable_that_nobody_answers_for(
    old: dict[str, str], new: dict[str, str], foreign: dict[str, str]
) -> None:
    """Whatever is set by the kit is listed by the tags, at every moment of a change."""
    foreign = {f"X{name}": value for name, value in foreign.items()}
    tags, variables = environment_tags(old), {**foreign, **old}
    settings = Settings(environment=new)
    update = change(settings, {"Environment": {"Variables": variables}}, tags)
    widened, after, narrowed = applied(update, variables, tags)
    assert after == {**foreign, **new}
    assert environment_names(widened) >= set(old)
    if update.request:
        assert environment_names(widened) >= set(new)
    assert environment_names(narrowed) == set(new)
    # A run that was interrupted before or after the change is finished by the next one.
    for halfway in (variables, after):
        rest = change(settings, {"Environment": {"Variables": halfway}}, widened)
        _, left, listed = applied(rest, halfway, widened)
        assert (left, environment_names(listed)) == ({**foreign, **new}, set(new))
    done = change(settings, {"Environment": {"Variables": after}}, narrowed)
    assert done.differences == ()


def test_own_tags_are_applied_where_they_are_stated() -> None:
    settings = Settings(tags={"team": "a"})
    assert dict(change(settings, tags={"team": "b", "x": "y"}).tags_after) == {"team": "a"}
    assert dict(change(settings, tags={"team": "b"}, stated=()).tags_after) == {}


def test_overrides_of_the_image() -> None:
    update = change(Settings(command=("app.handler",)))
    assert update.request["ImageConfig"] == {"Command": ["app.handler"]}
    now = {"ImageConfigResponse": {"ImageConfig": {"Command": ["app.handler"], "EntryPoint": []}}}
    assert change(Settings(command=("app.handler",)), now).request == {}


def test_what_a_new_function_gets() -> None:
    request = to_create(Settings(memory=256, environment={"AA": "1"}, command=("a", "b")))
    assert request["MemorySize"] == 256
    assert request["Environment"] == {"Variables": {"AA": "1"}}
    assert request["ImageConfig"] == {"Command": ["a", "b"]}
    assert "Environment" not in to_create(Settings())


@given(st.sets(st.text(alphabet="ABCDEFGH_", min_size=2, max_size=60), max_size=40))
def test_tags_hold_every_name_within_awss_limits(names: set[str]) -> None:
    tags = environment_tags(names)
    assert environment_names(tags) == names
    assert all(len(value) <= MAX_VALUE for value in tags.values())


@pytest.mark.parametrize(
    ("answer", "digest"),
    [
        ({"Code": {"ResolvedImageUri": "x/y@sha256:ab"}}, "sha256:ab"),
        ({"Configuration": {"CodeSha256": "a" * 64}}, "sha256:" + "a" * 64),
        ({"Configuration": {"CodeSha256": "base64="}}, ""),
        ({}, ""),
    ],
)
def test_the_digest_that_a_function_runs(answer: dict[str, Any], digest: str) -> None:
    assert digest_of(answer) == digest


@pytest.mark.parametrize(
    ("now", "settled", "why"),
    [
        ({}, True, None),
        ({"State": "Active", "LastUpdateStatus": "Successful"}, True, None),
        ({"State": "Inactive"}, True, None),
        ({"State": "Pending"}, False, None),
        ({"State": "Active", "LastUpdateStatus": "InProgress"}, False, None),
        ({"State": "Failed", "StateReason": "image"}, True, "image"),
        ({"LastUpdateStatus": "Failed", "LastUpdateStatusReason": "kms"}, True, "kms"),
        ({"State": "Failed"}, True, "no reason given"),
    ],
)
def test_states(now: dict[str, Any], settled: bool, why: str | None) -> None:
    assert is_settled(now) is settled
    assert failure(now) == why
