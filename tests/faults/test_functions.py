"""Several functions in one project, against the embedded AWS: what is shared, and what fails."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import jsonschema
import pytest
from botocore.exceptions import ClientError

from tests.faults.kit import Child, Kit, Project
from tests.faults.test_account_commands import schema
from tests.support.faults import AwsFailure, Do, Side
from tests.support.terminal import at_terminal
from tests.support.waiting import until

SHARING = ("one", "two", "three")
UP_TO_DATE = "up to date"


def with_functions(project: Project, names: Sequence[str], more: str = "") -> Project:
    """Gives a project functions that share everything but their command."""
    tables = [f'[functions.{name}]\ncommand = ["/handler", "{name}"]\n' for name in names]
    file = project.folder / "lambdaimg.toml"
    file.write_text(file.read_text() + "\n".join([*tables, more]))
    return project


@pytest.fixture
def three(kit: Kit) -> Project:
    """A project of three functions that share an image, a role and a repository."""
    return with_functions(kit.project(memory=256), SHARING)


def calls(kit: Kit) -> Counter[str]:
    """The calls since the last look, by name."""
    names = [call.name for proxy in kit.every_proxy for call in proxy.calls()]
    for proxy in kit.every_proxy:
        proxy.forget()
    return Counter(names)


def parts_of(document: Any) -> Mapping[str, Any]:
    """What a run said of each function."""
    jsonschema.validate(document["result"], schema("several functions"))
    return {part["function"]: part for part in document["result"]["functions"]}


def actions(part: Any) -> Mapping[str, str]:
    """What became of the targets of a function."""
    return {target["target"]: target["action"] for target in part["targets"]}


def functions_of(project: Project) -> dict[str, str]:
    """The images that the project's functions run, by what stands behind the project's name."""
    client = project.kit.client("lambda")
    pages = client.get_paginator("list_functions").paginate()
    return {
        each["FunctionName"].removeprefix(f"{project.name}-"): client.get_function(
            FunctionName=each["FunctionName"]
        )["Code"]["ResolvedImageUri"]
        for page in pages
        for each in page["Functions"]
        if each["FunctionName"].startswith(project.name)
    }


def test_one_image_for_three_and_one_that_fails(three: Project, kit: Kit) -> None:
    (three.folder / "Broken").write_text("FROM scratch\nCOPY nothing /\n")
    with_functions(three, (), '[functions.broken]\ndockerfile = "Broken"\n')
    calls(kit)
    ended = three.run("lambda-function", "--json")
    assert ended.status == 1
    document = ended.json()
    assert document["ok"] is False
    assert document["error"]["code"] == "Functions"
    assert document["error"]["message"] == "1 of 4 functions failed: broken."
    parts = parts_of(document)
    assert parts["broken"]["error"]["code"] == "Build"
    assert [line for line in ended.errors if "broken: " in line]
    for name in SHARING:
        assert parts[name]["ok"] is True
        assert actions(parts[name])["lambda-function"] == "created"
        assert parts[name]["result"]["value"].endswith(f":{three.name}-{name}")
    assert set(functions_of(three)) == set(SHARING)

    made = calls(kit)
    assert made["docker.POST /build"] == 2, "one for the three, and the broken one"
    assert made["docker.POST /images/NAME/push"] == 1
    assert made["ecr.CreateRepository"] == 2, "the broken one has an image of its own"
    assert made["iam.CreateRole"] == made["iam.AttachRolePolicy"] == 1
    assert made["lambda.CreateFunction"] == 3
    assert made["sts.GetCallerIdentity"] == 1
    assert kit.client("lambda").get_function(FunctionName=f"{three.name}-two")["Configuration"][
        "ImageConfigResponse"
    ]["ImageConfig"]["Command"] == ["/handler", "two"]

    again = three.run("lambda-function")
    assert again.status == 1
    assert "4 functions: 3 up to date, 1 failed" in again.out
    (three.folder / "Broken").write_text("FROM scratch\nCOPY handler /\n")
    mended = parts_of(three.run("lambda-function", "--json").ok().json())
    assert actions(mended["broken"])["lambda-function"] == "created"
    # The names that the broken one has of its own are none of the project's.
    three.run("teardown", "--function", "broken", "--yes").ok()
    assert set(functions_of(three)) == set(SHARING)


def test_a_changed_line_is_built_once_and_live_in_all(three: Project, kit: Kit) -> None:
    three.run("update-function").ok()
    was = functions_of(three)
    three.handler("changed")
    calls(kit)
    done = parts_of(three.run("update-function", "--json").ok().json())
    made = calls(kit)
    assert made["docker.POST /build"] == made["docker.POST /images/NAME/push"] == 1
    assert made["lambda.UpdateFunctionCode"] == 3
    assert {actions(part)["update-function"] for part in done.values()} == {"updated"}
    now = functions_of(three)
    assert all(was[name] != now[name] for name in SHARING)
    owners = [
        t.get("done_by", "") for p in done.values() for t in p["targets"] if t["target"] == "image"
    ]
    assert sorted(map(bool, owners)) == [False, True, True]

    three.handler("changed for one")
    one = three.run("update-function", "--function", "two", "--json").ok().json()
    assert one["function"] == "two"
    assert actions(one)["update-function"] == "updated"
    latest = functions_of(three)
    assert [name for name in SHARING if latest[name] != now[name]] == ["two"]


def test_two_runs_at_once(three: Project, kit: Kit) -> None:
    calls(kit)
    children = [three.start("lambda-function", "--json") for _ in range(2)]
    for child in children:
        child.go()
    for child in children:
        parts = parts_of(child.wait().ok().json())
        assert all(part["ok"] for part in parts.values())
    made = calls(kit)
    assert made["lambda.CreateFunction"] == 3
    assert set(functions_of(three)) == set(SHARING)
    again = parts_of(three.run("lambda-function", "--json").ok().json())
    assert {action for part in again.values() for action in actions(part).values()} == {UP_TO_DATE}


def test_nothing_to_do_for_fifty(kit: Kit) -> None:
    names = [f"f{number:02}" for number in range(50)]
    project = with_functions(kit.project(), names)
    project.run("lambda-function").ok()
    calls(kit)
    ended = project.run("lambda-function").ok()
    assert "50 functions: 50 up to date" in ended.out
    made = calls(kit)
    aws = {name: count for name, count in made.items() if not name.startswith("docker.")}
    assert aws == {"lambda.GetFunction": 50}
    assert sum(made.values()) - 50 <= 2, "the engine is asked for the one image"

    trusted = project.run("lambda-function", "--trust").ok()
    assert "50 functions: 50 up to date" in trusted.out
    made = calls(kit)
    assert not [name for name in made if not name.startswith("docker.")]
    assert sum(made.values()) <= 2


def test_what_somebody_removed_is_made_again_for_all(three: Project, kit: Kit) -> None:
    three.run("lambda-function").ok()
    functions = kit.client("lambda")
    functions.delete_function(FunctionName=f"{three.name}-one")
    functions.delete_function(FunctionName=f"{three.name}-two")
    kit.client("ecr").delete_repository(repositoryName=three.name, force=True)
    calls(kit)
    parts = parts_of(three.run("lambda-function", "--json").ok().json())
    assert actions(parts["one"])["ecr-repo"] == actions(parts["two"])["ecr-repo"] == "created"
    made = calls(kit)
    assert made["ecr.CreateRepository"] == 1
    assert made["docker.POST /images/NAME/push"] == 1
    assert set(functions_of(three)) == set(SHARING)


def test_a_refusal_of_one_stops_no_other(three: Project, kit: Kit) -> None:
    three.run("lambda-role").ok()
    kit.aws_proxy.inject("lambda.CreateFunction", AwsFailure("AccessDeniedException", 403))
    ended = three.run("lambda-function", "--json")
    assert ended.status == 1
    failed = [part for part in parts_of(ended.json()).values() if not part["ok"]]
    assert [part["error"]["code"] for part in failed] == ["AccessDenied"]
    assert len(functions_of(three)) == 2
    three.run("lambda-function").ok()
    assert set(functions_of(three)) == set(SHARING)


def test_an_interruption_ends_all_and_the_next_run_goes_on(three: Project, kit: Kit) -> None:
    child: list[Child] = [three.start("lambda-function", "--json")]

    def interrupt() -> None:
        os.kill(child[0].pid, signal.SIGINT)

    kit.docker_proxy.inject("docker.POST /build", Do(interrupt, Side.BEFORE))
    child[0].go()
    ended = child[0].wait()
    assert ended.status == 130, ended.err
    document = ended.json()
    assert document["error"]["code"] == "Interrupted"
    assert not any(part["ok"] for part in document["result"]["functions"])
    assert functions_of(three) == {}
    three.run("lambda-function").ok()
    assert set(functions_of(three)) == set(SHARING)


def test_teardown_takes_what_is_shared_last_and_only_once(three: Project, kit: Kit) -> None:
    three.run("lambda-function").ok()
    iam, role = kit.client("iam"), f"{three.name}-role"
    one = three.run("teardown", "--function", "one", "--yes", "--json").ok().json()
    fates = {item["target"]: item["fate"] for item in one["result"]["items"]}
    assert fates["lambda-function"] == "removed"
    assert fates["lambda-role"] == fates["lambda-policies"] == fates["ecr-repo"] == "keep"
    assert "image" not in fates
    assert iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]

    assert three.run("teardown", "--yes").status == 2, "all of them only where that is asked for"
    looked = parts_of(three.run("teardown", "--all", "--dry-run", "--json").ok().json())
    assert {item["fate"] for part in looked.values() for item in part["result"]["items"]} == {
        "remove"
    }
    assert set(functions_of(three)) == {"two", "three"}

    kit.aws_proxy.inject("lambda.DeleteFunction", AwsFailure("AccessDeniedException", 403))
    ended = three.run("teardown", "--all", "--yes", "--json")
    assert ended.status == 1
    assert len(functions_of(three)) == 1
    assert iam.get_role(RoleName=role), "the function that stays has it"
    three.run("teardown", "--all", "--yes").ok()
    assert functions_of(three) == {}
    with pytest.raises(ClientError):
        iam.get_role(RoleName=role)
    assert three.names_in_engine() == []


def test_prune_shows_all_repositories_asks_once_and_removes(kit: Kit) -> None:
    project = kit.project(keep_images=1)
    own_image = f'image_name = "{project.name}-two"\n'
    with_functions(project, ("one", "three"), f'[functions.two]\ncommand = ["/h"]\n{own_image}')
    for text in ("old", "new"):
        # Registries tell the time of a push in whole seconds: which is the newer must be plain.
        began = int(time.time())
        until(lambda began=began: int(time.time()) > began, "the next second")
        project.handler(text)
        project.run("update-function").ok()
    looked = parts_of(project.run("prune", "--all", "--dry-run", "--json").ok().json())
    assert set(looked) == {"one", "two"}, "one and three have the same repository"
    for part in looked.values():
        jsonschema.validate(part["result"], schema("prune"))
        assert [bool(image["why"]) for image in part["result"]["images"]].count(False) == 1

    def asked(answer: str) -> tuple[int, str]:
        words = [sys.executable, "-m", "lambdaimg", "prune", "--all"]
        return at_terminal(words, project.folder, kit.environment, answer)

    status, shown = asked("n\n")
    assert (status, shown.count("Remove 2 of them?")) == (130, 1), shown
    assert shown.count("goes") == 2
    assert f"two ({project.name}-two)" in shown
    status, shown = asked("y\n")
    assert (status, shown.count("1 removed")) == (0, 2), shown
    done = parts_of(project.run("prune", "--all", "--yes", "--json").ok().json())
    assert [part["result"]["removed"] for part in done.values()] == [[], []]
    assert "Nobody can be asked" not in project.run("prune", "--all").ok().err


def test_status_diff_and_check_of_all_and_of_one(three: Project, kit: Kit) -> None:
    three.run("update-function").ok()
    three.run("update-policies").ok()
    kit.client("lambda").update_function_configuration(
        FunctionName=f"{three.name}-two", MemorySize=1024
    )
    kit.settle(f"{three.name}-two")
    differing = three.run("diff", "--json")
    assert differing.status == 4
    parts = parts_of(differing.json())
    assert [name for name, part in parts.items() if part["result"]["differs"]] == ["two"]
    for part in parts.values():
        jsonschema.validate(part["result"], schema("diff"))
    assert three.run("diff", "--function", "one").status == 0
    verified = parts_of(three.run("status", "--verify", "--json").ok().json())
    assert set(verified) == set(SHARING)
    for part in verified.values():
        jsonschema.validate(part["result"], schema("status --verify"))
    shown = three.run("status", "--function", "one").ok()
    assert "fresh" in shown.out
    assert f"{three.name}-two" not in shown.out
    checked = parts_of(three.run("check", "--json").ok().json())
    for part in checked.values():
        jsonschema.validate(part["result"], schema("check"))
