"""`watch`: what a changed file does; and what of an image can be replaced without a build."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from lambdaimg.container.dockerfile import parse
from lambdaimg.container.overlay import Recipe, recipe
from lambdaimg.emulator.filewatch import Files
from tests.support.commandline import CommandLine
from tests.support.waiting import until

from .conftest import HERE
from .test_commands import Served, containers_of
from .test_containers import do


def of(text: str, target: str | None = None, **config: Any) -> Recipe:
    return recipe(parse(text), target, {"GIVEN": "given.py"}, config)


KIT = """
FROM base AS python
RUN apt-get install python3
FROM python AS packages
COPY .lambdaimg/build/ requirements.tx[t] /build/
RUN pip install -r /build/requirements.txt
FROM python
COPY --from=packages /opt/python/ /opt/python/
COPY .lambdaimg/image/ /
RUN python3 -m compileall /opt/python
WORKDIR /var/task
ARG GIVEN=default.py
COPY ${GIVEN} /var/task/
COPY lib /var/task/lib/
COPY data/*.csv ./data/
"""


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("given.py", "/var/task/given.py"),
        ("lib/a.py", "/var/task/lib/a.py"),
        ("lib/deep/b.py", "/var/task/lib/deep/b.py"),
        ("requirements.txt", None),
        ("data/x.csv", None),
        ("default.py", None),
    ],
)
def test_what_is_copied_last_can_be_replaced(path: str, place: str | None) -> None:
    assert of(KIT).replaceable(path) == place


def test_what_is_not_copied_has_no_part_in_the_image() -> None:
    found = of(KIT)
    assert not found.concerns("README.md")
    assert not found.concerns("default.py")
    assert found.concerns("requirements.txt")
    assert found.concerns("data/x.csv")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("FROM x\nCOPY a.py /app/", "/app/a.py"),
        ("FROM x\nCOPY a.py /app/b.py", "/app/b.py"),
        ("FROM x\nCOPY ./a.py /app/./b.py", "/app/b.py"),
        ("FROM x\nWORKDIR /app\nCOPY a.py .", "/app/a.py"),
        ("FROM x\nWORKDIR /app\nWORKDIR sub\nCOPY a.py b.py ./", "/app/sub/a.py"),
        ("FROM x\nWORKDIR /app\nCOPY a.py /app", "/app/a.py"),
        ("FROM x\nCOPY . /app/", "/app/a.py"),
        ("FROM x\nCOPY . /app", "/app/a.py"),
        ('FROM x\nCOPY ["a.py", "/app/"]', "/app/a.py"),
        ("FROM x\nCOPY --chown=1 a.py /app/", "/app/a.py"),
        ("FROM x\nCOPY a.py /app/\nENV A=1\nCMD a", "/app/a.py"),
        ("FROM x\nCOPY a.py ./", "/inherited/a.py"),
        ("FROM x\nCOPY a.py ${HOME}/", "/home/a.py"),
        ("FROM x\nCOPY a.py /app/\nRUN compile", None),
        ("FROM x\nADD a.py /app/", None),
        ("FROM x\nCOPY a.* /app/", None),
        ("FROM x\nCOPY a.py /app", None),
        ("FROM x\nCOPY a.py ${UNKNOWN}/", None),
        ("FROM x\nCOPY a.py /one/\nCOPY a.py /two/", None),
        ("FROM x\nCOPY . /src/\nRUN make\nCOPY a.py /app/", None),
        ("FROM x AS one\nCOPY a.py /app/\nFROM y\nCOPY --from=one /app/ /app/", None),
        ("FROM x\nRUN --mount=type=bind,target=/src make\nCOPY a.py /app/", None),
        ("FROM x\nCOPY <<E a.py /app/\nhello\nE", None),
    ],
)
def test_where_a_file_is_in_the_image(text: str, place: str | None) -> None:
    found = of(text, WorkingDir="/inherited", Env=["HOME=/home"])
    assert found.replaceable("a.py") == place


def test_the_stage_that_is_built_counts() -> None:
    text = "FROM x AS one\nCOPY a.py /one/\nFROM y AS two\nCOPY b.py /two/"
    assert of(text, "one").replaceable("a.py") == "/one/a.py"
    assert of(text, "one").replaceable("b.py") is None


# --- noticing -------------------------------------------------------------------------------------


@pytest.fixture
def files(tmp_path: Path) -> Files:
    for name in ("a", "b", "sub/c"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("1")
    return Files(lambda: [str(tmp_path), *map(str, tmp_path.rglob("*"))])


def names(found: set[str], root: Path) -> list[str]:
    return sorted(os.path.relpath(path, root) for path in found)


def test_nothing_has_changed_at_first(files: Files) -> None:
    assert files.changed() == set()


def test_changed_new_and_vanished_files_are_noticed(files: Files, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("two")
    (tmp_path / "sub/c").unlink()
    (tmp_path / "new").mkdir()
    (tmp_path / "new/d").write_text("1")
    assert names(files.changed(), tmp_path) == ["a", "new/d", "sub/c"]
    assert files.changed() == set()


def test_a_file_that_is_replaced_as_editors_do_is_noticed(files: Files, tmp_path: Path) -> None:
    (tmp_path / "swap").write_text("1")
    files.changed()
    stat = (tmp_path / "a").stat()
    os.utime(tmp_path / "swap", ns=(stat.st_atime_ns, stat.st_mtime_ns))
    (tmp_path / "swap").rename(tmp_path / "a")
    assert names(files.changed(), tmp_path) == ["a", "swap"]


def test_waiting_gathers_what_belongs_together(files: Files, tmp_path: Path) -> None:
    def write() -> None:
        for name in ("a", "b"):
            (tmp_path / name).write_text("changed")

    timer = threading.Timer(0.05, write)
    timer.start()
    found = set(files.wait())
    timer.join()
    assert names(found | files.changed(), tmp_path) == ["a", "b"]


def test_a_file_that_changes_all_the_time_does_not_hold_up_others(
    files: Files, tmp_path: Path
) -> None:
    stop = threading.Event()

    def chatter() -> None:
        while not stop.is_set():
            with (tmp_path / "b").open("a") as file:
                file.write("more")
            stop.wait(0.002)

    thread = threading.Thread(target=chatter)
    thread.start()
    (tmp_path / "a").write_text("changed")
    found = files.wait(lambda path: path.endswith("a"))
    everything = files.wait()
    stop.set()
    thread.join()
    assert names(found, tmp_path) == ["a"]
    assert names(everything, tmp_path) == ["b"]


# --- the command ----------------------------------------------------------------------------------


@pytest.fixture
def sources(tmp_path: Path, base_image: str) -> Path:
    """A project in Perl, with its own Dockerfile and words."""
    folder = tmp_path / "perl"
    shutil.copytree(HERE / "image", folder)
    (folder / "notes.txt").write_text("no part of the image")
    return folder


@pytest.fixture
def watched(sources: Path, lambdaimg: CommandLine, unique: Any, engine: Any) -> Iterator[Served]:
    name = unique("watch")
    free = ("--port", "0", "--json", "--image-name", name, "--timeout", "30")
    served = Served(lambdaimg.at(sources).start("watch", *free, LAMBDA_MODULE="words.txt"))
    yield served
    if served.process.poll() is None:
        served.end()
    assert containers_of(served.process.pid) == []
    engine.images.remove(name, force=True, noprune=True)


def await_words(served: Served, words: str) -> None:
    until(lambda: json.loads(served.invoke(do("words"))) == words, f"the answer is {words}")


def test_a_saved_file_is_served_without_a_build(watched: Served, sources: Path) -> None:
    await_words(watched, "first words")
    with ThreadPoolExecutor(1) as threads:
        slow = threads.submit(watched.invoke, do("pause"))
        assert watched.process.stderr is not None
        while b"START" not in (line := watched.process.stderr.readline()):
            assert line
        (sources / "words.txt").write_text("second words\n")
        await_words(watched, "second words")
        assert slow.result() == b'"first words"'
    (sources / "swap").write_text("third words\n")
    (sources / "swap").rename(sources / "words.txt")
    await_words(watched, "third words")
    (sources / "notes.txt").write_text("still no part of it")
    (sources / "lambdaimg.toml").write_text("memory = 512\n")
    (sources / "Dockerfile").write_text(
        (sources / "Dockerfile").read_text()
        + 'ENV MADE=anew\nRUN echo "fourth words" > words.txt\n'
    )
    await_words(watched, "fourth words")
    log = watched.end()
    assert watched.process.returncode == 0
    assert "words.txt: replaced" in log
    assert "lambdaimg.toml changed: start watch again" in log
    assert "Dockerfile: building" in log
    assert "notes.txt" not in log
    assert not list(sources.glob(".lambdaimg/watch-*"))


def test_a_build_that_fails_is_told_and_the_old_code_served(watched: Served, sources: Path) -> None:
    await_words(watched, "first words")
    good = (sources / "Dockerfile").read_text()
    (sources / "Dockerfile").write_text(good + "RUN exit 5\n")
    assert watched.process.stderr is not None
    while b"exit" not in (line := watched.process.stderr.readline()):
        assert line
    await_words(watched, "first words")
    (sources / "words.txt").write_text("mended\n")
    (sources / "Dockerfile").write_text(good)
    await_words(watched, "mended")


def test_a_file_that_cannot_be_laid_over_is_told_and_the_next_one_served(
    watched: Served, sources: Path
) -> None:
    await_words(watched, "first words")
    # Where the copies are that the containers see.
    (copies,) = sources.glob(".lambdaimg/watch-*")
    copies = copies.rename(copies.with_suffix(".away"))
    stranger = sources / ".lambdaimg" / copies.stem
    stranger.write_text("")
    (sources / "words.txt").write_text("second words\n")
    assert watched.process.stderr is not None
    while b"watch-" not in (line := watched.process.stderr.readline()):
        assert line
    await_words(watched, "first words")
    stranger.unlink()
    (sources / "words.txt").write_text("third words\n")
    await_words(watched, "third words")
    shutil.rmtree(copies)


def test_a_plain_process_is_started_anew(project: Path, lambdaimg: CommandLine) -> None:
    handler = project / "hello_lambda.py"
    handler.write_text("def handler(event, context):\n    return 'one'\n")
    words = ("watch", "--no-docker", "--port", "0", "--json")
    served = Served(lambdaimg.at(project).start(*words))
    assert served.invoke(b"{}") == b'"one"'
    handler.write_text("def handler(event, context):\n    return 'other'\n")
    until(lambda: served.invoke(b"{}") == b'"other"', "the new code answers")
    assert "hello_lambda.py: started anew" in served.end()
    assert served.process.returncode == 0


def test_an_image_without_sources_cannot_be_watched(lambdaimg: CommandLine) -> None:
    done = lambdaimg("watch", "--image", "x")
    assert done.status == 2
    assert "watch builds the project's image" in done.stderr


def test_what_is_saved_while_it_starts_is_noticed(
    project: Path, lambdaimg: CommandLine, tmp_path: Path
) -> None:
    handler, loaded = project / "hello_lambda.py", tmp_path / "loaded"
    answer = "def handler(event, context):\n    return {!r}\n"
    handler.write_text(f"open({str(loaded)!r}, 'w').close()\n" + answer.format("one"))
    process = lambdaimg.at(project).start("watch", "--no-docker", "--port", "0", "--json")
    assert process.stdout is not None
    pipe = process.stdout.fileno()
    with open(f"/proc/self/fd/{pipe}", "wb", buffering=0) as other_end:  # noqa: PTH123
        # Its line about where it serves has to wait.
        other_end.write(b"." * fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, 4096))
    until(loaded.exists, "an environment with the old code")
    handler.write_text(answer.format("other"))
    assert set(process.stdout.read(4096)) == set(b".")
    served = Served(process)
    until(lambda: served.invoke(b"{}") == b'"other"', "the new code answers")
    assert "hello_lambda.py: started anew" in served.end()
