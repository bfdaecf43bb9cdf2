"""AWS's Python client and this runtime do the same, but for what `cases` lists with its reason."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from tests.runtime.api import HANDLERS, ROOT, aws, ours
from tests.runtime.cases import CASES, EVENTS, EVERYWHERE, LOADS, RESULTS, Case, Load
from tests.runtime.drive import Seen, drive, load

DATA = [*EVENTS, *RESULTS]


@pytest.fixture(scope="module")
def of_aws() -> dict[str, Seen]:
    return drive(aws, CASES)


@pytest.fixture(scope="module")
def of_ours() -> dict[str, Seen]:
    return drive(ours, CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_case(case: Case, of_aws: dict[str, Seen], of_ours: dict[str, Seen]) -> None:
    if case.differs:
        assert of_ours[case.id] != of_aws[case.id], "listed as a difference, and is none any more"
    else:
        assert of_ours[case.id] == of_aws[case.id]


@pytest.fixture(scope="module")
def with_orjson(of_ours: dict[str, Seen]) -> dict[str, Seen]:
    """The same events and results where orjson is installed and, after a large event, in use."""
    path = os.pathsep.join(map(str, (ROOT, HANDLERS)))
    first = Case("echo", json.dumps(["x" * 10_000]).encode(), label="first")
    cases = [replace(case, env={**case.env, "PYTHONPATH": path}) for case in [first, *DATA]]
    return drive(ours, cases)


@pytest.mark.parametrize("case", DATA, ids=lambda case: case.id)
def test_orjson_changes_no_value(
    case: Case, with_orjson: dict[str, Seen], of_ours: dict[str, Seen]
) -> None:
    assert values(with_orjson[case.id]) == values(of_ours[case.id])


def values(seen: Seen) -> str:
    """What was posted, JSON as the values it stands for. `repr`, for NaN equals nothing."""
    told = []
    for call, headers, body in seen.posts:
        if call == "invocation/response" and headers["content-type"] == "application/json":
            body = json.loads(body)
        told.append((call, headers, body))
    return repr(told)


@pytest.mark.parametrize("case", LOADS, ids=lambda case: case.id)
def test_load(case: Load, tmp_path: Path) -> None:
    seen = load(ours, case, tmp_path)
    theirs = load(aws, case, tmp_path)
    if case.differs:
        assert seen != theirs, "listed as a difference, and is none any more"
    else:
        assert seen == theirs


def test_there_are_enough_cases_and_each_has_its_own_name() -> None:
    names = [case.id for case in (*CASES, *LOADS)]
    assert len(names) == len(set(names))
    assert len(names) >= 60
    assert all(EVERYWHERE.values())
