"""Pushes of a real engine into real registries, and the look at what arrived."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lambdaimg.container.engine import local_image
from lambdaimg.container.events import PushEvent
from lambdaimg.container.push import (
    PushLog,
    check_manifest,
    push,
    push_parameters,
    split_repository,
)
from lambdaimg.container.registry import (
    DOCKER_INDEX,
    DOCKER_MANIFEST,
    OCI_INDEX,
    OCI_MANIFEST,
    Manifest,
    sha256,
)
from lambdaimg.container.transport import RegistryAuth
from lambdaimg.errors import ProjectError, PushError, ResourceGoneError
from tests.container.conftest import BuildImage, Tree
from tests.container.registry_server import RegistryServer
from tests.support.endpoint import AwsEndpoint

LOGIN = ("AWS", "hunter2")
AUTH = RegistryAuth(*LOGIN)
Small = Callable[[str], str]


@pytest.fixture
def small(build_image: BuildImage, tree: Tree, unique: Callable[[str], str]) -> Small:
    """`small(text)` is the ID of a tiny image with that text in a file: the test's alone."""
    own = unique("text")

    def make(text: str) -> str:
        files = {"Dockerfile": "FROM scratch\nCOPY a /a\nCOPY b /b\n", "a": own, "b": own + text}
        return build_image(tree(files))[0].id

    return make


@pytest.fixture
def quiet() -> Callable[[PushEvent], None]:
    return lambda _: None


@pytest.fixture
def server(unique: Callable[[str], str]) -> Iterator[RegistryServer]:
    with RegistryServer(unique("repo"), LOGIN) as running:
        yield running


def test_into_the_embedded_aws(
    client: Any, small: Small, tag: str, aws_local: AwsEndpoint, unique: Callable[[str], str]
) -> None:
    name = unique("team/repo")
    ecr = aws_local.client("ecr")
    ecr.create_repository(repositoryName=name)
    repository = f"localhost:{aws_local.port}/{name}"
    image = small("one")
    events: list[PushEvent] = []
    pushed = push(client, image, repository, "v1", AUTH, events.append)
    [detail] = ecr.describe_images(repositoryName=name)["imageDetails"]
    assert (detail["imageDigest"], detail["imageTags"]) == (pushed.digest, ["v1"])
    assert pushed.uri == f"{repository}@{pushed.digest}"
    assert pushed.media_type == DOCKER_MANIFEST
    assert (pushed.layers, pushed.layers_sent) == (2, 2)
    assert 0 < pushed.bytes_sent < pushed.size
    kinds = {kind: {e.id for e in events if e.kind == kind} for kind in ("pushing", "pushed")}
    assert kinds["pushed"] == kinds["pushing"] != set()
    assert all(e.total is None or (e.current or 0) >= 0 for e in events)

    again = push(client, image, repository, "v1", AUTH, lambda _: None)
    assert (again.digest, again.layers_sent, again.bytes_sent) == (pushed.digest, 0, 0)

    changed = push(client, small("two"), repository, "v1", AUTH, lambda _: None)
    assert changed.digest != pushed.digest
    assert (changed.layers, changed.layers_sent) == (2, 1)
    assert local_image(client, f"{repository}:v1") is None


def test_the_login_is_for_this_push_alone(
    client: Any,
    small: Small,
    server: RegistryServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    quiet: Any,
) -> None:
    config = json.dumps({"auths": {server.host: {"auth": "c3RhbGU6c3RhbGU="}}})
    (tmp_path / "config.json").write_text(config)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    repository = f"{server.host}/{server.repository}"
    pushed = push(client, small("x"), repository, "v1", AUTH, quiet)
    assert sha256(server.manifests["v1"]) == pushed.digest
    assert {login for _, _, login in server.seen} <= {"", server.basic}
    assert (tmp_path / "config.json").read_text() == config
    for auth in (None, RegistryAuth("AWS", "wrong")):
        with pytest.raises(PushError, match="does not accept the login"):
            push(client, small("y"), repository, "v1", auth, quiet)


