"""Builds on a real engine: what comes out, what is shown, and how a failure is told."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lambdaimg.container import legacy
from lambdaimg.container.builder import BuildSpec, build, check_platform
from lambdaimg.container.context import scan
from lambdaimg.container.engine import local_image
from lambdaimg.container.events import BuildEvent
from lambdaimg.errors import BuildError, NoEngineError, ProjectError
from tests.container.conftest import BuildImage, Tree, image_files, native

pytestmark = pytest.mark.usefixtures("base_image")


def test_an_image_and_its_events(
    build_image: BuildImage, tree: Tree, client: Any, tag: str
) -> None:
    folder = tree(
        {
            "Dockerfile": "ARG BASE=debian:trixie-slim\n"
            "FROM ${BASE}\n\n"
            "ARG WORD\n"
            "RUN echo said ${WORD} && \\\n    echo again >&2\n"
            "COPY handler.py /task/\n"
            'CMD ["handler"]\n',
            "handler.py": "pass\n",
        }
    )
    args = {"WORD": "hello", "UNKNOWN": "x"}
    image, events = build_image(folder, build_args=args, labels={"made.by": "a test"})
    steps = [(e.step, e.steps, e.line, e.text.split()[0]) for e in events if e.kind == "step"]
    assert steps == [
        (1, 7, 1, "ARG"),
        (2, 7, 2, "FROM"),
        (3, 7, 4, "ARG"),
        (4, 7, 5, "RUN"),
        (5, 7, 7, "COPY"),
        (6, 7, 8, "CMD"),
        (7, 7, None, "LABEL"),
    ]
    output = [(e.text, e.line) for e in events if e.kind == "output"]
    assert sorted(output) == [("again\n", 5), ("said hello\n", 5)]
    assert not [e for e in events if e.kind == "warning"]
    found = local_image(client, tag)
    assert found is not None
    assert found.id == image.id
    assert found.labels == {"made.by": "a test"}
    assert image.layers == image.new_layers == len(found.layers)
    assert image.size == found.size


def test_a_changed_file_is_one_new_layer_and_no_change_none(
    build_image: BuildImage, tree: Tree
) -> None:
    folder = tree(
        {
            "Dockerfile": "FROM debian:trixie-slim\nRUN echo x > /x\nCOPY handler.py /task/\n",
            "handler.py": "one\n",
        }
    )
    first, _ = build_image(folder)
    again, events = build_image(folder)
    assert (again.id, again.new_layers) == (first.id, 0)
    assert [e.step for e in events if e.kind == "cached"] == [2, 3]
    (folder / "handler.py").write_text("two\n")
    changed, _ = build_image(folder)
    assert (changed.layers, changed.new_layers) == (first.layers, 1)
    forced, events = build_image(folder, no_cache=True)
    assert forced.id != changed.id
    assert not [e for e in events if e.kind == "cached"]


def test_what_the_image_holds(build_image: BuildImage, tree: Tree, client: Any) -> None:
    folder = tree(
        {
            "Dockerfile": "FROM debian:trixie-slim\nCOPY . /ctx/\nCOPY .lambdaimg/image/ /\n",
            ".dockerignore": "secret\nDockerfile\n.dockerignore\n",
            "secret": "x",
            "a/run.sh": "#!/bin/sh\n",
            "a/ünï.txt": "text",
        }
    )
    (folder / "a/run.sh").chmod(0o700)
    (folder / "a/link").symlink_to("run.sh")
    (folder / "empty").mkdir()
    image, _ = build_image(folder)
    held = image_files(client, image.id, "ctx")
    ours = {k: v for k, v in held.items() if not k.startswith(".lambdaimg")}
    assert ours == {
        "a": ("dir", 0o755, ""),
        "a/run.sh": ("file", 0o755, "#!/bin/sh\n"),
        "a/ünï.txt": ("file", 0o644, "text"),
        "a/link": ("link", 0o777, "run.sh"),
        "empty": ("dir", 0o755, ""),
    }
    kit = image_files(client, image.id, "usr/local")
    assert kit["bin/bootstrap"][:2] == ("file", 0o755)
    assert kit["lib/lambdaimg/lambdaimg/__init__.py"][:2] == ("file", 0o644)


def test_the_command_builds_the_same(
    build_image: BuildImage, tree: Tree, client: Any, docker_command: str, tag: str
) -> None:
    """The docker command's own context of a folder, against ours, as images."""
    import os
    import subprocess

    folder = tree(
        {
            "Dockerfile": "FROM scratch\nCOPY . /ctx/\n",
            ".dockerignore": "**/*.pyc\nlogs\n!logs/keep.txt\n*.md\n!README.md\n",
            "app/main.py": "1",
            "app/main.pyc": "2",
            "logs/a.log": "3",
            "logs/keep.txt": "4",
            "README.md": "5",
            "NOTES.md": "6",
        }
    )
    image, _ = build_image(folder)
    other = tag.replace(":latest", ":command")
    subprocess.run(
        [docker_command, "build", "-q", "-t", other, folder],
        env={**os.environ, "DOCKER_BUILDKIT": "0"},
        capture_output=True,
        check=True,
    )
    try:
        theirs = image_files(client, other, "ctx")
    finally:
        client.images.remove(other)
    assert image_files(client, image.id, "ctx") == theirs
    assert "logs/keep.txt" in theirs


