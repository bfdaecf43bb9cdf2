"""The memory of file hashes: believed while the stat is the same, and never a reason to fail."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambdaimg.container.filehash import SETTLED_NS, FileHashes


def later(path: Path) -> int:
    """A time at which the file has not been touched for long enough."""
    return path.stat().st_ctime_ns + SETTLED_NS + 1


def of(path: Path, cache: Path | None, now_ns: int) -> str:
    hashes = FileHashes(cache, now_ns)
    digest = hashes.of_file(str(path), path.stat())
    hashes.save()
    return digest


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_text("one")
    return path


def test_a_known_file_is_not_read_again(file: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    digest = of(file, cache, later(file))
    assert digest == hashlib.sha256(b"one").hexdigest()
    assert stat.S_IMODE(cache.stat().st_mode) == 0o600
    memory = json.loads(cache.read_text())
    memory["files"][str(file)][-1] = "remembered"
    cache.write_text(json.dumps(memory))
    assert of(file, cache, later(file)) == "remembered"


def test_any_change_of_the_stat_reads_it_again(file: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    of(file, cache, later(file))
    kept = file.stat()
    file.write_text("two")
    os.utime(file, ns=(kept.st_atime_ns, kept.st_mtime_ns))  # same size, same time: ctime tells
    assert of(file, cache, later(file)) == hashlib.sha256(b"two").hexdigest()


def test_a_file_touched_just_now_is_not_remembered(file: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    of(file, cache, later(file) - 2)
    assert not cache.exists()


def test_files_that_are_gone_are_forgotten(file: Path, tmp_path: Path) -> None:
    cache, other = tmp_path / "cache", tmp_path / "other"
    other.write_text("x")
    of(file, cache, later(other))
    of(other, cache, later(other))
    assert list(json.loads(cache.read_text())["files"]) == [str(other)]


def test_a_cache_that_cannot_be_written_is_no_error(file: Path, tmp_path: Path) -> None:
    for cache in (tmp_path / "no" / "such" / "folder", file / "cache"):
        assert of(file, cache, later(file)) == of(file, None, later(file))


def test_a_cache_of_deep_nonsense_is_as_none(file: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache.write_text("[" * 200_000)
    assert of(file, cache, later(file)) == of(file, None, later(file))


@settings(max_examples=60, deadline=None)
@given(
    damage=st.one_of(
        st.binary(max_size=60),
        st.recursive(
            st.none() | st.integers() | st.text(max_size=5),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(st.sampled_from(["schema", "files", "x"]), inner, max_size=3)
            ),
        ).map(lambda value: json.dumps(value).encode()),
    )
)
def test_a_damaged_cache_is_as_none(
    tmp_path_factory: pytest.TempPathFactory, damage: bytes
) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    file, cache = folder / "file", folder / "cache"
    file.write_text("one")
    cache.write_bytes(damage)
    assert of(file, cache, later(file)) == hashlib.sha256(b"one").hexdigest()
