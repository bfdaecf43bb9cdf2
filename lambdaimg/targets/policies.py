"""`lambda-policies` and `update-policies`: the managed policies of the execution role.

Both attach what the policies file lists. `update-policies` also detaches what the kit attached
and the file no longer lists; what the kit attached is known by tags on the role, so policies
that others attached stay. A policy is tagged before it is attached and untagged after it is
detached, so that an interruption never leaves one that nobody answers for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from lambdaimg.aws.errors import is_code
from lambdaimg.aws.retry import retry
from lambdaimg.aws.roles import users_of
from lambdaimg.aws.tags import MAX_VALUE, from_list, is_policy_tag, policy_tag
from lambdaimg.context import Context
from lambdaimg.errors import ProjectError
from lambdaimg.make.target import Action, Difference, Done, Observed, Target
from lambdaimg.parallel import at_once
from lambdaimg.policies import Policy, read


@dataclass(frozen=True)
class Plan:
    """What is to be attached and detached, as ARNs in the file's order.

    `untag` are the keys of tags that speak of policies which are neither attached nor wanted: of
    a run that was interrupted, or of a policy that somebody else detached.
    """

    attach: tuple[str, ...]
    detach: tuple[str, ...] = ()
    untag: tuple[str, ...] = ()


def plan(wanted: list[str], attached: set[str], tags: Mapping[str, str], detaching: bool) -> Plan:
    """What it takes to get from the attached policies to the wanted ones. Pure.

    Args:
        wanted: the ARNs of the policies file.
        attached: the ARNs attached to the role.
        tags: the role's tags.
        detaching: whether the kit's own policies that are no longer wanted go.
    """
    attach = tuple(arn for arn in wanted if arn not in attached)
    if not detaching:
        return Plan(attach)
    detach = tuple(sorted(arn for arn in attached - set(wanted) if policy_tag(arn) in tags))
    known = {policy_tag(arn) for arn in (attached | set(wanted)) - set(detach)}
    untag = tuple(sorted(key for key in tags if is_policy_tag(key) and key not in known))
    return Plan(attach, detach, untag)


def check_file(ctx: Context) -> None:
    """Refuses a malformed policies file before any call.

    Raises:
        ProjectError: a line is no ARN; says which.
    """
    wanted(ctx)


def wanted(ctx: Context) -> list[Policy]:
    """The policies of the policies file."""
    return read(ctx.path(ctx.settings.policies_file))


def find_policies(ctx: Context, detaching: bool) -> Observed:
    """What is attached, against what is wanted."""
    name, iam = ctx.settings.role_name, ctx.aws("iam")
    arns = [policy.arn for policy in wanted(ctx)]
    pages = iam.get_paginator("list_attached_role_policies").paginate(RoleName=name)
    attached = {p["PolicyArn"] for page in pages for p in page["AttachedPolicies"]}
    tags = role_tags(ctx) if detaching else {}
    todo = plan(arns, attached, tags, detaching)
    left = set(todo.untag) - {policy_tag(arn) for arn in todo.detach}
    differences = tuple(
        [Difference("policy", "", arn) for arn in todo.attach]
        + [Difference("policy", arn, "") for arn in todo.detach]
        + [Difference("tag of a policy", tags[key], "") for key in sorted(left)]
    )
    detail = count(len(arns))
    if not detaching and (extra := len(attached - set(arns))):
        detail += f"; {extra} more attached (update-policies detaches those lambdaimg attached)"
    return Observed("\n".join(arns), differences, detail, todo)


def role_tags(ctx: Context) -> dict[str, str]:
    """The role's tags."""
    pages = ctx.aws("iam").get_paginator("list_role_tags").paginate(RoleName=ctx.settings.role_name)
    return from_list(tag for page in pages for tag in page["Tags"])


def count(policies: int) -> str:
    """How many policies, in words."""
    return f"{policies} {'policy' if policies == 1 else 'policies'}"