def test_the_ca_bundle_stays_in_the_builder_stage(
    build_image: BuildImage, tree: Tree, client: Any
) -> None:
    pem = "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n"
    folder = tree(
        {
            "Dockerfile": "FROM debian:trixie-slim AS builder\n"
            "COPY .lambdaimg/build/ca-bundle.pem /ca.pem\n"
            "RUN wc -c < /ca.pem > /size\n"
            "FROM scratch\n"
            "COPY --from=builder /size /size\n"
        }
    )
    bundle = folder.parent / "ca.pem"
    bundle.write_text(pem)
    image, _ = build_image(folder, ca_bundle=bundle)
    assert image_files(client, image.id)["size"][2].strip() == str(len(pem))
    everything = json.dumps([client.images.get(image.id).history(), image_files(client, image.id)])
    assert "CERTIFICATE" not in everything


def test_a_ca_bundle_in_the_final_image_is_refused(build_image: BuildImage, tree: Tree) -> None:
    builder = "FROM debian:trixie-slim AS b\nCOPY .lambdaimg/build/ /b/\nFROM debian:trixie-slim\n"
    folder = tree({"Dockerfile": f"{builder}COPY . /app\n"})
    bundle = folder.parent / "ca.pem"
    bundle.write_text("-----BEGIN CERTIFICATE-----\n")
    with pytest.raises(ProjectError, match=r"line 4: COPY \. /app would copy the CA bundle"):
        build_image(folder, ca_bundle=bundle)
    (folder / "Dockerfile").write_text(f"{builder}COPY --from=b /b /app\n")
    with pytest.raises(ProjectError, match=r"line 4: COPY --from=b /b /app would copy"):
        build_image(folder, ca_bundle=bundle)


def test_a_dockerfile_that_knows_nothing_of_the_kit_builds_with_a_ca_bundle_set(
    build_image: BuildImage, tree: Tree, client: Any
) -> None:
    folder = tree({"Dockerfile": "FROM scratch\nCOPY . /app\n", "x": "y"})
    bundle = folder.parent / "ca.pem"
    bundle.write_text("-----BEGIN CERTIFICATE-----\n")
    image, _ = build_image(folder, ca_bundle=bundle)
    assert set(image_files(client, image.id, "app")) == {"Dockerfile", "x"}


