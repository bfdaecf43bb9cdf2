"""`policy-document` and `lambda-role`: the trust policy, and the role that has it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from lambdaimg.aws import tags
from lambdaimg.aws.errors import is_code
from lambdaimg.aws.retry import poll
from lambdaimg.aws.roles import users_of
from lambdaimg.context import Context
from lambdaimg.errors import ConflictError
from lambdaimg.make.target import Action, Difference, Done, Observed, Target

PRINCIPAL = "lambda.amazonaws.com"
TRUST = "trust policy"
SOURCE = "source_account"
ASSUMING = ("sts:AssumeRole", "sts:*", "*")


def trust_policy(account: str = "") -> str:
    """The trust policy that lets Lambda assume the role, as JSON.

    Args:
        account: the only account for whose functions Lambda may; empty for no condition.
    """
    statement: dict[str, Any] = {
        "Effect": "Allow",
        "Principal": {"Service": PRINCIPAL},
        "Action": "sts:AssumeRole",
    }
    if account:
        statement["Condition"] = {"StringEquals": {"aws:SourceAccount": account}}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]}, sort_keys=True)


def trusts_lambda(document: Any, account: str) -> bool:
    """Whether a trust policy lets Lambda assume its role for functions of the role's account.

    Args:
        document: decoded, or as text.
        account: the role's account.
    """
    if isinstance(document, str):
        try:
            document = json.loads(document)
        except ValueError:
            return False
    statements = document.get("Statement", []) if isinstance(document, dict) else []
    return any(_lets_lambda(s, account) for s in _listed(statements) if isinstance(s, dict))


def is_other_wording(document: Any, account: str, limited: bool) -> bool:
    """Whether a trust policy is the kit's own and not the one that `source_account` asks for.

    What somebody has written into it is left alone.

    Args:
        document: the role's trust policy, decoded or as text.
        account: the role's account.
        limited: the setting.
    """
    text = document if isinstance(document, str) else json.dumps(document, sort_keys=True)
    try:
        return bool(json.loads(text) == json.loads(trust_policy("" if limited else account)))
    except ValueError:
        return False


def _lets_lambda(statement: Mapping[str, Any], account: str) -> bool:
    principal = statement.get("Principal", {})
    services = principal.get("Service", []) if isinstance(principal, dict) else []
    return (
        statement.get("Effect") == "Allow"
        and PRINCIPAL in _listed(services)
        and any(action in ASSUMING for action in _listed(statement.get("Action", [])))
        and not _is_of_others(statement.get("Condition"), account)
    )


def _is_of_others(condition: Any, account: str) -> bool:
    """Whether a condition is for functions of other accounts alone."""
    equals = condition.get("StringEquals") if isinstance(condition, dict) else None
    accounts = [
        _listed(value)
        for key, value in (equals.items() if isinstance(equals, dict) else ())
        if str(key).lower() == "aws:sourceaccount"
    ]
    return any(account not in listed for listed in accounts)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def inputs(ctx: Context) -> Mapping[str, str]:
    """The document's wording, which may change with the program; the account is the record's."""
    return {"trust policy": trust_policy("ACCOUNT" if ctx.settings.source_account else "")}


def write_document(ctx: Context, _observed: Observed | None) -> Done:
    """The trust policy, as the sentinel's value."""
    account = ctx.account() if ctx.settings.source_account else ""
    detail = f"trusts {PRINCIPAL}" + (f" for account {account}" if account else "")
    return Done(trust_policy(account), Action.WRITTEN, detail)


POLICY_DOCUMENT: Target[Context] = Target(
    name="policy-document",
    help="Write the trust policy that lets Lambda assume the role",
    uses=("source_account",),
    inputs=inputs,
    observe=None,
    act=write_document,
    here=True,
)