def change_policies(ctx: Context, observed: Observed | None) -> Done:
    """Attaches and detaches what `find_policies` found, several at once."""
    if observed is None:
        raise ProjectError("There is nothing to attach policies to.")
    todo: Plan = observed.facts
    name, iam = ctx.settings.role_name, ctx.aws("iam")
    if todo.attach:
        tags = [{"Key": policy_tag(arn), "Value": arn[:MAX_VALUE]} for arn in todo.attach]
        patiently(ctx, lambda: iam.tag_role(RoleName=name, Tags=tags))
    lines = {policy.arn: policy.line for policy in wanted(ctx)}

    def attach(arn: str) -> None:
        ctx.say(f"attaching {arn}")
        try:
            patiently(ctx, lambda: iam.attach_role_policy(RoleName=name, PolicyArn=arn))
        except Exception as error:
            if is_code(error, "NoSuchEntity", "NoSuchEntityException") and arn in str(error):
                raise ProjectError(
                    f"{ctx.settings.policies_file}, line {lines[arn]}: there is no policy {arn}.",
                    hint="Check the name, the partition and the account.",
                ) from error
            raise

    def detach(arn: str) -> None:
        ctx.say(f"detaching {arn}")
        try:
            patiently(ctx, lambda: iam.detach_role_policy(RoleName=name, PolicyArn=arn))
        except Exception as error:
            if not is_code(error, "NoSuchEntity", "NoSuchEntityException"):
                raise

    at_once(partial(attach, arn) for arn in todo.attach)
    at_once(partial(detach, arn) for arn in todo.detach)
    if todo.untag:
        patiently(ctx, lambda: iam.untag_role(RoleName=name, TagKeys=list(todo.untag)))
    return Done(
        observed.value,
        Action.CHANGED,
        f"{len(todo.attach)} attached, {len(todo.detach)} detached",
    )


def patiently(ctx: Context, call: Callable[[], Any]) -> None:
    """Makes a call that IAM refuses while it is at another change of the same role."""
    retry(
        call,
        passing=lambda error: is_code(
            error, "ConcurrentModification", "ConcurrentModificationException"
        ),
        waiter=ctx.waiter,
        limit=ctx.settings.role_wait,
        what="another change of the role",
        say=ctx.say,
    )


def detach_ours(ctx: Context, _value: str) -> None:
    """Detaches every policy that the kit attached."""
    name, iam = ctx.settings.role_name, ctx.aws("iam")
    try:
        ours = role_tags(ctx)
        pages = iam.get_paginator("list_attached_role_policies").paginate(RoleName=name)
        attached = [p["PolicyArn"] for page in pages for p in page["AttachedPolicies"]]
        for arn in attached:
            if policy_tag(arn) in ours:
                iam.detach_role_policy(RoleName=name, PolicyArn=arn)
                iam.untag_role(RoleName=name, TagKeys=[policy_tag(arn)])
    except Exception as error:
        if not is_code(error, "NoSuchEntity", "NoSuchEntityException"):
            raise


def any_ours(ctx: Context, _observed: Observed) -> bool:
    """Whether the kit attached any of the role's policies."""
    return any(is_policy_tag(key) for key in role_tags(ctx))


def users(ctx: Context, _observed: Observed) -> str:
    """The other functions that have the role, which work with its policies."""
    return users_of(ctx.aws("lambda"), ctx.value("lambda-role"), ctx.leaving)


PERMISSIONS = (
    "iam:ListAttachedRolePolicies",
    "iam:AttachRolePolicy",
    "iam:DetachRolePolicy",
    "iam:ListRoleTags",
    "iam:TagRole",
    "iam:UntagRole",
)

LAMBDA_POLICIES: Target[Context] = Target(
    name="lambda-policies",
    help="Attach the managed policies that the policies file lists",
    needs=("lambda-role",),
    files=("policies_file",),
    check=check_file,
    observe=lambda ctx: find_policies(ctx, detaching=False),
    act=change_policies,
    remove=detach_ours,
    owned=any_ours,
    in_use=users,
    permissions=PERMISSIONS,
    removal=("lambda:ListFunctions",),
)

UPDATE_POLICIES: Target[Context] = Target(
    name="update-policies",
    help="Attach what the policies file lists, detach what it no longer lists",
    needs=("lambda-role",),
    files=("policies_file",),
    check=check_file,
    always=True,
    observe=lambda ctx: find_policies(ctx, detaching=True),
    act=change_policies,
    permissions=PERMISSIONS,
)
