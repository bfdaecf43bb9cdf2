"""From a handler to an answer, on a real engine, registry and AWS emulator."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.e2e.conftest import SQS_POLICY, Project
from tests.support.commandline import CommandLine
from tests.support.endpoint import AwsEndpoint
from tests.support.proxy import CountingProxy
from tests.support.waiting import until

UP_TO_DATE = "up to date"


def event_of(body: str) -> str:
    return json.dumps({"said": body})


def test_from_nothing_to_an_answer_and_then_nothing_to_do(project: Project) -> None:
    first = project.actions("lambda-function")
    assert first["image"] == "built"
    assert first["deploy"] == "pushed"
    assert first["lambda-function"] == "created"

    answer = project("invoke").ok()
    assert json.loads(answer.raw), "the handler answers payload.json"
    function = project.aws.client("lambda").get_function(FunctionName=project.name)
    assert "@sha256:" in function["Code"]["ImageUri"], "deployed by digest"

    assert set(project.actions("lambda-function").values()) == {UP_TO_DATE}
    trusted = project("lambda-function", "--trust", PYTHONPROFILEIMPORTTIME="1").ok()
    imported = {line.rpartition("|")[2].strip() for line in trusted.stderr.splitlines()}
    assert "lambdaimg.make.runner" in imported
    heavy = {"boto3", "botocore", "docker", "rich", "ministack"}
    assert not heavy & {name.partition(".")[0] for name in imported}


def test_a_second_run_makes_one_call(
    project: Project, counted: Callable[[AwsEndpoint], CountingProxy]
) -> None:
    proxy = counted(project.aws)
    direct = project.command.at(
        project.folder, **{**project.aws.variables, "AWS_ENDPOINT_URL": proxy.url}
    )
    direct("lambda-function").ok()
    before = len(proxy.calls())
    document = direct("lambda-function", "--json").ok().json()
    assert {target["action"] for target in document["targets"]} == {UP_TO_DATE}
    assert [call.name for call in proxy.calls()[before:]] == ["lambda.GetFunction"]
    before = len(proxy.calls())
    direct("lambda-function", "--trust").ok()
    assert proxy.calls()[before:] == []


def resources(aws: AwsEndpoint, project: Project) -> dict[str, Any]:
    """What there is at AWS under the project's names, with what would change if made anew."""
    function = aws.client("lambda").get_function(FunctionName=project.name)
    images = aws.client("ecr").list_images(repositoryName=project.name)["imageIds"]
    role = aws.client("iam").get_role(RoleName=f"{project.name}-role")["Role"]
    return {
        "code": function["Code"]["ImageUri"],
        "modified": function["Configuration"]["LastModified"],
        "revision": function["Configuration"].get("RevisionId"),
        "images": sorted(image["imageDigest"] for image in images),
        "role": (role["Arn"], role["RoleId"], role["CreateDate"]),
    }


def test_clean_and_another_copy_change_nothing(project: Project) -> None:
    project("lambda-function").ok()
    was = resources(project.aws, project)

    project("clean").ok()
    after_clean = project.actions("lambda-function")
    assert after_clean["lambda-function"] == "adopted"
    assert after_clean["image"] == "adopted"
    assert resources(project.aws, project) == was

    copy = project.folder.parent / "copy"
    shutil.copytree(project.folder, copy, ignore=shutil.ignore_patterns(".lambdaimg"))
    elsewhere = CommandLine(copy, project.command.variables)
    elsewhere("--local", "lambda-function").ok()
    elsewhere("--local", "update-function").ok()
    assert resources(project.aws, project) == was


def test_what_was_deleted_by_hand_is_there_again(project: Project) -> None:
    project("lambda-function").ok()
    project.aws.client("lambda").delete_function(FunctionName=project.name)
    again = project.actions("lambda-function")
    assert again["lambda-function"] == "created"
    assert again["image"] in ("adopted", UP_TO_DATE)
    project("invoke").ok()

    project.aws.client("lambda").delete_function(FunctionName=project.name)
    project.aws.client("ecr").delete_repository(repositoryName=project.name, force=True)
    iam, role = project.aws.client("iam"), f"{project.name}-role"
    for policy in iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]:
        iam.detach_role_policy(RoleName=role, PolicyArn=policy["PolicyArn"])
    iam.delete_role(RoleName=role)
    project("lambda-function").ok()
    assert resources(project.aws, project)["images"]
    project("invoke").ok()


def test_a_partial_loss_is_noticed_whatever_is_missed_first(project: Project) -> None:
    project("lambda-function").ok()
    iam, role = project.aws.client("iam"), f"{project.name}-role"
    for policy in iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]:
        iam.detach_role_policy(RoleName=role, PolicyArn=policy["PolicyArn"])
    iam.delete_role(RoleName=role)
    project.aws.client("ecr").delete_repository(repositoryName=project.name, force=True)
    project.answers("after the loss")
    done = project.actions("update-function")
    assert done["lambda-role"] == done["ecr-repo"] == "created"
    assert iam.get_role(RoleName=role)["Role"]["RoleName"] == role
    assert project("invoke").ok().json()["said"] == "after the loss"