def test_files_that_no_stage_copies_are_not_sent(
    build_image: BuildImage, tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tree({"Dockerfile": "FROM scratch\nCOPY a* /\n", "app": "1", "out.log": "one\n"})

    def scan_then_write(spec: Any) -> Any:
        context = scan(spec)
        (folder / "out.log").write_text("one\ntwo\n")
        return context

    monkeypatch.setattr("lambdaimg.container.builder.scan", scan_then_write)
    image, _ = build_image(folder)
    assert image.layers == 1


# --- failures -----------------------------------------------------------------------------------


def failure(build_image: BuildImage, folder: Path, **more: Any) -> BuildError:
    with pytest.raises(BuildError) as caught:
        build_image(folder, **more)
    return caught.value


def test_a_failed_step_tells_its_line_and_output(build_image: BuildImage, tree: Tree) -> None:
    dockerfile = (
        "FROM debian:trixie-slim\n# a comment\nRUN echo before\n\n"
        "RUN echo one && \\\n    # more\n    echo two >&2 && \\\n    exit 7\n"
    )
    error = failure(build_image, tree({"Dockerfile": dockerfile}))
    assert error.message == (
        "Dockerfile, line 5: RUN echo one && echo two >&2 && exit 7 ended with exit status 7."
    )
    assert error.details["line"] == 5
    assert sorted(error.details["output"].splitlines()) == ["one", "two"]


@pytest.mark.parametrize(
    ("after", "line", "said", "hint"),
    [
        ("COPY nothing /\n", 2, "COPY nothing / failed", ".dockerignore"),
        ("RUN echo CERTIFICATE_VERIFY_FAILED; exit 1\n", 2, "exit status 1", "build_ca_bundle"),
        ("FROM localhost:1/a:b\n", 2, "FROM localhost:1/a:b failed", "docker load"),
        ("RUN echo ERROR: No matching distribution found for x; exit 1\n", 2, "1", "requirements"),
        ("RUN echo enough free space in /var/cache; exit 100\n", 2, "status 100", "Free space"),
    ],
)
def test_other_failures(
    build_image: BuildImage, tree: Tree, after: str, line: int, said: str, hint: str
) -> None:
    error = failure(build_image, tree({"Dockerfile": f"FROM debian:trixie-slim\n{after}"}))
    assert error.message.startswith(f"Dockerfile, line {line}: ")
    assert said in error.message
    assert hint in error.hint
    assert error.details["file"] == "Dockerfile"


@pytest.mark.parametrize(
    ("after", "line", "said", "hint"),
    [
        ("\nCOPPY a /\n", 3, "unknown instruction: COPPY", "spelling"),
        ("COPY\n", 2, "requires at least two arguments", "Mend that line"),
        ("COPY ../x /\n", 2, "COPY ../x /", "project folder"),
        ("COPY --from=5 x /\n", 2, "5", ""),
    ],
)
def test_mistakes_in_a_dockerfile_are_the_projects(
    build_image: BuildImage, tree: Tree, after: str, line: int, said: str, hint: str
) -> None:
    with pytest.raises(ProjectError) as caught:
        build_image(tree({"Dockerfile": f"FROM debian:trixie-slim\n{after}"}))
    assert caught.value.message.startswith(f"Dockerfile, line {line}: ")
    assert said in caught.value.message
    assert hint in caught.value.hint


def test_the_end_of_a_steps_output_is_told_again_and_bars_as_they_ended(
    build_image: BuildImage, tree: Tree
) -> None:
    step = "RUN seq 50; printf '10%%\\r55%%\\r100%%\\n'; exit 1\n"
    error = failure(build_image, tree({"Dockerfile": f"FROM debian:trixie-slim\n{step}"}))
    assert error.details["output"].split("\n") == [*map(str, range(42, 51)), "100%"]


@pytest.mark.parametrize(
    ("dockerfile", "target", "error", "said"),
    [
        ("# nothing\n", None, ProjectError, "has no FROM"),
        ("FROM scratch\n", "release", ProjectError, "no stage named release"),
    ],
)
def test_a_dockerfile_that_cannot_work_is_refused_before_the_build(
    build_image: BuildImage,
    tree: Tree,
    dockerfile: str,
    target: str | None,
    error: type[Exception],
    said: str,
) -> None:
    with pytest.raises(error, match=said):
        build_image(tree({"Dockerfile": dockerfile}), target=target)


def test_a_bad_image_name_is_refused(client: Any, tree: Tree) -> None:
    spec = BuildSpec(tree({"Dockerfile": "FROM scratch\nCOPY . /\n"}), "Not A Name")
    with pytest.raises(ProjectError, match="not one that Docker takes"):
        build(client, spec, lambda _: None)


def test_a_file_that_cannot_be_sent_ends_the_build_in_its_own_words(
    build_image: BuildImage, tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tree({"Dockerfile": "FROM scratch\nCOPY . /\n", "big": "x" * 1_000_000})

    def scan_then_truncate(spec: Any) -> Any:
        context = scan(spec)
        (folder / "big").write_text("short")
        return context

    monkeypatch.setattr("lambdaimg.container.builder.scan", scan_then_truncate)
    with pytest.raises(BuildError, match="big changed while it was being sent"):
        build_image(folder)


def test_an_engine_that_goes_away(client: Any, tree: Tree, tag: str) -> None:
    import contextlib
    import socket

    from lambdaimg.container.engine import connect, endpoint
    from tests.container.relay import Relay, unix

    dial = unix(endpoint().socket_path or "")
    opened: list[socket.socket] = []

    def counted() -> socket.socket:
        opened.append(dial())
        return opened[-1]

    def cut(event: BuildEvent) -> None:
        if event.kind == "output":
            for far in opened:
                with contextlib.suppress(OSError):
                    far.shutdown(socket.SHUT_RDWR)

    folder = tree({"Dockerfile": "FROM debian:trixie-slim\nRUN echo x; sleep 2\n"})
    with Relay(counted) as relay:
        far_client = connect(f"tcp://127.0.0.1:{relay.port}")
        with pytest.raises(NoEngineError, match="broke"):
            build(far_client, BuildSpec(folder, tag), cut)
        far_client.close()


# --- platforms ----------------------------------------------------------------------------------


def test_another_architecture_is_refused(client: Any, tree: Tree, tag: str) -> None:
    other = {"amd64": "linux/arm64", "arm64": "linux/amd64"}[native(client).partition("/")[2]]
    folder = tree({"Dockerfile": "FROM debian:trixie-slim\nCOPY Dockerfile /\n"})
    # Some engines say that what is there does not match, some try to pull what would.
    said = r"exec format error|^Dockerfile, line 1: FROM debian:trixie-slim failed"
    with pytest.raises(BuildError, match=said) as caught:
        build(client, BuildSpec(folder, tag, platform=other), lambda _: None)
    assert f"docker pull --platform {other} " in caught.value.hint
    assert "emulation" in caught.value.hint


def test_one_cache_does_not_mix_platforms(client: Any, tree: Tree, tag: str) -> None:
    folder = tree({"Dockerfile": f"FROM scratch\nCOPY Dockerfile /\n# {tag}\n"})
    for platform in ("linux/arm64", "linux/amd64"):
        build(client, BuildSpec(folder, tag, platform=platform), lambda _: None)
        image = local_image(client, tag)
        assert image is not None
        assert image.platform.startswith(platform)


@pytest.mark.parametrize(
    ("have", "wanted", "fits"),
    [
        ("linux/amd64", "linux/amd64", True),
        ("linux/x86_64", "linux/amd64", True),
        ("linux/arm64/v8", "linux/arm64", True),
        ("linux/arm64", "linux/amd64", False),
        ("windows/amd64", "linux/amd64", False),
    ],
)
def test_platforms_are_compared_by_meaning(
    client: Any, base_image: str, have: str, wanted: str, fits: bool
) -> None:
    image = local_image(client, base_image)
    assert image is not None
    image = replace(image, platform=have)
    if fits:
        check_platform(image, wanted)
    else:
        with pytest.raises(BuildError, match=f"The image is for {have}, but {wanted}"):
            check_platform(image, wanted)


def test_declared_platform_args_have_values(
    build_image: BuildImage, tree: Tree, client: Any
) -> None:
    text = (
        "FROM debian:trixie-slim\nARG TARGETPLATFORM\nARG TARGETARCH\n"
        "ARG BUILDOS\nARG TARGETVARIANT\n"
        "RUN echo $TARGETPLATFORM $TARGETARCH $BUILDOS [$TARGETVARIANT]\n"
    )
    _, events = build_image(tree({"Dockerfile": text}))
    platform = native(client)
    said = "".join(e.text for e in events if e.kind == "output")
    assert said.split() == [platform, platform.partition("/")[2], "linux", "[]"]


# --- the stream's odder messages ----------------------------------------------------------------


def test_pulls_and_remarks_become_events(tree: Tree) -> None:
    log = legacy.Log(_job(tree({"Dockerfile": "FROM a\n"})))
    messages: list[dict[str, Any]] = [
        {"status": "Downloading", "id": "ab", "progressDetail": {"current": 5, "total": 9}},
        {"stream": "Step 1/1 : FROM a\n"},
        {"stream": "\n"},
        {"stream": " ---> 0123456789ab\n"},
        {"stream": "[Warning] One or more build-args [X] were not consumed\n"},
        {"stream": "Successfully built 0123456789ab\n"},
        {"stream": "Successfully tagged x:latest\n"},
        {"aux": {"ID": "sha256:ff"}},
    ]
    events = [event for message in messages for event in log.feed(message)]
    assert events == [
        BuildEvent("pull", "Downloading", id="ab", current=5, total=9),
        BuildEvent("step", "FROM a", step=1, steps=1, line=1),
        BuildEvent(
            "warning",
            "[Warning] One or more build-args [X] were not consumed\n",
            step=1,
            steps=1,
            line=1,
        ),
    ]
    assert log.image_id == "sha256:ff"


def test_secrets_do_not_show_in_a_representation(tree: Tree) -> None:
    folder = tree({"Dockerfile": "FROM a\nARG T\n"})
    assert "hunter2" not in repr(BuildSpec(folder, "t", build_args={"T": "hunter2"}))
    assert "hunter2" not in repr(_job(folder, T="hunter2"))


def _job(folder: Path, **args: str) -> Any:
    from lambdaimg.container.context import ContextSpec
    from lambdaimg.container.dockerfile import parse
    from lambdaimg.container.job import Job

    context = scan(ContextSpec(folder))
    dockerfile = parse(context.dockerfile_text)
    return Job(context, dockerfile, "t", args, "linux/amd64", None, {}, no_cache=False)


# --- stored logins ------------------------------------------------------------------------------


@pytest.mark.parametrize("installed", [True, False])
def test_a_credential_helper_that_fails_does_not_stop_a_build(
    build_image: BuildImage,
    tree: Tree,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    installed: bool,
) -> None:
    import os

    if installed:
        helper = tmp_path / "docker-credential-stale"
        helper.write_text("#!/bin/sh\necho 'the token has expired'\nexit 1\n")
        helper.chmod(0o755)
    (tmp_path / "config.json").write_text('{"credsStore": "stale"}')
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    _, events = build_image(tree({"Dockerfile": "FROM scratch\nCOPY . /\n"}))
    [warning] = [e.text for e in events if e.kind == "warning"]
    assert "docker-credential-stale" in warning


def test_proxies_of_the_docker_configuration_reach_the_build(
    build_image: BuildImage, tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = {"proxies": {"default": {"httpProxy": "http://proxy.test:3128"}}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    _, events = build_image(tree({"Dockerfile": "FROM debian:trixie-slim\nRUN echo $http_proxy\n"}))
    assert [e.text for e in events if e.kind == "output"] == ["http://proxy.test:3128\n"]
