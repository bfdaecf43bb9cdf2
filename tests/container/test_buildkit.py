"""BuildKit by the docker command: its progress decoded, its arguments, and real builds."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest

from lambdaimg.container import buildkit, legacy
from lambdaimg.container.builder import BuildSpec, build
from lambdaimg.container.buildkit import Tool, command_line, find_tool
from lambdaimg.container.buildlog import PlainLog, from_of, step_of
from lambdaimg.container.context import ContextSpec, scan
from lambdaimg.container.dockerfile import parse
from lambdaimg.container.engine import local_image
from lambdaimg.container.events import BuildEvent
from lambdaimg.container.job import Job, step_failed
from lambdaimg.container.legacy import NoLegacyBuilderError
from lambdaimg.errors import BuildError, InterruptedRunError
from tests.container.conftest import Tree, image_files

DOCKERFILE = """\
FROM debian:trixie-slim AS builder
RUN --mount=type=cache,target=/c echo hi
# a comment
RUN echo two && \\
    echo three; false
FROM debian:trixie-slim
ENV A=1
WORKDIR /task
COPY --from=builder /etc/hostname /x
COPY handler.py ./
"""

# As printed by buildx 0.13.1 and by newer ones, shortened.
FAILED = """\
#0 building with "default" instance using docker driver

#1 [internal] load build definition from Dockerfile
#1 transferring dockerfile: 200B done
#1 DONE 0.0s

#2 [internal] load metadata for docker.io/library/debian:trixie-slim
#2 DONE 0.3s

#3 [builder 1/3] FROM docker.io/library/debian:trixie-slim@sha256:0123
#3 sha256:0123456789abcdef 1.05MB / 29.12MB 0.2s
#3 CACHED

#4 [stage-1 2/4] WORKDIR /task
#4 CANCELED

#5 [builder 2/3] RUN --mount=type=cache,target=/c echo hi
#5 0.105 hi
#5 DONE 0.1s

#6 [builder 3/3] RUN echo two &&     echo three; false
#6 0.210 two
#6 ...

#4 [stage-1 2/4] WORKDIR /task
#4 ERROR: context canceled

#6 [builder 3/3] RUN echo two &&     echo three; false
#6 0.250 three
#6 ERROR: process "/bin/sh -c echo two &&     echo three; false" did not complete successfully: exit code: 1
------
 > [builder 3/3] RUN echo two &&     echo three; false:
0.210 two
0.250 three
------
WARNING: something to know
Dockerfile:4
--------------------
   3 |     # a comment
   4 | >>> RUN echo two && \\
   5 | >>>     echo three; false