def test_a_changed_line_is_live_after_update_function(project: Project) -> None:
    project.answers("one")
    project("lambda-function").ok()
    assert project("invoke").ok().json()["said"] == "one"

    project.answers("two")
    document = project("update-function", "--json").ok().json()
    outcomes = {target["target"]: target for target in document["targets"]}
    assert outcomes["image"]["action"] == "built"
    assert "1 of" in outcomes["image"]["detail"], outcomes["image"]["detail"]
    assert outcomes["update-function"]["action"] == "updated"
    assert project("invoke").ok().json()["said"] == "two"
    assert set(project.actions("update-function").values()) == {UP_TO_DATE}


def test_only_what_changed_is_done_again(project: Project) -> None:
    project("lambda-function").ok()
    project.add_policy("arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess")
    changed = project.actions("lambda-function")
    assert {name for name, action in changed.items() if action != UP_TO_DATE} == {"lambda-policies"}

    project.set("memory", "memory = 512")
    project.set("timeout", "timeout = 20")
    assert project.actions("lambda-function")["lambda-function"] == "updated"
    now = project.aws.client("lambda").get_function_configuration(FunctionName=project.name)
    assert (now["MemorySize"], now["Timeout"]) == (512, 20)

    (project.folder / "policies").write_text("")
    assert project.actions("update-policies")["update-policies"] == "changed"
    iam = project.aws.client("iam")
    left = iam.list_attached_role_policies(RoleName=f"{project.name}-role")["AttachedPolicies"]
    assert left == []


def test_policies_that_others_attached_stay(project: Project) -> None:
    project("lambda-policies").ok()
    foreign = "arn:aws:iam::aws:policy/AmazonSQSFullAccess"
    iam, role = project.aws.client("iam"), f"{project.name}-role"
    iam.attach_role_policy(RoleName=role, PolicyArn=foreign)
    (project.folder / "policies").write_text("")
    project("update-policies").ok()
    left = iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]
    assert [policy["PolicyArn"] for policy in left] == [foreign]


def test_a_message_goes_through_the_trigger(project: Project) -> None:
    refused = project("lambda-sqs-trigger")
    assert refused.status == 2
    assert "no policy that lets the function read the queue" in refused.stderr

    project.add_policy(SQS_POLICY)
    project("lambda-sqs-trigger").ok()
    sqs, awslambda = project.aws.client("sqs"), project.aws.client("lambda")
    url = sqs.get_queue_url(QueueName=f"{project.name}-queue")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody='{"name": "from the queue"}')
    log = until(
        lambda: "from the queue" in project("logs").stdout, "the handler logs it", pause_s=0.25
    )
    with project.command.start("--local", "logs", "--follow") as following:
        assert following.stdout is not None
        while b"from the queue" not in (line := following.stdout.readline()):
            assert line, "it goes on until it is ended"
        following.send_signal(signal.SIGINT)
        assert following.wait(60) == 0, "Ctrl-C is the way to end it"
    assert log

    project.set("batch_size", "batch_size = 3")
    project.set("visibility_timeout", "visibility_timeout = 90")
    done = project.actions("lambda-sqs-trigger")
    assert (done["queue"], done["lambda-sqs-trigger"]) == ("updated", "updated")
    mappings = awslambda.list_event_source_mappings(FunctionName=project.name)
    assert [m["BatchSize"] for m in mappings["EventSourceMappings"]] == [3]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert attributes["VisibilityTimeout"] == "90"
    assert set(project.actions("lambda-sqs-trigger").values()) == {UP_TO_DATE}


def test_the_aws_cli_sees_the_same(project: Project) -> None:
    project.answers("the same")
    project.add_policy(SQS_POLICY)
    project("lambda-sqs-trigger").ok()
    rows = project("status", "--json").ok().json()["result"]["targets"]
    values = {row["target"]: row["value"] for row in rows}
    env = {**os.environ, **project.aws.variables}
    aws = Path(sys.executable).with_name("aws")

    def cli(*words: str) -> Any:
        command = [aws, "--endpoint-url", project.aws.url, "--output", "json", *words]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout else None

    role = cli("iam", "get-role", "--role-name", f"{project.name}-role")["Role"]
    assert role["Arn"] == values["lambda-role"]
    attached = cli("iam", "list-attached-role-policies", "--role-name", f"{project.name}-role")
    arns = {policy["PolicyArn"] for policy in attached["AttachedPolicies"]}
    assert arns == set(values["lambda-policies"].splitlines())
    function = cli("lambda", "get-function", "--function-name", project.name)
    assert function["Configuration"]["FunctionArn"] == values["lambda-function"]
    assert function["Code"]["ImageUri"] == values["deploy"]
    repository = cli("ecr", "describe-repositories", "--repository-names", project.name)
    assert repository["repositories"][0]["repositoryName"] in values["ecr-repo"]
    queue = cli("sqs", "get-queue-url", "--queue-name", f"{project.name}-queue")["QueueUrl"]
    assert queue == values["queue"]
    mappings = cli("lambda", "list-event-source-mappings", "--function-name", project.name)
    assert [m["UUID"] for m in mappings["EventSourceMappings"]] == [values["lambda-sqs-trigger"]]

    out = project.folder / "out.json"
    payload = (project.folder / "payload.json").as_posix()
    cli(
        "lambda",
        "invoke",
        "--function-name",
        project.name,
        "--payload",
        f"fileb://{payload}",
        str(out),
    )
    assert out.read_bytes() == project("invoke").ok().raw
