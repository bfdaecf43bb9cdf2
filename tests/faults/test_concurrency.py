"""Two runs at once: one environment is worked on by one run at a time, two do not disturb.

Who worked last is told by the lock, which names its last holder.
"""

from __future__ import annotations

import os
import re
import signal
import time
from typing import Any

import pytest

from lambdaimg.make.lock import exclusive
from tests.faults.kit import BASIC, S3, SQS, Child, Ended, Kit, Project
from tests.support.faults import Do

RUNS = 20
SHARES = 4


@pytest.fixture
def project(kit: Kit) -> Project:
    """A deployed project with two handlers to choose from by `--lambda-module`."""
    made = kit.project()
    (made.folder / ".dockerignore").write_text("*\n!handler*\n")
    (made.folder / "Dockerfile").write_text(
        'FROM scratch\nARG LAMBDA_MODULE\nCOPY ${LAMBDA_MODULE} /handler\nCMD ["/handler"]\n'
    )
    made.run("lambda-function", "--lambda-module", "handler").ok()
    return made


def last_holder(project: Project) -> int:
    """The process that held the environment's lock last."""
    text = (project.folder_of_records() / "lock").read_text()
    found = re.match(r"process (\d+) on ", text)
    assert found, text
    return int(found[1])


def at_once(*children: Child) -> list[Ended]:
    """Lets several runs begin, and waits for all."""
    for child in children:
        child.go()
    return [child.wait() for child in children]


def deployed(project: Project) -> str:
    """The digest that the function runs; the records must say the same."""
    answer = project.kit.client("lambda").get_function(FunctionName=project.name)
    now = answer["Configuration"]
    assert (now["State"], now["LastUpdateStatus"]) == ("Active", "Successful")
    digest = str(answer["Code"]["ResolvedImageUri"]).rpartition("@")[2]
    for target in ("deploy", "update-function"):
        assert project.value(target).endswith(digest), f"{target} is torn"
    return digest


def digest_of(ended: Ended) -> str:
    """The digest that a run deployed."""
    return str(ended.json()["result"]["value"]).rpartition("@")[2]


@pytest.mark.parametrize("share", range(SHARES))
def test_of_two_updates_the_last_one_wins(project: Project, share: int) -> None:
    for number in range(share, RUNS, SHARES):
        for name in ("a", "b"):
            (project.folder / f"handler-{name}").write_text(f"{number} {name}")
        children = [
            project.start("update-function", "--json", "--lambda-module", f"handler-{name}")
            for name in ("a", "b")
        ]
        first, second = at_once(*children)
        first.ok()
        second.ok()
        assert digest_of(first) != digest_of(second)
        winner = {children[0].pid: first, children[1].pid: second}[last_holder(project)]
        assert deployed(project) == digest_of(winner)


def test_a_handler_that_changes_during_a_run_is_deployed_by_the_next(project: Project) -> None:
    for number in range(6):
        handler = project.folder / "handler"
        handler.write_text(f"{number} first")
        first = project.start("update-function", "--json", "--lambda-module", "handler")
        second = project.start("update-function", "--json", "--lambda-module", "handler")
        first.go()
        time.sleep(0.05 * number)
        handler.write_text(f"{number} second")
        second.go()
        one, two = first.wait(), second.wait()
        assert one.status == 0 or "changed while" in one.err
        if last_holder(project) == first.pid:
            # The second run had the lock first; the first one saw what it had done.
            two = one
        two.ok()
        assert deployed(project) == digest_of(two)
        again = project.run("update-function", "--json", "--lambda-module", "handler").ok()
        (last,) = again.json()["targets"][-1:]
        assert last["action"] == "up to date"
        assert project.state()["function"]["runs these sources"]


def test_a_run_that_waits_too_long_says_who_works(project: Project) -> None:
    (project.folder / "handler").write_text("new")
    words = ("update-function", "--lambda-module", "handler")
    with exclusive(project.folder_of_records() / "lock", 0):
        refused = project.run(*words, env={"LAMBDAIMG_LOCK_WAIT": "0"})
        child = project.start(*words)
        child.go()
        time.sleep(0.5)
    waited = child.wait().ok()
    assert refused.status == 1
    who = f"process {os.getpid()} on {os.uname().nodename}"
    assert refused.errors == [f"error: Another run works on this environment: {who}."]
    assert f"Waiting for {who}." in waited.err


def test_the_lock_of_a_killed_run_is_taken_over(project: Project) -> None:
    (project.folder / "handler").write_text("new")
    child = project.start("update-function", "--lambda-module", "handler")
    rule = project.kit.aws_proxy.inject("lambda.GetFunction", Do(child.kill))
    child.go()
    assert child.wait().status == -signal.SIGKILL
    assert rule.struck
    env = {"LAMBDAIMG_LOCK_WAIT": "0"}
    project.run("update-function", "--lambda-module", "handler", env=env).ok()
    assert deployed(project)


def environments(project: Project, count: int) -> list[dict[str, str]]:
    """Several functions of one project that share repository, role and image."""
    return [{"FUNCTION_NAME": f"{project.name}-{number}"} for number in range(count)]


def test_environments_that_share_everything_do_not_disturb_each_other(kit: Kit) -> None:
    project = kit.project(policies=(BASIC, S3, SQS))
    del project.settings["function_name"]
    project.write(policies=(BASIC, S3, SQS), repo_name=f'"{project.name}"')
    for command in ("lambda-function", "lambda-sqs-trigger", "update-policies"):
        for ended in at_once(
            *(project.start(command, env=env) for env in environments(project, 3))
        ):
            ended.ok()
    client = kit.client("lambda")
    for env in environments(project, 3):
        name = env["FUNCTION_NAME"]
        assert client.get_function(FunctionName=name)["Configuration"]["State"] == "Active"
        mappings = client.list_event_source_mappings(FunctionName=name)["EventSourceMappings"]
        assert len(mappings) == 1
    attached = kit.client("iam").list_attached_role_policies(RoleName=f"{project.name}-role")
    assert len(attached["AttachedPolicies"]) == 3
    records = [path for path in (project.folder / ".lambdaimg").iterdir() if path.is_dir()]
    assert len(records) == 3
    for image in kit.client("ecr").describe_images(repositoryName=project.name)["imageDetails"]:
        assert image["imageTags"]


def test_records_of_another_account_are_not_believed(project: Project) -> None:
    (ours,) = [path for path in (project.folder / ".lambdaimg").iterdir() if path.is_dir()]
    other = ours.with_name(ours.name.replace(project.kit.aws.account, "111122223333"))
    other.mkdir()
    for path in ours.glob("*.json"):
        (other / path.name).write_bytes(path.read_bytes())
    env: dict[str, Any] = {"AWS_ACCESS_KEY_ID": "111122223333"}
    shown = project.run("status", "--json", "--account", "111122223333", env=env)
    states = {row["target"]: row["state"] for row in shown.ok().json()["result"]["targets"]}
    assert set(states.values()) == {"not done"}
