"""The fast path against the ordinary build: the same files, no engine, no doubt."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.container.conftest import image_files
from tests.speed.conftest import DOCKERFILE, NO_ENGINE, Machine, Machines

LIST = (
    "cd / && find var/task -printf '%p|%y|%m|%U:%G|%l\\n' | sort"
    " && find var/task -type f -print0 | sort -z | xargs -0r sha256sum"
)


def files_in_container(engine: Any, image: str) -> str:
    """Names, kinds, modes, owners, targets and contents, as a process in the container sees."""
    found: bytes = engine.containers.run(image, ["sh", "-c", LIST], entrypoint=[], remove=True)
    return found.decode("utf-8", "surrogateescape")


def pulled(engine: Any, machine: Machine, uri: str) -> str:
    """The image that was deployed, fetched from the registry."""
    name, _, digest = uri.partition("@")
    path = name.partition("/")[2]
    # The engine may not keep several connections to the test's proxy.
    return str(engine.images.pull(f"localhost:{machine.aws.port}/{path}@{digest}").id)


def modes(app: Path) -> None:
    (app / "run").chmod(0o755)
    (app / "tool").chmod(0o600)


def deletions(app: Path) -> None:
    (app / "gone.py").unlink()
    (app / "old/deep/file").unlink()
    (app / "old/deep").rmdir()
    (app / "old").rmdir()


def symlinks(app: Path) -> None:
    (app / "link").unlink()
    (app / "link").symlink_to("sub/other")
    (app / "sub/up").unlink()
    (app / "sub/up").symlink_to("../tool")


def unicode_names(app: Path) -> None:
    (app / "grüße/日本語 ☃.txt").write_text("changed")


def long_names(app: Path) -> None:
    (app / ("d" * 120) / ("f" * 200)).write_text("changed")


CHANGES: tuple[Callable[[Path], None], ...] = (
    modes,
    deletions,
    symlinks,
    unicode_names,
    long_names,
)
FILES = {
    "app/__init__.py": "1",
    "app/run": "#!/bin/sh\n",
    "app/tool": "t",
    "app/gone.py": "x",
    "app/old/deep/file": "x",
    "app/sub/other": "o",
    "app/grüße/日本語 ☃.txt": "first",
    f"app/{'d' * 120}/{'f' * 200}": "first",
}


def test_the_image_has_the_files_of_the_ordinary_build(machine: Machines, engine: Any) -> None:
    project = machine(FILES, DOCKERFILE)
    app = project.folder / "app"
    (app / "tool").chmod(0o755)
    (app / "empty").mkdir()
    (app / "link").symlink_to("tool")
    (app / "sub/up").symlink_to("../run")
    assert project.deploy()["image"]["detail"].endswith("not reproducible")
    twin = project.elsewhere("twin")
    for change in CHANGES:
        for each in (project, twin):
            change(each.folder / "app")
        done = project.fast()
        assert "no engine" in done["image"]["detail"], change
        ours = files_in_container(engine, pulled(engine, project, done["deploy"]["value"]))
        built = twin.run("image").ok().json()["result"]["value"]
        assert ours == files_in_container(engine, built), change
    config = engine.images.get(pulled(engine, project, done["deploy"]["value"])).attrs["Config"]
    built_config = engine.images.get(built).attrs["Config"]
    kept = ("Cmd", "Entrypoint", "Env", "WorkingDir", "User", "Labels", "ExposedPorts", "Volumes")
    assert {k: config.get(k) for k in kept} == {k: built_config.get(k) for k in kept}


def test_ten_thousand_files(machine: Machines, engine: Any) -> None:
    names = {f"app/{n % 100:02}/file-{n}": f"{n}\n" for n in range(10_000)}
    project = machine(names)
    project.deploy()
    for number in range(0, 10_000, 3):
        (project.folder / f"app/{number % 100:02}/file-{number}").write_text("changed")
    (project.folder / "app/07/file-7").unlink()
    done = project.fast()
    image = pulled(engine, project, done["deploy"]["value"])
    built = project.run("image").ok().json()["result"]["value"]
    assert image_files(engine, image, "app") == image_files(engine, built, "app")


@pytest.mark.parametrize(
    "copy",
    ["COPY --chown=1000:2000 app /srv/app/", "COPY app/run app/two /srv/", "COPY app /srv/../x"],
)
def test_owners_and_places(machine: Machines, engine: Any, copy: str) -> None:
    project = machine({"app/run": "1", "app/two": "2"}, f"FROM scratch\n{copy}\nUSER 7\nENV A=b\n")
    project.deploy()
    project.write({"app/run": "changed"})
    (project.folder / "app/two").chmod(0o755)
    image = pulled(engine, project, project.fast()["deploy"]["value"])
    built = project.run("image").ok().json()["result"]["value"]
    assert owners(engine, image) == owners(engine, built)
    assert image_files(engine, image) == image_files(engine, built)


def owners(engine: Any, image: str) -> dict[str, tuple[int, int]]:
    """Path -> user and group of all that an image holds."""
    import io
    import tarfile

    container = engine.api.create_container(image, command=["none"])
    try:
        data = b"".join(engine.api.export(container["Id"]))
    finally:
        engine.api.remove_container(container["Id"])
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return {member.name: (member.uid, member.gid) for member in tar}


def test_an_unchanged_handler_is_a_no_op_on_any_machine(machine: Machines) -> None:
    project = machine({"app/run": "1"})
    project.deploy()
    project.write({"app/run": "2"})
    digest = project.fast()["deploy"]["value"]
    other = project.elsewhere("other")
    project.proxy.forget()
    done = other.fast()
    assert done["deploy"]["value"] == digest
    assert done["deploy"]["action"] == "adopted"
    assert other.registry_calls("PUT", "POST", "PATCH") == []
    again = other.fast()
    assert {each["action"] for each in again.values()} == {"up to date"}
    assert {each["action"] for each in other.fast("--verify").values()} == {"up to date"}


def test_the_same_sources_have_the_same_digest_on_two_machines(machine: Machines) -> None:
    project = machine({"app/run": "1", "app/two": "2"})
    project.deploy()
    other = project.elsewhere("other")
    for each, umask in ((project, 0o022), (other, 0o077)):
        before = os.umask(umask)
        (each.folder / "app/run").unlink()
        each.write({"app/run": "changed"})
        os.umask(before)
    os.utime(other.folder / "app/two", (1, 1))
    first = project.fast()
    assert first["image"]["detail"].endswith("digest reproducible")
    tag = next(t for t, d in project.tags().items() if first["deploy"]["value"].endswith(d))
    ids = [{"imageTag": tag}]
    project.aws.client("ecr").batch_delete_image(repositoryName=project.name, imageIds=ids)
    second = other.fast()
    assert second["deploy"]["action"] == "pushed"
    assert second["deploy"]["value"] == first["deploy"]["value"]
    assert second["image"]["value"] == first["image"]["value"]


def test_back_to_what_the_engine_built(machine: Machines) -> None:
    project = machine({"app/run": "1"})
    first = project.deploy()["deploy"]["value"]
    project.write({"app/run": "2"})
    project.fast()
    project.write({"app/run": "1"})
    other = project.elsewhere("other")
    assert project.fast()["deploy"]["value"] == first
    assert other.fast()["deploy"]["value"] == first
    digest = first.rpartition("@")[2]
    ids = [{"imageDigest": digest}]
    project.aws.client("ecr").batch_delete_image(repositoryName=project.name, imageIds=ids)
    third = project.elsewhere("third")
    assert third.run("deploy", **NO_ENGINE).status == 1


def test_no_fast_builds(machine: Machines) -> None:
    project = machine({"app/run": "1"})
    project.deploy()
    project.write({"app/run": "2"})
    failed = project.run("deploy", "--no-fast", **NO_ENGINE)
    assert failed.status == 1
    assert failed.json()["error"]["code"] == "NoEngine"
    assert "layers new" in project.deploy("--no-fast")["image"]["detail"]
    project.write({"app/run": "3"})
    assert "no such run pushed" in project.deploy()["image"]["detail"]
    project.write({"app/run": "4"})
    project.fast()
    # What was made without an engine does not count for a run that is to build.
    assert project.deploy("--no-fast")["image"]["action"] == "built"


def test_without_the_setting_nothing_is_registered(machine: Machines) -> None:
    project = machine({"app/run": "1"}, fast=False)
    project.deploy()
    assert all(tag.startswith("src-") for tag in project.tags())


def test_a_new_file_is_built_and_then_belongs_to_it(machine: Machines) -> None:
    project = machine({"app/run": "1"})
    project.deploy()
    project.write({"app/new": "1"})
    assert project.run("deploy", **NO_ENGINE).status == 1
    assert project.deploy()["image"]["detail"].endswith("built because /app/new is new")
    project.write({"app/new": "2"})
    project.fast()


def test_other_changes_are_built(machine: Machines) -> None:
    two = "FROM scratch\nCOPY data /data\nCOPY app /app\n"
    project = machine({"app/run": "1", "data": "1"}, two)
    project.deploy()
    for change in ({"data": "2"}, {"Dockerfile": f"{two}ENV A=b\n"}):
        project.write(change)
        assert project.run("deploy", **NO_ENGINE).status == 1
        assert "layers new" in project.deploy()["image"]["detail"]
        project.write({"app/run": repr(change)})
        project.fast()


def test_an_image_that_was_built_anew_counts(machine: Machines) -> None:
    """What `image --force` fetched below the handler must not be lost by the next change."""
    project = machine({"app/run": "1"})
    project.deploy()
    project.run("image", "--force").ok()
    project.write({"app/run": "2"})
    done = project.deploy()
    assert "no such run pushed" in done["image"]["detail"]
    project.write({"app/run": "3"})
    project.fast()


def test_a_push_that_was_cut_off_goes_on(machine: Machines) -> None:
    project = machine({"app/run": "1"})
    project.deploy()
    project.write({"app/run": "2"})
    done = project.fast()
    # As a run that was killed after it had written the image's record.
    (record,) = project.folder.glob(".lambdaimg/*/deploy.json")
    record.unlink()
    again = project.fast()
    assert again["deploy"]["action"] == "adopted"
    assert again["deploy"]["value"] == done["deploy"]["value"]
    ids = [{"imageDigest": done["deploy"]["value"].rpartition("@")[2]}]
    project.aws.client("ecr").batch_delete_image(repositoryName=project.name, imageIds=ids)
    record.unlink()
    pushed = project.fast()
    assert pushed["deploy"]["action"] == "pushed"
    assert pushed["deploy"]["value"] == done["deploy"]["value"]


def test_tags_that_cannot_be_moved(machine: Machines) -> None:
    project = machine({"app/run": "1"}, immutable_tags=True)
    project.deploy()
    for text in ("2", "3"):
        project.write({"app/run": text})
        project.fast()
    project.write({"app/new": "1"})
    project.deploy()
    project.write({"app/new": "2"})
    project.fast()


def test_prune_keeps_what_is_extended(machine: Machines) -> None:
    project = machine({"app/run": "1"}, keep_images=1)
    project.deploy()
    for text in ("2", "3"):
        project.write({"app/run": text})
        project.fast()
    project.run("prune", "--yes").ok()
    # The registry tells seconds alone, so that more than one may count as the newest.
    assert {tag.partition("-")[0] for tag in project.tags()} == {"base", "src"}
    project.write({"app/run": "4"})
    project.fast()


def test_status_and_diff_need_no_engine(machine: Machines) -> None:
    project = machine({"app/run": "1"})
    project.deploy()
    project.write({"app/run": "2"})
    project.fast()
    rows = project.run("status", **NO_ENGINE).ok().json()["result"]["targets"]
    assert {row["state"] for row in rows if row["target"] in ("image", "deploy")} == {"fresh"}
    rows = project.run("status", "--verify", **NO_ENGINE).ok().json()["result"]["targets"]
    found = {row["target"]: row["state"] for row in rows}
    assert (found["image"], found["deploy"]) == ("as recorded", "as recorded")
    project.run("diff", "deploy", **NO_ENGINE).ok()
    project.write({"app/run": "3"})
    assert project.run("diff", "deploy", **NO_ENGINE).status == 4


def test_what_the_engine_notes_of_a_secret_is_in_no_record(machine: Machines) -> None:
    seen = "FROM scratch\nARG TOKEN\nENV SEEN=$TOKEN\nCOPY app /app\n"
    project = machine({"app/run": "1"}, seen)
    project.extra = {"LAMBDAIMG_BUILD_ARGS": "TOKEN=hunter2-of-the-build"}
    project.deploy()
    project.write({"app/run": "2"})
    other = project.elsewhere("other")
    digest = project.fast()["deploy"]["value"]
    assert other.fast()["deploy"]["value"] == digest
    project.write({"app/run": "3"})
    project.fast()
    for each in (project, other):
        records = [path for path in each.folder.rglob(".lambdaimg/**/*") if path.is_file()]
        assert records
        assert [path for path in records if "hunter2" in path.read_text()] == []


def test_teardown_takes_what_was_built_before(machine: Machines, engine: Any) -> None:
    project = machine({"app/run": "1"})
    project.deploy()
    project.write({"app/run": "2"})
    project.fast()
    assert engine.images.list(name=project.name)
    project.run("teardown", "--yes").ok()
    assert engine.images.list(name=project.name) == []