--------------------
ERROR: failed to solve: process "/bin/sh -c echo two &&     echo three; false" did not complete successfully: exit code: 1
"""  # noqa: E501


def job_of(folder: Path, dockerfile: str = "Dockerfile", **more: Any) -> Job:
    context = scan(ContextSpec(folder, dockerfile))
    facts: dict[str, Any] = {
        "tag": "t",
        "args": {},
        "platform": "linux/amd64",
        "target": None,
        "labels": {},
        "no_cache": False,
    }
    return Job(context, parse(context.dockerfile_text), **{**facts, **more})


@pytest.fixture
def job(tree: Tree) -> Job:
    return job_of(tree({"Dockerfile": DOCKERFILE, "handler.py": ""}))


# --- the progress -------------------------------------------------------------------------------


def test_plain_progress_becomes_the_same_events(job: Job) -> None:
    log = PlainLog(job)
    events = [event for line in FAILED.splitlines() for event in log.feed(line)]
    assert [(e.kind, e.step, e.line, e.text) for e in events] == [
        ("step", 1, 1, "FROM docker.io/library/debian:trixie-slim@sha256:0123"),
        ("pull", None, None, "Downloading"),
        ("cached", 1, 1, ""),
        ("step", 6, 8, "WORKDIR /task"),
        ("step", 2, 2, "RUN --mount=type=cache,target=/c echo hi"),
        ("output", 2, 2, "hi\n"),
        ("step", 3, 4, "RUN echo two &&     echo three; false"),
        ("output", 3, 4, "two\n"),
        ("output", 3, 4, "three\n"),
        ("warning", None, None, "WARNING: something to know\n"),
    ]
    assert [(e.id, e.current, e.total) for e in events if e.kind == "pull"] == [
        ("0123456789ab", 1_050_000, 29_120_000)
    ]
    error = step_failed(
        job, log.failed_instruction, log.reason(), log.output(), step=log.failed_step
    )
    assert error.message == (
        "Dockerfile, line 4: RUN echo two && echo three; false ended with exit status 1."
    )
    assert error.details["output"] == "two\nthree"


@pytest.mark.parametrize(
    ("lines", "message", "line"),
    [
        (
            ["Dockerfile:9", "ERROR: failed to solve: something broke"],
            "Dockerfile, line 9: COPY --from=builder /etc/hostname /x failed: something broke.",
            9,
        ),
        (
            ["ERROR: failed to solve: dockerfile parse error on line 3: unknown instruction: X"],
            "Dockerfile, line 3: unknown instruction: X.",
            3,
        ),
        (
            [
                "#2 [internal] load metadata for docker.io/library/debian:trixie-slim",
                "#2 ERROR: no such host",
            ],
            "Dockerfile, line 1: FROM debian:trixie-slim AS builder failed: no such host.",
            1,
        ),
        (
            ["ERROR: Cannot connect to the Docker daemon"],
            "The build of Dockerfile failed: ERROR: Cannot connect to the Docker daemon.",
            None,
        ),
        ([], "The build of Dockerfile failed: the docker command gave no reason.", None),
    ],
)
def test_failures_are_told_with_the_line_where_there_is_one(
    job: Job, lines: list[str], message: str, line: int | None
) -> None:
    log = PlainLog(job)
    for text in lines:
        list(log.feed(text))
    error = step_failed(job, log.failed_instruction, log.reason(), log.output())
    assert error.message == message
    assert error.details.get("line") == line


@pytest.mark.parametrize(
    ("stage", "at", "of", "step"),
    [
        ("builder", 1, 3, 1),
        ("builder", 3, 3, 3),
        ("stage-1", 1, 4, 4),
        ("stage-1", 2, 4, 6),
        (None, 4, 4, 8),
        ("stage-1", 3, 3, 8),  # from another stage or scratch: FROM is not counted
        ("stage-1", 9, 4, None),
        ("other", 1, 1, None),
    ],
)
def test_buildkits_numbers_are_mapped_to_instructions(
    stage: str | None, at: int, of: int, step: int | None
) -> None:
    assert step_of(parse(DOCKERFILE), stage, at, of) == step


def test_a_base_image_is_found_by_its_full_name() -> None:
    dockerfile = parse("FROM alpine AS a\nFROM team/base:1\nFROM reg.test:5/x@sha256:00\n")
    names = [
        "docker.io/library/alpine:latest",
        "docker.io/team/base:1",
        "reg.test:5/x@sha256:00",
        "docker.io/library/other:latest",
    ]
    assert [from_of(dockerfile, name) for name in names] == [1, 2, 3, None]


# --- the command --------------------------------------------------------------------------------


def fake_docker(folder: Path, script: str) -> Path:
    folder.mkdir(exist_ok=True)
    command = folder / "docker"
    command.write_text(f"#!/bin/sh\n{script}\n")
    command.chmod(0o755)
    return command


OLD = 'test "$1" = --version && echo "Docker version 20.10.24, build x"'
NEW = 'test "$1" = --version && echo "Docker version 28.2.2, build x"'
PLUGIN = 'test "$1 $2" = "buildx version" && echo v0.13'


@pytest.mark.parametrize(
    ("scripts", "found"),
    [
        ([], None),
        ([NEW], None),
        ([OLD], (0, False)),
        ([PLUGIN], (0, True)),
        ([NEW, OLD], (1, False)),
        (["exit 1", PLUGIN, OLD], (1, True)),
    ],
)
def test_the_first_command_that_can_is_taken(
    tmp_path: Path, scripts: list[str], found: tuple[int, bool] | None
) -> None:
    commands = [fake_docker(tmp_path / str(n), script) for n, script in enumerate(scripts)]
    path = os.pathsep.join(["", str(tmp_path / "none"), *(str(c.parent) for c in commands)])
    tool = find_tool(path)
    assert (tool and (tool.path, tool.buildx)) == (found and (str(commands[found[0]]), found[1]))


def test_the_arguments(tree: Tree) -> None:
    job = job_of(
        tree({"d/Dockerfile": "FROM a\nARG T\nARG PATH\n"}),
        "d/Dockerfile",
        args={"T": "hunter2", "PATH": "/x"},
        labels={"a": "b"},
        target="last",
        no_cache=True,
    )
    environ = {"T": "hunter2", "PATH": "/bin"}
    words = command_line(Tool("docker", buildx=True), job, Path("id"), environ)
    assert words == [
        "docker",
        "buildx",
        "build",
        "--provenance=false",
        "--sbom=false",
        "--load",
        "--progress=plain",
        "--platform=linux/amd64",
        "--iidfile=id",
        "--tag=t",
        "--file=d/Dockerfile",
        "--no-cache",
        "--target=last",
        "--label=a=b",
        "--build-arg",
        "PATH=/x",
        "--build-arg",
        "T",
        "-",
    ]
    plain = command_line(Tool("docker", buildx=False), job, Path("id"), environ)
    assert plain[:3] == ["docker", "build", "--progress=plain"]


def test_a_secret_is_in_the_environment_and_in_no_argument(tree: Tree, tmp_path: Path) -> None:
    script = 'cat >/dev/null; echo "args: $*"; echo "T=$T"; echo "host: $DOCKER_HOST"; exit 1'
    command = fake_docker(tmp_path / "bin", script)
    job = job_of(tree({"Dockerfile": "FROM a\nARG T\n"}), args={"T": "hunter2"})
    with pytest.raises(BuildError) as caught:
        buildkit.run(Tool(str(command), buildx=True), job, lambda _: None, "tcp://there:1")
    args, value, host = caught.value.details["output"].splitlines()
    assert "hunter2" not in args
    assert value == "T=hunter2"
    assert host == "host: tcp://there:1"


def test_a_command_that_cannot_be_run(job: Job, tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="cannot be run: No such file"):
        buildkit.run(Tool(str(tmp_path / "docker"), buildx=True), job, lambda _: None)


def test_a_command_that_ends_before_it_has_read_the_context(tree: Tree, tmp_path: Path) -> None:
    command = fake_docker(tmp_path / "bin", 'echo "ERROR: failed to solve: too early" >&2; exit 1')
    job = job_of(tree({"Dockerfile": "FROM a\n", "big": b"x" * 3_000_000}))
    with pytest.raises(BuildError, match="too early"):
        buildkit.run(Tool(str(command), buildx=True), job, lambda _: None)


def test_a_file_that_cannot_be_sent_ends_the_command(tree: Tree, tmp_path: Path) -> None:
    command = fake_docker(tmp_path / "bin", "exec cat")
    folder = tree({"Dockerfile": "FROM a\n", "big": b"x" * 300_000})
    job = job_of(folder)
    (folder / "big").write_text("short")
    with pytest.raises(BuildError, match="big changed while it was being sent"):
        buildkit.run(Tool(str(command), buildx=True), job, lambda _: None)


def test_an_interruption_ends_the_command(tree: Tree, tmp_path: Path) -> None:
    command = fake_docker(
        tmp_path / "bin", f'echo $$ > {tmp_path}/pid; echo "#1 0.1 hi"; exec sleep 60'
    )

    def interrupt(event: BuildEvent) -> None:
        raise KeyboardInterrupt

    job = job_of(tree({"Dockerfile": "FROM a\n"}))
    with pytest.raises(KeyboardInterrupt):
        buildkit.run(Tool(str(command), buildx=True), job, interrupt)
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


# --- real builds --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tool() -> Tool:
    found = find_tool()
    if found is None:
        pytest.fail("no docker command here can use BuildKit; install docker-buildx")
    return found


def test_a_dockerfile_that_needs_buildkit(
    client: Any, base_image: str, tool: Tool, tree: Tree, tag: str
) -> None:
    folder = tree(
        {
            "Dockerfile": "FROM debian:trixie-slim AS builder\nARG WORD\n"
            "RUN --mount=type=cache,target=/cache echo said $WORD | tee /said\n"
            "FROM debian:trixie-slim\nCOPY --from=builder /said /said\nCOPY . /ctx/\n",
            ".dockerignore": "secret\n",
            "secret": "x",
            "a.txt": "a",
        }
    )
    events: list[BuildEvent] = []
    spec = BuildSpec(folder, tag, build_args={"WORD": tag}, labels={"by": "tests"})
    image = build(client, spec, events.append)
    found = local_image(client, tag)
    assert found is not None
    assert (found.id, found.labels) == (image.id, {"by": "tests"})
    assert [(e.line, e.text) for e in events if e.kind == "output"] == [(3, f"said {tag}\n")]
    held = image_files(client, tag)
    assert held["said"] == ("file", 0o644, f"said {tag}\n")
    assert held["ctx/a.txt"] == ("file", 0o644, "a")
    assert "ctx/secret" not in held
    again = build(client, spec, lambda _: None)
    assert (again.id, again.new_layers) == (image.id, 0)


def test_a_step_that_fails_in_buildkit(
    client: Any, base_image: str, tool: Tool, tree: Tree, tag: str
) -> None:
    text = (
        "FROM debian:trixie-slim\nRUN --mount=type=cache,target=/cache true\n\n"
        "# here\nRUN echo one; \\\n  echo two; exit 5\n"
    )
    with pytest.raises(BuildError) as caught:
        build(client, BuildSpec(tree({"Dockerfile": text}), tag), lambda _: None)
    error = caught.value
    assert error.message == (
        "Dockerfile, line 5: RUN echo one; echo two; exit 5 ended with exit status 5."
    )
    assert error.details["output"].splitlines() == ["one", "two"]


def test_without_buildkit_one_sentence_says_so(
    client: Any, base_image: str, tree: Tree, tag: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    text = "FROM debian:trixie-slim\nRUN --mount=type=cache,target=/cache true\n"
    with pytest.raises(BuildError, match=r"^Dockerfile, line 2: RUN --mount needs BuildKit"):
        build(client, BuildSpec(tree({"Dockerfile": text}), tag), lambda _: None)


def test_a_syntax_directive_alone_is_built_without_buildkit(
    client: Any, base_image: str, tree: Tree, tag: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    text = "# syntax=docker/dockerfile:1\nFROM debian:trixie-slim\nCOPY Dockerfile /\n"
    image = build(client, BuildSpec(tree({"Dockerfile": text}), tag), lambda _: None)
    assert image.layers > 1


@pytest.fixture
def no_legacy_builder(monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine without it is not to be had in tests, so its refusal alone is made up."""

    def refuses(*_: Any) -> str:
        raise NoLegacyBuilderError("the legacy builder is gone")

    monkeypatch.setattr(legacy, "run", refuses)