def test_with_bearer_tokens(client: Any, small: Small, unique: Any, quiet: Any) -> None:
    with RegistryServer(unique("repo"), LOGIN, bearer=True) as server:
        repository = f"{server.host}/{server.repository}"
        pushed = push(client, small("x"), repository, "v1", AUTH, quiet)
        assert sha256(server.manifests["v1"]) == pushed.digest


# --- tags of the engine -------------------------------------------------------------------------


def test_the_engines_tags_are_as_they_were(
    client: Any, small: Small, tag: str, server: RegistryServer, quiet: Any
) -> None:
    repository = f"{server.host}/{server.repository}"
    first = small("one")
    client.api.tag(first, repository, "mine")
    second = small("two")
    for name in ("mine", "new"):
        push(client, second, repository, name, AUTH, quiet)
    mine, new = (local_image(client, f"{repository}:{name}") for name in ("mine", "new"))
    client.images.remove(f"{repository}:mine", force=True)
    assert mine is not None
    assert (mine.id, new) == (first, None)


def test_the_tags_are_put_back_after_a_failure_too(
    client: Any, small: Small, tag: str, server: RegistryServer, quiet: Any
) -> None:
    repository = f"{server.host}/unknown"
    with pytest.raises(ResourceGoneError):
        push(client, small("x"), repository, "v1", AUTH, quiet)
    assert local_image(client, f"{repository}:v1") is None
    image = local_image(client, tag)
    assert image is not None
    assert image.tags == (tag,)


def test_an_image_without_another_name_keeps_the_tag(
    client: Any, small: Small, server: RegistryServer, quiet: Any
) -> None:
    repository = f"{server.host}/{server.repository}"
    nameless = small("one")
    small("two")
    push(client, nameless, repository, "v1", AUTH, quiet)
    kept = local_image(client, f"{repository}:v1")
    client.images.remove(f"{repository}:v1")
    assert kept is not None
    assert kept.id == nameless


def test_an_interruption_ends_the_push_and_puts_the_tags_back(
    client: Any, small: Small, tag: str, server: RegistryServer
) -> None:
    def interrupt(event: PushEvent) -> None:
        if event.kind == "waiting":
            raise KeyboardInterrupt

    repository = f"{server.host}/{server.repository}"
    image = small("x")
    with pytest.raises(KeyboardInterrupt):
        push(client, image, repository, "v1", AUTH, interrupt)
    found = local_image(client, image)
    assert found is not None
    assert found.tags == (tag,)
    assert "v1" not in server.manifests


# --- what is refused ----------------------------------------------------------------------------


def test_an_immutable_tag_takes_the_same_image_again(
    client: Any, small: Small, server: RegistryServer, quiet: Any
) -> None:
    repository = f"{server.host}/{server.repository}"
    image = small("one")
    first = push(client, image, repository, "v1", AUTH, quiet)
    server.immutable = True
    again = push(client, image, repository, "v1", AUTH, quiet)
    assert again.digest == first.digest
    assert again.layers_sent == 0
    with pytest.raises(PushError, match="tags are immutable"):
        push(client, small("two"), repository, "v1", AUTH, quiet)


@pytest.mark.parametrize("kind", [DOCKER_INDEX, OCI_INDEX])
def test_an_index_in_the_registry_is_refused(
    client: Any, small: Small, server: RegistryServer, quiet: Any, kind: str
) -> None:
    server.served_type = kind
    with pytest.raises(PushError, match="index of several manifests") as caught:
        push(client, small("x"), f"{server.host}/{server.repository}", "v1", AUTH, quiet)
    assert "--provenance=false" in caught.value.hint
    assert caught.value.details["media_type"] == kind


def test_a_registry_that_holds_something_else(
    client: Any, small: Small, server: RegistryServer, quiet: Any
) -> None:
    def spoil(event: PushEvent) -> None:
        server.corrupt = event.text.startswith("v1: digest:")

    with pytest.raises(PushError, match="other bytes"):
        push(client, small("x"), f"{server.host}/{server.repository}", "v1", AUTH, spoil)


