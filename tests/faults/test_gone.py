"""What somebody deletes by hand is there again after the ordinary run, whatever was recorded."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.faults.cases import NO_ASSUME
from tests.faults.kit import BASIC, SQS, Kit, Project
from tests.support.faults import Do


def function(project: Project) -> None:
    project.kit.client("lambda").delete_function(FunctionName=project.name)


def role(project: Project) -> None:
    iam, name = project.kit.client("iam"), f"{project.name}-role"
    for policy in iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]:
        iam.detach_role_policy(RoleName=name, PolicyArn=policy["PolicyArn"])
    iam.delete_role(RoleName=name)


def repository(project: Project) -> None:
    project.kit.client("ecr").delete_repository(repositoryName=project.name, force=True)


def queue(project: Project) -> None:
    project.kit.client("sqs").delete_queue(QueueUrl=project.queue_url())


def trigger(project: Project) -> None:
    (mapping,) = project.mappings()
    project.kit.client("lambda").delete_event_source_mapping(UUID=mapping["UUID"])


def function_and_role(project: Project) -> None:
    function(project)
    role(project)


def everything(project: Project) -> None:
    for remove in (trigger, queue, function, role, repository):
        remove(project)


@pytest.fixture
def whole(kit: Kit) -> Project:
    project = kit.project(policies=(BASIC, SQS))
    project.run("lambda-sqs-trigger").ok()
    return project


LOST: dict[str, tuple[Callable[[Project], None], ...]] = {
    "lambda-function": (function, function_and_role, everything),
    "update-function": (function, function_and_role, everything),
    "update-policies": (role, everything),
    "lambda-sqs-trigger": (function, queue, trigger, function_and_role, everything),
}


@pytest.mark.parametrize("recorded", [True, False], ids=["recorded", "never-run"])
@pytest.mark.parametrize("command", LOST)
def test_the_command_that_needs_it_brings_it_back(
    whole: Project, command: str, recorded: bool
) -> None:
    before = whole.state()
    for lose in LOST[command]:
        if recorded:
            whole.run(command).ok()
        else:
            whole.forget(command)
        lose(whole)
        ended = whole.run(command)
        assert ended.status == 0, f"{lose.__name__}: {ended.err}"
        # The rest, which this command does not need, comes with the commands that do.
        whole.run("lambda-sqs-trigger", "--verify").ok()
        whole.forget("update-function")
        whole.forget("update-policies")
        assert whole.state() == before, lose.__name__


@pytest.mark.parametrize("package", ["image", "zip"])
def test_a_role_that_goes_before_the_function_comes_is_not_waited_for(
    kit: Kit, package: str
) -> None:
    project = kit.project(package=f'"{package}"', lambda_module='"handler"')
    kit.aws_proxy.inject("lambda.CreateFunction", Do(lambda: role(project)))
    kit.aws_proxy.inject("lambda.CreateFunction", NO_ASSUME)
    ended = project.run("lambda-function").ok()
    assert f"The role {project.name}-role is gone. Looking at everything again." in ended.err
    made = kit.client("lambda").get_function_configuration(FunctionName=project.name)
    assert (
        made["Role"] == kit.client("iam").get_role(RoleName=f"{project.name}-role")["Role"]["Arn"]
    )