@pytest.mark.usefixtures("no_legacy_builder", "base_image", "tool")
def test_an_engine_without_the_legacy_builder(client: Any, tree: Tree, tag: str) -> None:
    folder = tree({"Dockerfile": "FROM debian:trixie-slim\nCOPY Dockerfile /\n"})
    events: list[BuildEvent] = []
    image = build(client, BuildSpec(folder, tag), events.append)
    assert image.layers > 1
    assert events[0].kind == "warning"


@pytest.mark.usefixtures("no_legacy_builder", "base_image")
def test_an_engine_without_the_legacy_builder_and_no_command(
    client: Any, tree: Tree, tag: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    folder = tree({"Dockerfile": "FROM debian:trixie-slim\nCOPY Dockerfile /\n"})
    with pytest.raises(BuildError, match="builds with BuildKit alone"):
        build(client, BuildSpec(folder, tag), lambda _: None)


def test_a_cancelled_build_ends_the_command(tree: Tree, tmp_path: Path) -> None:
    command = fake_docker(tmp_path / "bin", "echo '#1 [1/1] RUN x'; exec sleep 600")
    job = job_of(tree({"Dockerfile": "FROM a\nRUN x\n"}))

    def cancel(_event: BuildEvent) -> None:
        threading.Thread(target=job.cancel.now).start()

    with pytest.raises(InterruptedRunError):
        buildkit.run(Tool(str(command), buildx=True), job, cancel)
