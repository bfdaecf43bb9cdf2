"""`lambda-function` and `update-function`: the function, its code by digest, its configuration.

`lambda-function` creates the function if it does not exist, and applies a changed configuration
to one that does; its code is `update-function`'s matter. Around every change it waits until the
function takes changes again, since any change while another is in progress is refused.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from lambdaimg.aws import function_config as config
from lambdaimg.aws.function_change import (
    STATE,
    apply_configuration,
    create,
    delete_function,
    get_function,
    gone,
    has_failed,
    mend,
    settle,
)
from lambdaimg.aws.function_state import await_function, changed, image_is_coming, is_settled
from lambdaimg.aws.tags import is_ours
from lambdaimg.context import Context
from lambdaimg.make.target import LATER, Action, Difference, Done, Observed, Target

CONFIGURATION = (
    "function_name",
    "memory",
    "timeout",
    "ephemeral_storage",
    "description",
    "environment",
    "environment_mode",
    "command",
    "entrypoint",
    "working_directory",
    "architecture",
    "tags",
)


def configuration_change(ctx: Context, answer: dict[str, Any]) -> config.Change:
    """What has to change of the configuration, from `GetFunction`'s answer."""
    now, role = answer["Configuration"], ctx.value("lambda-role")
    return config.to_update(
        ctx.settings,
        ctx.stated,
        now,
        answer.get("Tags") or {},
        str(now.get("Role")) if role == LATER else role,
    )


def find_function(ctx: Context) -> Observed | None:
    """The function, with what its configuration differs in.

    A function that was never active is not as it should be: the run that made it was
    interrupted, or its image could not be started.
    """
    answer = get_function(ctx, "Image")
    if answer is None:
        return None
    now = answer["Configuration"]
    found = list(configuration_change(ctx, answer).differences)
    if now.get("State") == "Failed":
        found.append(Difference(STATE, "Failed", "Active"))
    elif not is_settled(now):
        found.append(Difference(STATE, now.get("State", "Active"), "Active, with no change open"))
    detail = ""
    deployed = ctx.value("deploy").rpartition("@")[2]
    if (digest := config.digest_of(answer)) and digest != deployed:
        detail = "runs another image; update-function deploys this one"
    return Observed(now["FunctionArn"], tuple(found), detail, answer)


def create_function(ctx: Context, observed: Observed | None) -> Done:
    """Creates the function by digest, or mends the one that is there."""
    if observed is not None:
        return mend_function(ctx, observed)
    began = ctx.waiter.now()
    answer = create(
        ctx,
        {
            "PackageType": "Image",
            "Role": ctx.value("lambda-role"),
            "Code": {"ImageUri": ctx.value("deploy")},
            **config.to_create(ctx.settings),
        },
        lambda error: image_is_coming(ctx, error, began),
    )
    if answer is None:
        there = find_function(ctx)
        if there is None:
            raise gone(ctx)
        return mend_function(ctx, there)
    seconds = await_function(ctx)
    return Done(answer["FunctionArn"], Action.CREATED, f"active after {seconds:.0f} s")


def mend_function(ctx: Context, observed: Observed) -> Done:
    """Gives a function that is there its configuration; a failed one gets its code again."""
    change = configuration_change(ctx, observed.facts)
    return mend(ctx, observed, change, partial(change_code, ctx))


def change_code(ctx: Context) -> None:
    """Lets the function run the image that was deployed."""
    settings = ctx.settings
    changed(
        ctx,
        lambda: ctx.aws("lambda").update_function_code(
            FunctionName=settings.function_name,
            ImageUri=ctx.value("deploy"),
            Architectures=[settings.architecture],
            Publish=False,
        ),
    )


LAMBDA_FUNCTION: Target[Context] = Target(
    name="lambda-function",
    help="Create the function if it does not exist",
    needs=("ecr-repo", "lambda-role"),
    order_only=("deploy", "lambda-policies"),
    uses=CONFIGURATION,
    observe=find_function,
    act=create_function,
    remove=delete_function,
    owned=lambda _ctx, observed: is_ours(observed.facts.get("Tags") or {}),
    permissions=(
        "lambda:GetFunction",
        "lambda:ListTags",
        "lambda:GetFunctionConfiguration",
        "lambda:CreateFunction",
        "lambda:UpdateFunctionConfiguration",
        "lambda:TagResource",
        "lambda:UntagResource",
        "iam:PassRole",
        "ecr:GetRepositoryPolicy",
        "ecr:SetRepositoryPolicy",
    ),
    removal=("lambda:DeleteFunction",),
)


def find_code(ctx: Context) -> Observed | None:
    """The image that the function runs, with what it and the configuration differ in."""
    answer = get_function(ctx, "Image")
    if answer is None:
        return None
    now = answer["Configuration"]
    found = list(configuration_change(ctx, answer).differences)
    wanted, digest = ctx.value("deploy"), config.digest_of(answer)
    if digest != wanted.rpartition("@")[2]:
        found.append(Difference("image", digest[:19], wanted.rpartition("@")[2][:19]))
    architecture = config.architecture_of(now)
    if architecture != ctx.settings.architecture:
        found.append(Difference("architecture", architecture, ctx.settings.architecture))
    if "Failed" in (now.get("State"), now.get("LastUpdateStatus")):
        found.append(Difference(STATE, "Failed", "Active"))
    elif not is_settled(now):
        found.append(Difference(STATE, now.get("State", "Active"), "Active, with no change open"))
    return Observed(wanted, tuple(found), facts=answer)


def update_function(ctx: Context, observed: Observed | None) -> Done:
    """Changes the code and the configuration, each only where it differs, and waits."""
    if observed is None:
        raise gone(ctx)
    differing = {difference.attribute for difference in observed.differences}
    anew = bool({"image", "architecture"} & differing) or "update-function" in ctx.forced
    settle(ctx, observed.facts)
    if anew or has_failed(observed):
        change_code(ctx)
    apply_configuration(ctx, observed.facts, configuration_change(ctx, observed.facts))
    return Done(observed.value, Action.UPDATED, ", ".join(map(str, observed.differences)))


UPDATE_FUNCTION: Target[Context] = Target(
    name="update-function",
    help="Build, push and run a new image; apply a changed configuration",
    needs=("deploy", "lambda-function"),
    order_only=("lambda-policies",),
    uses=CONFIGURATION,
    always=True,
    again=True,
    observe=find_code,
    act=update_function,
    permissions=(
        "lambda:GetFunction",
        "lambda:ListTags",
        "lambda:GetFunctionConfiguration",
        "lambda:UpdateFunctionCode",
        "lambda:UpdateFunctionConfiguration",
    ),
)
