"""What AWS is asked for, against the IAM actions that the README and `check` name."""

from __future__ import annotations

import json

from lambdaimg.targets import TABLE
from tests.faults.kit import BASIC, SQS, Kit
from tests.support.faults import ALWAYS, Rewrite

COMMANDS = ("lambda-sqs-trigger", "update-function", "update-policies")
NAMED = {action for target in TABLE.values() for action in target.permissions}
REMOVING = {action for target in TABLE.values() for action in target.removal}


def asked(kit: Kit) -> set[str]:
    """The IAM actions of the calls since the last time."""
    calls = {f"{call.service}:{call.operation}" for call in kit.aws_proxy.calls()}
    kit.aws_proxy.forget()
    return {call for call in calls if call.startswith(("ecr:", "iam:", "lambda:", "sqs:"))}


def test_every_action_that_a_command_needs_is_named(kit: Kit) -> None:
    project = kit.project(policies=(BASIC, SQS))
    kit.client("sqs").create_queue(QueueName=f"{project.name}-dead")
    for stated in (
        {"memory": 256, "tags": '{team = "a"}', "scan_on_push": "true", "batch_size": 5,
         "environment": '{AA = "1", BB = "2"}', "dead_letter_queue": f'"{project.name}-dead"',
         "source_account": "true", "visibility_timeout": 60},
        {"memory": 512, "tags": '{team = "b"}', "scan_on_push": "false", "batch_size": 6,
         "environment": '{AA = "1"}', "immutable_tags": "true", "source_account": "false",
         "message_retention": 600},
    ):  # fmt: skip
        project.write(policies=(BASIC, SQS), handler=str(stated), **stated)
        for command in COMMANDS:
            project.run(command, "--verify").ok()
        project.write(policies=(SQS,))
        project.run("update-policies").ok()
    assert asked(kit) <= NAMED
    for words in (("status", "--verify"), ("diff", *COMMANDS)):
        assert project.run(*words).status in (0, 4)
    assert asked(kit) <= NAMED
    project.run("teardown", "--yes").ok()
    assert asked(kit) <= NAMED | REMOVING


def without_tags(body: bytes) -> bytes:
    """`GetFunction`'s answer to a caller without `lambda:ListTags`."""
    answer = json.loads(body)
    answer.pop("Tags", None)
    answer["TagsError"] = {"ErrorCode": "AccessDeniedException", "Message": "not allowed to list"}
    return json.dumps(answer).encode()


def test_tags_that_are_kept_back_are_not_taken_for_none(kit: Kit) -> None:
    project = kit.project(environment='{AA = "1", BB = "2"}')
    project.run("update-function").ok()
    kit.aws_proxy.inject("lambda.GetFunction", Rewrite(without_tags), times=ALWAYS)
    project.write(environment='{AA = "1"}')
    for words in (("update-function",), ("status", "--verify"), ("diff",)):
        ended = project.run(*words)
        assert ended.status == 1
        assert "Allow lambda:ListTags" in ended.err
    torn = project.run("teardown", "--yes", "--json")
    (kept,) = (i for i in torn.json()["result"]["items"] if i["target"] == "lambda-function")
    assert (torn.status, kept["fate"]) == (1, "failed")
    kit.aws_proxy.heal()
    now = kit.client("lambda").get_function_configuration(FunctionName=project.name)
    assert now["Environment"]["Variables"] == {"AA": "1", "BB": "2"}