def find_role(ctx: Context) -> Observed | None:
    """The role, if there is one.

    Raises:
        ConflictError: it is not ours and does not trust Lambda.
    """
    name = ctx.settings.role_name
    try:
        role = ctx.aws("iam").get_role(RoleName=name)["Role"]
    except Exception as error:
        if is_code(error, "NoSuchEntity", "NoSuchEntityException"):
            return None
        raise
    have = tags.from_list(role.get("Tags", []))
    ours = tags.is_ours(have)
    found = tags.differences(have, ctx.settings.tags) if ctx.stated("tags") else []
    if not trusts_lambda(role.get("AssumeRolePolicyDocument"), ctx.account()):
        if not ours:
            raise ConflictError(
                f"The role {name} exists and does not trust Lambda; lambdaimg did not make it.",
                hint="Choose another role_name, or let it trust lambda.amazonaws.com.",
            )
        found.append(Difference(TRUST, "another", f"trusts {PRINCIPAL}"))
    elif ours and ctx.stated(SOURCE):
        limited = ctx.settings.source_account
        if is_other_wording(role["AssumeRolePolicyDocument"], ctx.account(), limited):
            found.append(Difference(SOURCE, str(not limited).lower(), str(limited).lower()))
    return Observed(role["Arn"], tuple(found), facts=ours)


def create_role(ctx: Context, observed: Observed | None) -> Done:
    """Creates the role, or gives its trust policy and tags back to it."""
    name, iam = ctx.settings.role_name, ctx.aws("iam")
    document = ctx.value("policy-document")
    if observed is not None:
        attributes = {difference.attribute for difference in observed.differences}
        if attributes & {TRUST, SOURCE}:
            iam.update_assume_role_policy(RoleName=name, PolicyDocument=document)
        if attributes - {TRUST, SOURCE}:
            iam.tag_role(RoleName=name, Tags=tags.as_list(ctx.settings.tags))
        return Done(observed.value, Action.UPDATED, ", ".join(map(str, observed.differences)))
    try:
        role = iam.create_role(
            RoleName=name,
            AssumeRolePolicyDocument=document,
            Description="Execution role of a Lambda function, made by lambdaimg",
            Tags=tags.as_list(tags.made_by(ctx.settings.tags)),
        )["Role"]
    except Exception as error:
        if not is_code(error, "EntityAlreadyExists", "EntityAlreadyExistsException"):
            raise
        there = find_role(ctx)
        if there is None:
            raise
        return create_role(ctx, there) if there.differences else Done(there.value, Action.ADOPTED)
    poll(
        lambda: find_role(ctx),
        waiter=ctx.waiter,
        limit=ctx.settings.role_wait,
        what="the role to be visible",
        hint="Run the same command again: it adopts the role.",
        say=ctx.say,
    )
    return Done(role["Arn"], Action.CREATED)


def users(ctx: Context, observed: Observed) -> str:
    """The other functions that have the role."""
    return users_of(ctx.aws("lambda"), observed.value, ctx.leaving)


def delete_role(ctx: Context, _value: str) -> None:
    """Detaches every managed policy and deletes the role."""
    name, iam = ctx.settings.role_name, ctx.aws("iam")
    try:
        pages = iam.get_paginator("list_attached_role_policies").paginate(RoleName=name)
        for policy in [p for page in pages for p in page["AttachedPolicies"]]:
            iam.detach_role_policy(RoleName=name, PolicyArn=policy["PolicyArn"])
        iam.delete_role(RoleName=name)
    except Exception as error:
        if not is_code(error, "NoSuchEntity", "NoSuchEntityException"):
            raise


LAMBDA_ROLE: Target[Context] = Target(
    name="lambda-role",
    help="Create the execution role if it does not exist",
    needs=("policy-document",),
    uses=("role_name", "tags"),
    observe=find_role,
    act=create_role,
    remove=delete_role,
    owned=lambda _ctx, observed: bool(observed.facts),
    in_use=users,
    permissions=(
        "iam:GetRole",
        "iam:CreateRole",
        "iam:TagRole",
        "iam:UpdateAssumeRolePolicy",
    ),
    removal=(
        "iam:ListAttachedRolePolicies",
        "iam:DetachRolePolicy",
        "iam:DeleteRole",
        "lambda:ListFunctions",
    ),
)
