"""The trust policy: limited to the account, changed where that is asked for, else left alone."""

from __future__ import annotations

import json
from typing import Any

from lambdaimg.targets.role import trust_policy
from tests.faults.kit import Kit, Project


def trust(project: Project) -> Any:
    role = project.kit.client("iam").get_role(RoleName=f"{project.name}-role")["Role"]
    return role["AssumeRolePolicyDocument"]


def test_the_source_account_is_a_condition_that_can_be_turned_off_and_on(kit: Kit) -> None:
    project = kit.project()
    account = kit.aws.account
    limited, bare = json.loads(trust_policy(account)), json.loads(trust_policy())
    project.run("lambda-role").ok()
    assert trust(project) == limited
    off = project.run("lambda-role", "--no-source-account", "--json").ok().json()
    (role,) = (o for o in off["targets"] if o["target"] == "lambda-role")
    assert (role["action"], role["detail"]) == ("updated", "source_account true -> false")
    assert trust(project) == bare
    # What is not stated is left as it is; a policy of somebody else's wording always is.
    project.run("lambda-role", "--verify").ok()
    assert trust(project) == bare
    own = {**bare, "Statement": [*bare["Statement"], {**limited["Statement"][0], "Sid": "Mine"}]}
    iam = kit.client("iam")
    iam.update_assume_role_policy(RoleName=f"{project.name}-role", PolicyDocument=json.dumps(own))
    project.write(source_account="true")
    project.run("lambda-role").ok()
    assert trust(project) == own
    iam.update_assume_role_policy(RoleName=f"{project.name}-role", PolicyDocument=json.dumps(bare))
    project.run("lambda-role").ok()
    assert trust(project) == limited


def test_a_trust_for_another_account_s_functions_is_none(kit: Kit) -> None:
    project = kit.project(source_account="true")
    project.run("lambda-role").ok()
    limited = trust(project)
    iam, name = kit.client("iam"), f"{project.name}-role"
    iam.update_assume_role_policy(RoleName=name, PolicyDocument=trust_policy("210987654321"))
    differs = project.run("diff", "lambda-role")
    assert (differs.status, "trust policy" in differs.out) == (4, True)
    project.run("lambda-role").ok()
    assert trust(project) == limited
