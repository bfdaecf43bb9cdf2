"""Sentinel files: what is believed, and what is not."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from lambdaimg.errors import StateError
from lambdaimg.make.store import Sentinel, Store, Whom, seal, sweep, write_atomically

WHOM = Whom("123456789012", "eu-west-1", "")
RECORD = Sentinel(
    "queue", "https://queue", {"setting:queue_name": "abc"}, action="created", extra={"x": [1]}
)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / ".lambdaimg" / "env", WHOM, now=lambda: 1000.5)


def test_what_is_written_is_read(store: Store) -> None:
    store.write(RECORD)
    found = store.read("queue")
    assert found is not None
    assert (found.value, found.inputs, found.action, found.extra, found.written_at) == (
        RECORD.value, RECORD.inputs, "created", {"x": [1]}, 1000.5,
    )  # fmt: skip


def test_only_the_owner_reads_it_and_git_does_not_see_it(store: Store) -> None:
    store.write(RECORD)
    assert stat.S_IMODE(store.path("queue").stat().st_mode) == 0o600
    for folder in (store.folder, store.folder.parent):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert (store.folder.parent / ".gitignore").read_text() == "*\n"


@pytest.mark.parametrize(
    "other",
    [
        Whom("210987654321", "eu-west-1", ""),
        Whom("123456789012", "eu-west-2", ""),
        Whom("123456789012", "eu-west-1", "http://127.0.0.1:4566"),
    ],
)
def test_a_record_of_another_account_region_or_endpoint_is_none(store: Store, other: Whom) -> None:
    store.write(RECORD)
    assert Store(store.folder, other).read("queue") is None


def test_a_record_copied_to_another_name_is_none(store: Store) -> None:
    store.write(RECORD)
    store.path("deploy").write_bytes(store.path("queue").read_bytes())
    assert store.read("deploy") is None


def test_voiding_and_clearing(store: Store) -> None:
    store.write(RECORD)
    store.void("queue")
    store.void("queue")
    assert store.read("queue") is None
    store.write(RECORD)
    assert store.clear() == ["queue"]
    assert store.clear() == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=6,
)
KEYS = sorted({"schema", "target", "value", "fingerprint", "inputs", "whom", "written_at",
               "action", "extra", "seal"})  # fmt: skip


def damaged(document: dict[str, Any], key: str, value: Any, sealed: bool) -> bytes:
    document = {**document, key: value}
    if sealed:
        document["seal"] = seal({k: v for k, v in document.items() if k != "seal"})
    return json.dumps(document).encode()


@given(key=st.sampled_from(KEYS), value=JSON, sealed=st.booleans())
@example(key="written_at", value=10**400, sealed=True)
@example(key="inputs", value={"\ud800": "x"}, sealed=True)
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_damaged_field_is_never_believed(
    store: Store, key: str, value: Any, sealed: bool
) -> None:
    store.write(RECORD)
    path = store.path("queue")
    whole = json.loads(path.read_bytes())
    path.write_bytes(damaged(whole, key, value, sealed))
    found = store.read("queue")
    # Whoever seals a record anew may write in it what is well formed; damage cannot.
    if found is not None and not sealed:
        assert json.loads(path.read_bytes()) == whole
    if found is not None:
        assert isinstance(found.value, str)
        assert isinstance(found.written_at, float)


@given(st.data())
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_random_damage_is_never_believed(store: Store, data: st.DataObject) -> None:
    store.write(RECORD)
    path = store.path("queue")
    whole = path.read_bytes()
    start = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(start, min(len(whole), start + 40)))
    path.write_bytes(whole[:start] + data.draw(st.binary(max_size=20)) + whole[end:])
    found = store.read("queue")
    if found is not None:
        assert json.loads(path.read_bytes()) == json.loads(whole), "believed though it differs"


def test_deep_nonsense_is_none(store: Store) -> None:
    store.write(RECORD)
    store.path("queue").write_text("[" * 100_000)
    assert store.read("queue") is None
    store.path("queue").unlink()
    store.path("queue").mkdir()
    assert store.read("queue") is None


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomically(path, "old")
    reader = path.open()
    write_atomically(path, "new")
    assert reader.read() == "old"
    assert path.read_text() == "new"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError, match="Cannot make the state folder"):
        Store(tmp_path / "file" / "env", WHOM).write(RECORD)
    (tmp_path / "taken").mkdir()
    with pytest.raises(StateError, match="Cannot write taken"):
        write_atomically(tmp_path / "taken", "text")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["file", "taken"]


def test_what_a_killed_process_left_is_swept(tmp_path: Path) -> None:
    gone = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"],
                          capture_output=True, text=True, check=True).stdout.strip()  # fmt: skip
    for name in (f".queue.json.{gone}.tmp", f".queue.json.{os.getpid()}.tmp", "own.tmp"):
        (tmp_path / name).write_text("half")
    sweep(tmp_path)
    left = sorted(entry.name for entry in tmp_path.iterdir())
    assert left == [f".queue.json.{os.getpid()}.tmp", "own.tmp"]