def test_a_registry_that_forgets(
    client: Any, small: Small, server: RegistryServer, quiet: Any
) -> None:
    def forget(event: PushEvent) -> None:
        if event.text.startswith("v1: digest:"):
            server.manifests.clear()

    with pytest.raises(PushError, match="does not have what was pushed"):
        push(client, small("x"), f"{server.host}/{server.repository}", "v1", AUTH, forget)


def test_a_repository_or_image_that_is_gone(
    client: Any, small: Small, server: RegistryServer, quiet: Any
) -> None:
    with pytest.raises(ResourceGoneError) as caught:
        push(client, small("x"), f"{server.host}/none", "v1", AUTH, quiet)
    assert caught.value.details["reason"] == "repository"
    with pytest.raises(ResourceGoneError) as caught:
        push(client, "sha256:" + "0" * 64, f"{server.host}/none", "v1", AUTH, quiet)
    assert caught.value.details["reason"] == "image"


@pytest.mark.parametrize("name", ["hello", "team/hello", "/hello", "localhost", "host.example/"])
def test_a_repository_without_a_registry_is_refused(name: str) -> None:
    with pytest.raises(ProjectError, match="names no registry"):
        split_repository(name)


@pytest.mark.parametrize("name", ["localhost/a", "h.example/a/b", "h:5000/a"])
def test_repositories_are_split(name: str) -> None:
    host, path = split_repository(name)
    assert f"{host}/{path}" == name
    assert "/" not in host


@pytest.mark.parametrize(
    ("media_type", "said"),
    [
        (DOCKER_MANIFEST, ""),
        (OCI_MANIFEST, ""),
        (DOCKER_INDEX, "index of several"),
        (OCI_INDEX, "index of several"),
        ("application/vnd.docker.distribution.manifest.v1+prettyjws", "of a kind that Lambda"),
        ("", "no media type"),
    ],
)
def test_which_manifests_lambda_takes(media_type: str, said: str) -> None:
    manifest = Manifest(media_type, "sha256:0", b"{}")
    if not said:
        check_manifest(manifest, "h/x")
        return
    with pytest.raises(PushError, match=said):
        check_manifest(manifest, "h/x")


# --- the request and the stream -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("platform", "containerd", "expected"),
    [
        (None, True, None),
        ("linux/amd64", False, None),
        ("linux/amd64", True, {"os": "linux", "architecture": "amd64"}),
        ("linux/arm64/v8", True, {"os": "linux", "architecture": "arm64", "variant": "v8"}),
    ],
)
def test_one_platform_is_named_where_several_may_be_stored(
    platform: str | None, containerd: bool, expected: dict[str, str] | None
) -> None:
    parameters = push_parameters("v1", platform, containerd)
    assert parameters.pop("tag") == "v1"
    assert ("platform" in parameters) == (expected is not None)
    assert expected is None or json.loads(parameters["platform"]) == expected


def test_the_stream_is_decoded() -> None:
    log = PushLog()
    messages: list[dict[str, Any]] = [
        {"status": "The push refers to repository [h/x]"},
        {"status": "Preparing", "progressDetail": {}, "id": "a"},
        {"status": "Layer already exists", "progressDetail": {}, "id": "a"},
        {"status": "Pushing", "progressDetail": {"current": 5, "total": 9}, "id": "b"},
        {"status": "Pushed", "progressDetail": {}, "id": "b"},
        {"status": "Mounted from y", "progressDetail": {}, "id": "c"},
        {"status": "Retrying in 5 seconds", "progressDetail": {}, "id": "d"},
        {"progressDetail": {}, "aux": {"Tag": "v1", "Digest": "sha256:1", "Size": 2}},
        {"errorDetail": {"message": "denied: x"}, "error": "denied"},
    ]
    events = [event for message in messages for event in log.feed(message)]
    assert [(e.kind, e.id) for e in events] == [
        ("status", ""),
        ("waiting", "a"),
        ("exists", "a"),
        ("pushing", "b"),
        ("pushed", "b"),
        ("exists", "c"),
        ("status", "d"),
    ]
    assert (events[3].current, events[3].total) == (5, 9)
    assert (log.sent, log.digest, log.failure) == ({"b"}, "sha256:1", "denied: x")
