"""The fast path when something is lost, cut off or refused: done all the same, or one sentence."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.speed.conftest import NO_ENGINE, Machine, Machines
from tests.support.faults import Answer, Drop, Fault, Side


def refused(status: int, code: str, text: str) -> Answer:
    """The registry's refusal."""
    body = json.dumps({"errors": [{"code": code, "message": text}]}).encode()
    return Answer(status, body, (("Content-Type", "application/json"),))


LOST = refused(404, "MANIFEST_BLOB_UNKNOWN", "blob unknown to registry")
# Amazon ECR's words for the same.
LOST_ECR = refused(404, "LAYERS_NOT_FOUND", "Layers with digests '[sha256:0]' could not be found")


@pytest.fixture
def changed(machine: Machines) -> Machine:
    """A project that is deployed, and then changed."""
    project = machine(
        {"app/run": "1", "app/two": "2"}, "FROM scratch\nCOPY app/two /\nCOPY app /\n"
    )
    project.deploy()
    project.write({"app/run": "2"})
    return project


@pytest.mark.parametrize(
    ("call", "fault"),
    [
        ("registry.HEAD blobs", Answer(404)),
        ("registry.PUT manifests", LOST),
        ("registry.PUT manifests", LOST_ECR),
    ],
)
def test_a_layer_that_the_registry_lost_is_built_anew(
    changed: Machine, call: str, fault: Fault
) -> None:
    rule = changed.proxy.inject(call, fault)
    failed = changed.run("deploy", **NO_ENGINE)
    assert rule.struck
    assert failed.status == 1
    assert "does not answer" in failed.json()["error"]["message"]
    assert "the registry lost a layer" in failed.json()["error"]["hint"]
    changed.proxy.inject(call, fault)
    assert "layers new" in changed.deploy()["image"]["detail"]
    changed.write({"app/run": "3"})
    changed.fast()


@pytest.mark.parametrize("call", ["POST blobs/uploads", "PUT blobs/uploads", "PUT manifests"])
@pytest.mark.parametrize("fault", [Drop(), Drop(Side.AFTER), Answer(503)], ids=str)
def test_what_passes_is_tried_again(changed: Machine, call: str, fault: Fault) -> None:
    rule = changed.proxy.inject(f"registry.{call}", fault)
    assert changed.fast()["deploy"]["action"] == "pushed"
    assert rule.struck


@pytest.mark.parametrize(
    ("call", "fault", "sentence"),
    [
        ("PUT blobs/uploads", Drop(), "cannot be reached"),
        ("POST blobs/uploads", refused(401, "UNAUTHORIZED", "token has expired"), "has expired"),
        ("PUT manifests", refused(401, "UNAUTHORIZED", "no"), "does not accept the login"),
        ("PUT manifests", refused(403, "DENIED", "not authorized"), "refuses access"),
    ],
)
def test_what_stays_is_one_sentence(
    changed: Machine, call: str, fault: Fault, sentence: str
) -> None:
    changed.proxy.inject(f"registry.{call}", fault, times=None)
    failed = changed.run("deploy", **NO_ENGINE)
    assert failed.status == 1
    assert sentence in failed.json()["error"]["message"]
    assert "Traceback" not in failed.stderr
    changed.proxy.heal()
    assert changed.fast()["deploy"]["action"] == "pushed"


def test_another_machine_whose_registry_is_silent_builds(changed: Machine) -> None:
    other = changed.elsewhere("other")
    other.proxy.inject("registry.GET manifests", refused(403, "DENIED", "not authorized"))
    assert "the registry gave no answer" in other.deploy()["image"]["detail"]


def test_a_base_that_was_deleted(changed: Machine) -> None:
    (tag,) = (tag for tag in changed.tags() if tag.startswith("base-"))
    changed.aws.client("ecr").batch_delete_image(
        repositoryName=changed.name, imageIds=[{"imageTag": tag}]
    )
    # This machine needs no more than the layers, which the first image still has.
    other = changed.elsewhere("other")
    assert changed.fast()["deploy"]["action"] == "pushed"
    other.write({"app/run": "3"})
    assert other.run("deploy", **NO_ENGINE).status == 1
    assert "layers new" in other.deploy()["image"]["detail"]
    assert tag in changed.tags()


def test_two_machines_at_once(changed: Machine) -> None:
    machines = [changed, changed.elsewhere("other"), changed.elsewhere("third")]
    with ThreadPoolExecutor(len(machines)) as pool:
        done = list(pool.map(lambda each: each.fast()["deploy"]["value"], machines))
    assert len(set(done)) == 1
