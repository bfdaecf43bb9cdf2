"""`check`, `diff`, `status --verify`, `--verify` and `teardown` against the embedded AWS."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from botocore.exceptions import ClientError

from lambdaimg.commands.prune import sharers
from tests.faults.kit import BASIC, FOREIGN, S3, SQS, Ended, Kit, Point, Project
from tests.support.faults import ALWAYS, AwsFailure, Rewrite

PAGE = Path(__file__).resolve().parents[2] / "docs" / "json.md"


def schema(name: str) -> Any:
    """The schema that the docs give for a command."""
    pattern = rf"<!-- schema: {re.escape(name)} -->\n```json\n(.*?)```"
    found = re.search(pattern, PAGE.read_text(), re.DOTALL)
    assert found, name
    return json.loads(found[1])


def result(ended: Ended, name: str, status: int = 0) -> Any:
    """The result of a command with `--json`, once it fits the documented schema."""
    assert ended.status == status, ended.err
    document = ended.json()
    found = document["result"]
    jsonschema.validate(found, schema(name))
    return found


@pytest.fixture
def deployed(kit: Kit) -> Project:
    """A function with a trigger, as the settings ask."""
    project = kit.project(policies=(BASIC, SQS), environment='{AA = "one-secret"}', memory=256)
    project.run("lambda-sqs-trigger").ok()
    project.run("update-function").ok()
    project.run("update-policies").ok()
    return project


def drift(project: Project) -> None:
    """Somebody changes things by hand."""
    kit = project.kit
    kit.client("lambda").update_function_configuration(
        FunctionName=project.name, MemorySize=1024, Environment={"Variables": {"AA": "two-secret"}}
    )
    kit.settle(project.name)
    kit.client("iam").detach_role_policy(RoleName=f"{project.name}-role", PolicyArn=SQS)
    (mapping,) = project.mappings()
    kit.client("lambda").update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)


def test_drift_is_named_and_repaired(deployed: Project) -> None:
    wanted = deployed.state()
    rows = result(deployed.run("status", "--verify", "--json"), "status --verify")["targets"]
    assert {row["state"] for row in rows} == {"as recorded"}
    result(deployed.run("status", "--json"), "status")
    assert result(deployed.run("diff", "--json"), "diff") == {"differs": False, "targets": []}

    drift(deployed)
    shown = deployed.run("status", "--verify", "--json")
    rows = {row["target"]: row for row in result(shown, "status --verify")["targets"]}
    found = {
        (name, difference["attribute"]) for name, row in rows.items()
        for difference in row["differences"]
    }  # fmt: skip
    assert {
        ("lambda-function", "memory"),
        ("lambda-function", "environment AA"),
        ("lambda-policies", "policy"),
        ("lambda-sqs-trigger", "state"),
    } <= found
    assert rows["queue"]["state"] == rows["ecr-repo"]["state"] == "as recorded"

    different = deployed.run("diff", "--json")
    targets = result(different, "diff", status=4)["targets"]
    assert [target["target"] for target in targets] == [
        "lambda-policies",
        "lambda-function",
        "lambda-sqs-trigger",
    ]
    told = "".join((shown.out, shown.err, different.out, different.err))
    assert "secret" not in told
    assert {"attribute": "memory", "have": "1024", "want": "256"} in targets[1]["differences"]
    plain = deployed.run("diff")
    assert (plain.status, "1024" in plain.out, "secret" in plain.out) == (4, True, False)

    deployed.run("lambda-sqs-trigger", "--verify").ok()
    assert result(deployed.run("diff", "--json"), "diff")["differs"] is False
    assert deployed.state() == wanted


@pytest.mark.parametrize(
    ("target", "remove"),
    [
        ("queue", lambda p: p.kit.client("sqs").delete_queue(QueueUrl=p.queue_url())),
        ("lambda-function", lambda p: p.kit.client("lambda").delete_function(FunctionName=p.name)),
        (
            "ecr-repo",
            lambda p: p.kit.client("ecr").delete_repository(repositoryName=p.name, force=True),
        ),
    ],
)
def test_what_is_gone_is_said_and_heals_in_the_ordinary_run(
    deployed: Project, target: str, remove: Callable[[Project], None]
) -> None:
    wanted = deployed.state()
    remove(deployed)
    rows = result(deployed.run("status", "--verify", "--json"), "status --verify")["targets"]
    assert {row["target"]: row["state"] for row in rows}[target] == "gone"
    assert result(deployed.run("diff", "--json"), "diff", status=4)["differs"]
    words = ("update-function",) if target == "ecr-repo" else ("lambda-sqs-trigger",)
    # A repository that is gone shows only where something is to be pushed.
    deployed.run(*words, *(("--verify",) if target == "ecr-repo" else ())).ok()
    deployed.run("lambda-sqs-trigger", "--verify").ok()
    deployed.run("update-function", "--verify").ok()
    deployed.run("update-policies", "--verify").ok()
    assert deployed.state() == wanted


def test_diff_of_what_was_never_made(kit: Kit) -> None:
    project = kit.project(policies=(BASIC,))
    found = result(project.run("diff", "--json"), "diff", status=4)
    names = [target["target"] for target in found["targets"]]
    assert "lambda-function" in names
    assert "queue" not in names
    with pytest.raises(ClientError):
        kit.client("lambda").get_function(FunctionName=project.name)
    assert project.run("diff", "nonsense").status == 2


def test_diff_needs_no_record_and_no_image(deployed: Project) -> None:
    deployed.run("clean").ok()
    for name in deployed.names_in_engine():
        deployed.kit.engine.api.remove_image(name, force=True, noprune=True)
    assert result(deployed.run("diff", "--json"), "diff")["differs"] is False
    deployed.handler("something else")
    targets = result(deployed.run("diff", "--json"), "diff", status=4)["targets"]
    assert [target["target"] for target in targets] == ["deploy", "update-function"]


# --- check ----------------------------------------------------------------------------------------


def checks(ended: Ended, status: int = 0) -> dict[str, dict[str, str]]:
    found = result(ended, "check", status)["checks"]
    return {check["name"]: check for check in found}


def test_check_passes_where_all_is_there(deployed: Project) -> None:
    found = checks(deployed.run("check", "--json"))
    assert {name for name, check in found.items() if check["state"] == "fail"} == set()
    for name in ("settings", "files", "engine", "builder", "credentials", "region", "registry",
                 "iam:PassRole", "function", "policies", "image size", "clock", "state",
                 "permissions of lambda-function"):  # fmt: skip
        assert found[name]["state"] == "pass", found[name]
    for proxy in deployed.kit.every_proxy:
        proxy.forget()
    assert deployed.run("check").status == 0
    made = [call.name for call in deployed.kit.aws_proxy.calls()]
    assert made.count("sts.GetCallerIdentity") == made.count("ecr.GetAuthorizationToken") == 1


def test_check_names_each_missing_permission(deployed: Project) -> None:
    iam = deployed.kit.client("iam")
    iam.create_user(UserName=deployed.name)
    key = iam.create_access_key(UserName=deployed.name)["AccessKey"]
    allowed = ["ecr:*", "sqs:*", "lambda:Get*", "lambda:List*", "iam:Get*", "iam:Simulate*"]
    statement = {"Effect": "Allow", "Action": allowed, "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_user_policy(UserName=deployed.name, PolicyName="some", PolicyDocument=policy)
    user = {"AWS_ACCESS_KEY_ID": key["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}  # fmt: skip
    found = checks(deployed.run("check", "--json", env=user), status=1)
    assert found["credentials"]["text"].startswith(f"arn:aws:iam::{deployed.kit.aws.account}:user/")
    assert found["permissions of queue"]["state"] == "pass"
    assert found["permissions of teardown"]["state"] == "unknown"
    for name, action in (
        ("permissions of lambda-role", "iam:CreateRole"),
        ("permissions of update-function", "lambda:UpdateFunctionCode"),
        ("iam:PassRole", f"{deployed.name}-role"),
    ):
        assert found[name]["state"] == "fail"
        assert action in found[name]["text"]
        assert found[name]["remedy"]

    denied = AwsFailure("AccessDenied", "User may not simulate", 403)
    deployed.kit.aws_proxy.inject("iam.SimulatePrincipalPolicy", denied, times=ALWAYS)
    found = checks(deployed.run("check", "--json", env=user))
    assert found["iam:PassRole"]["state"] == "unknown"
    assert "iam:SimulatePrincipalPolicy" in found["iam:PassRole"]["text"]


def test_check_goes_on_where_it_cannot_look(kit: Kit) -> None:
    project = kit.project(policies=(BASIC, "arn:aws:iam::000000000000:policy/nobody"))
    dockerfile = project.folder / "Dockerfile"
    dockerfile.write_text(
        "ARG TAG=no-such\nFROM debian:${TAG} AS one\n"
        "FROM one\nRUN --mount=type=cache,target=/x true\n"
    )
    nowhere = {"DOCKER_HOST": "unix:///nonexistent/docker.sock"}
    found = checks(project.run("check", "--json", env=nowhere), status=1)
    assert found["engine"]["state"] == "fail"
    assert "Start Docker" in found["engine"]["remedy"]
    assert found["credentials"]["state"] == "pass"
    assert "policies, line 2" in found["policies"]["text"]
    found = checks(project.run("check", "--json"), status=1)
    assert found["base image"]["state"] == "unknown"
    assert "debian:no-such is not in the engine" in found["base image"]["text"]
    refused = AwsFailure("InvalidClientTokenId", "The security token is invalid", 403)
    kit.aws_proxy.inject("sts.GetCallerIdentity", refused, times=ALWAYS)
    found = checks(project.run("check", "--json"), status=1)
    assert found["credentials"]["state"] == "fail"
    assert found["state"]["state"] == "pass"
    silent = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
    nobody = dict.fromkeys(silent, "") | dict.fromkeys(
        ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"), "/dev/null"
    )
    nobody["AWS_EC2_METADATA_DISABLED"] = "true"
    ended = project.run("check", env=nobody)
    assert ended.status == 1
    assert ended.out.count("FAIL") == 1, "once, not for each that needs credentials"
    assert "credentials.. " not in ended.out
    assert ended.out.count("see credentials") == 5


def test_check_refuses_settings_and_the_wrong_package(kit: Kit) -> None:
    project = kit.project()
    (project.folder / "lambdaimg.toml").write_text("memory = 1\n")
    found = checks(project.run("check", "--json"), status=1)
    assert found["settings"]["state"] == "fail"
    assert "memory" in found["settings"]["text"]
    project.write()
    project.run("lambda-role").ok()
    kit.client("lambda").create_function(
        FunctionName=project.name, Role=project.value("lambda-role"), Runtime="python3.12",
        Handler="a.b", Code={"ZipFile": b"PK\x05\x06" + bytes(18)},
    )  # fmt: skip
    assert checks(project.run("check", "--json"), status=1)["function"]["state"] == "fail"


def test_an_error_speaks_of_the_region_that_was_meant(kit: Kit) -> None:
    project = kit.project()
    refused = AwsFailure("OptInRequired", "You are not subscribed", 403)
    kit.aws_proxy.inject("lambda.Invoke", refused, times=ALWAYS)
    ended = project.run("invoke", "--region", "ap-southeast-2", "--json-payload", "{}")
    assert ended.status == 1
    assert "not enabled for AWS in ap-southeast-2" in ended.err


# --- teardown -------------------------------------------------------------------------------------


def fates(found: Any) -> dict[str, str]:
    return {item["target"]: item["fate"] for item in found["items"]}


def test_teardown_asks_lists_and_removes_what_was_made(deployed: Project) -> None:
    before = deployed.state()
    refused = deployed.run("teardown")
    assert refused.status == 2
    assert "--yes" in refused.err
    looked = result(deployed.run("teardown", "--dry-run", "--json"), "teardown")
    assert [item["target"] for item in looked["items"]] == [
        "lambda-sqs-trigger", "queue", "lambda-function", "lambda-policies", "lambda-role",
        "ecr-repo", "image",
    ]  # fmt: skip
    assert set(fates(looked).values()) == {"remove"}
    assert deployed.state() == before

    done = result(deployed.run("teardown", "--yes", "--json"), "teardown")
    assert set(fates(done).values()) == {"removed"}
    state = deployed.state()
    assert state["mappings"] == []
    assert (state["function"], state["role"]) == ("ResourceNotFoundException", "NoSuchEntity")
    assert (state["repository"], state["names"]) == ("RepositoryNotFoundException", [])
    assert [name for name in state["records"] if name.endswith(".json")] == ["identity.json"]
    again = deployed.run("teardown", "--yes")
    assert (again.status, again.out.strip()) == (0, "nothing is there")
    deployed.run("lambda-sqs-trigger").ok()
    deployed.run("update-function").ok()
    deployed.run("update-policies").ok()
    after = deployed.state()
    assert {key: after[key] for key in before if after[key] != before[key]} == {}


def test_teardown_from_another_machine(deployed: Project) -> None:
    deployed.run("clean").ok()
    done = result(deployed.run("teardown", "--yes", "--json"), "teardown")
    assert fates(done)["lambda-function"] == "removed"
    assert fates(done)["lambda-sqs-trigger"] == "removed"


def test_teardown_keeps_what_was_adopted_unless_it_is_named(kit: Kit) -> None:
    project = kit.project(policies=(BASIC, SQS))
    url = kit.client("sqs").create_queue(QueueName=f"{project.name}-queue")["QueueUrl"]
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"},
             "Action": "sts:AssumeRole"}  # fmt: skip
    role = f"{project.name}-role"
    kit.client("iam").create_role(
        RoleName=role,
        AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
    )
    kit.client("iam").attach_role_policy(RoleName=role, PolicyArn=FOREIGN)
    project.run("lambda-sqs-trigger").ok()
    done = result(project.run("teardown", "--yes", "--json"), "teardown")
    found = fates(done)
    assert (found["queue"], found["lambda-role"]) == ("keep", "keep")
    assert found["lambda-function"] == found["lambda-sqs-trigger"] == "removed"
    left = kit.client("iam").list_attached_role_policies(RoleName=role)["AttachedPolicies"]
    assert [policy["PolicyArn"] for policy in left] == [FOREIGN]
    assert kit.client("sqs").get_queue_attributes(QueueUrl=url)
    named = result(project.run("teardown", "queue", "--yes", "--json"), "teardown")
    assert fates(named) == {"queue": "removed"}
    assert project.run("teardown", "deploy", "--yes").status == 2


def test_teardown_keeps_what_others_use(deployed: Project) -> None:
    kit, other = deployed.kit, deployed.kit.project(policies=(S3,))
    other.write(role_name=deployed.settings["role_name"], repo_name=f'"{deployed.name}"')
    other.run("lambda-function").ok()
    done = result(deployed.run("teardown", "--yes", "--json"), "teardown")
    found = {item["target"]: item for item in done["items"]}
    for name in ("lambda-role", "ecr-repo"):
        assert found[name]["fate"] == "keep"
        assert other.name in found[name]["why"]
    assert found["lambda-function"]["fate"] == "removed"
    kit.client("iam").get_role(RoleName=f"{deployed.name}-role")


def test_teardown_goes_on_and_a_second_one_finishes(deployed: Project) -> None:
    denied = AwsFailure("AccessDenied", "not allowed to delete the queue", 403)
    deployed.kit.aws_proxy.inject("sqs.DeleteQueue", denied, times=ALWAYS)
    first = deployed.run("teardown", "--yes", "--json")
    assert first.status == 1
    document = first.json()
    jsonschema.validate(document["result"], schema("teardown"))
    found = fates(document["result"])
    assert found.pop("queue") == "failed"
    assert set(found.values()) == {"removed"}
    assert "not allowed to delete the queue" in document["error"]["details"]["output"]
    deployed.kit.aws_proxy.heal()
    second = result(deployed.run("teardown", "--yes", "--json"), "teardown")
    assert fates(second) == {"queue": "removed"}


def test_what_a_function_that_stays_works_with_stays(deployed: Project) -> None:
    client = deployed.kit.client("lambda")
    arn = client.get_function(FunctionName=deployed.name)["Configuration"]["FunctionArn"]
    # As one that lambdaimg only adopted.
    client.untag_resource(Resource=arn, TagKeys=["lambdaimg:made-by"])
    looked = result(deployed.run("teardown", "--dry-run", "--json"), "teardown")
    done = result(deployed.run("teardown", "--yes", "--json"), "teardown")
    expected = {"lambda-sqs-trigger", "queue", "image"}
    for items, fate in ((looked, "remove"), (done, "removed")):
        found = fates(items)
        assert {name for name, each in found.items() if each == fate} == expected
        assert {found.pop(name) for name in set(found) - expected} == {"keep"}
    deployed.run("update-function").ok()

    client.tag_resource(Resource=arn, Tags={"lambdaimg:made-by": "lambdaimg"})
    denied = AwsFailure("AccessDeniedException", "not allowed to delete the function", 403)
    deployed.kit.aws_proxy.inject("lambda.DeleteFunction", denied, times=ALWAYS)
    failed = deployed.run("teardown", "--yes", "--json")
    found = fates(failed.json()["result"])
    assert (failed.status, found["lambda-function"]) == (1, "failed")
    assert {found[name] for name in ("lambda-role", "lambda-policies", "ecr-repo")} == {"keep"}
    deployed.kit.aws_proxy.heal()
    second = result(deployed.run("teardown", "--yes", "--json"), "teardown")
    assert set(fates(second).values()) == {"removed"}
    state = deployed.state()
    assert [each for each in state["records"] if each.endswith(".json")] == ["identity.json"]


@pytest.mark.parametrize(
    ("name", "side"),
    [
        ("lambda.DeleteEventSourceMapping", "after"),
        ("lambda.DeleteFunction", "before"),
        ("iam.UntagRole", "after"),
        ("iam.DeleteRole", "after"),
        ("docker.DELETE /images/NAME", "after"),
    ],
)
def test_a_killed_teardown_is_finished_by_the_next(deployed: Project, name: str, side: str) -> None:
    killed = deployed.run_killed(Point(name, 1, side), "teardown", "--yes")
    assert killed.status == -signal.SIGKILL
    deployed.run("teardown", "--yes").ok()
    state = deployed.state()
    assert (state["mappings"], state["function"]) == ([], "ResourceNotFoundException")
    assert (state["repository"], state["role"]) == ("RepositoryNotFoundException", "NoSuchEntity")
    assert state["names"] == []
    assert [each for each in state["records"] if each.endswith(".json")] == ["identity.json"]


# --- prune ----------------------------------------------------------------------------------------


def minutes_apart(body: bytes) -> bytes:
    """The images of `DescribeImages` as if they had been pushed one a minute, in their order."""
    answer = json.loads(body)
    for number, image in enumerate(answer["imageDetails"]):
        image["imagePushedAt"] += 60 * number
    return json.dumps(answer).encode()


def test_prune_spares_what_any_version_runs(kit: Kit) -> None:
    project, client = kit.project(), kit.client("lambda")
    kit.aws_proxy.inject("ecr.DescribeImages", Rewrite(minutes_apart), times=ALWAYS)
    digests = []
    for number in range(5):
        project.handler(str(number))
        project.run("update-function").ok()
        digests.append(project.value("deploy").rpartition("@")[2])
        if number == 1:
            client.publish_version(FunctionName=project.name)
    refused = project.run("prune", "--keep-images", "1")
    assert refused.status == 2
    words = ("prune", "--keep-images", "2", "--json")
    before = project.images()
    looked = result(project.run(*words, "--dry-run"), "prune")
    assert [image["digest"] for image in looked["images"] if not image["why"]] == [
        digests[2],
        digests[0],
    ]
    assert project.images() == before
    # Another function that runs one of them spares it too.
    other = kit.project()
    other.write(repo_name=f'"{project.name}"')
    other.run("lambda-function").ok()
    client.update_function_code(
        FunctionName=other.name, ImageUri=f"{project.value('ecr-repo')}@{digests[2]}"
    )
    # Its own image is the newest now, so that one more of the others is beyond the newest two.
    done = result(project.run(*words, "--yes"), "prune")
    assert done["removed"] == [digests[3], digests[0]]
    assert result(project.run(*words, "--yes"), "prune")["removed"] == []
    project.run("update-function", "--verify").ok()


def test_prune_refuses_a_repository_that_others_share(deployed: Project) -> None:
    ecr = deployed.kit.client("ecr")
    statement = {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:root"},
                 "Action": "ecr:BatchGetImage"}  # fmt: skip
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    ecr.set_repository_policy(repositoryName=deployed.name, policyText=policy)
    refused = deployed.run("prune", "--yes")
    assert (refused.status, "111122223333" in refused.err) == (1, True)


OWN, OTHER = "000000000000", "111122223333"
ARN_LIKE = {"StringLike": {"aws:sourceArn": f"arn:aws:lambda:eu-west-1:{OWN}:function:*"}}
LAMBDA_S = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"},
            "Condition": ARN_LIKE}  # fmt: skip


@pytest.mark.parametrize(
    ("statement", "others"),
    [
        (LAMBDA_S, []),
        ({"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{OWN}:root"}}, []),
        ({"Effect": "Allow", "Principal": {"AWS": [OWN, OTHER]}}, [OTHER]),
        ({"Effect": "Allow", "Principal": "*"}, ["every account"]),
        ({"Effect": "Allow", "Principal": {"AWS": "*"}}, ["every account"]),
        ({"Effect": "Allow", "Principal": {"AWS": [OWN, "*"]}}, ["every account"]),
        ({"Effect": "Deny", "Principal": "*"}, []),
    ],
)
def test_with_whom_a_policy_shares(statement: dict[str, Any], others: list[str]) -> None:
    for statements in (statement, [LAMBDA_S, statement]):
        assert sharers({"Version": "2012-10-17", "Statement": statements}, OWN) == others
