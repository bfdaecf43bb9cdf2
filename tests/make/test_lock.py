"""One run at a time on an environment; no lock outlives its holder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lambdaimg.errors import StateError
from lambdaimg.make.lock import exclusive

HOLDER = """
import sys
from pathlib import Path
from lambdaimg.make.lock import exclusive
with exclusive(Path(sys.argv[1]), 10):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "lock"


@pytest.fixture
def holder(path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Another process that holds the lock until its stdin is closed."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdin is not None
    assert process.stdout.readline() == b"held\n"
    yield process
    process.stdin.close()
    process.wait(10)
    process.stdout.close()


def test_who_holds_it_is_said(path: Path, holder: subprocess.Popen[bytes]) -> None:
    told: list[str] = []
    slept: list[float] = []
    with (
        pytest.raises(StateError) as caught,
        exclusive(path, 3.0, told.append, slept.append),
    ):
        pytest.fail("two hold the lock")
    assert f"process {holder.pid} on {os.uname().nodename}" in caught.value.message
    assert told == [f"process {holder.pid} on {os.uname().nodename}"]
    assert 3.0 <= sum(slept) < 4.5


def test_no_room_for_the_holder_s_name_is_no_hindrance(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("process 1 on another machine")
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n"
    code = limit + HOLDER.replace('"held"', "Path(sys.argv[1]).read_bytes()")
    done = subprocess.run(
        [sys.executable, "-c", code, path], input=b"", capture_output=True, check=True, timeout=30
    )
    assert done.stdout == b"b''\n"


def test_it_is_taken_once_it_is_free(path: Path, holder: subprocess.Popen[bytes]) -> None:
    assert holder.stdin is not None

    def wait(_seconds: float) -> None:
        if not holder.stdin.closed:
            holder.stdin.close()
            holder.wait(10)

    with exclusive(path, 60.0, sleep=wait):
        assert holder.poll() == 0


def test_the_lock_of_a_killed_process_is_taken_over(
    path: Path, holder: subprocess.Popen[bytes]
) -> None:
    holder.kill()
    holder.wait(10)
    assert path.read_text().startswith(f"process {holder.pid} ")
    with exclusive(path, 0.0):
        assert path.read_text().startswith(f"process {os.getpid()} ")


def test_a_lock_whose_folder_was_removed_counts_for_nothing(
    path: Path, holder: subprocess.Popen[bytes]
) -> None:
    def remove(_seconds: float) -> None:
        shutil.rmtree(path.parent)
        path.parent.mkdir()
        assert holder.stdin is not None
        holder.stdin.close()
        holder.wait(10)

    with exclusive(path, 60.0, sleep=remove):
        assert path.read_text().startswith(f"process {os.getpid()} ")


def test_a_lock_that_is_a_link_is_refused(path: Path, tmp_path: Path) -> None:
    path.parent.mkdir()
    (tmp_path / "precious").write_text("text")
    path.symlink_to(tmp_path / "precious")
    with pytest.raises(StateError, match="Cannot open the lock"), exclusive(path, 0.0):
        pytest.fail("followed a link")
    assert (tmp_path / "precious").read_text() == "text"
