"""`lambda-function` and `update-function` where the setting `package` is `zip`.

The function's code is the handler's file or folder, as a zip that is the same on every machine;
its runtime is `provided.al2023` with the layers that the settings name, unless they say else.
As with images, `lambda-function` gives an existing function its configuration, and its code is
`update-function`'s matter.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from lambdaimg import sizes
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
from lambdaimg.aws.function_state import await_function, changed, is_settled
from lambdaimg.aws.tags import is_ours
from lambdaimg.context import Context
from lambdaimg.errors import ProjectError
from lambdaimg.make.target import LATER, Action, Difference, Done, Observed, Target

if TYPE_CHECKING:
    from lambdaimg.layers.archive import Archive

CONFIGURATION = (
    "package",
    "function_name",
    "runtime",
    "handler",
    "memory",
    "timeout",
    "ephemeral_storage",
    "description",
    "environment",
    "environment_mode",
    "architecture",
    "tags",
)


# --- the code -----------------------------------------------------------------------------------


def code(ctx: Context) -> Archive:
    """The function's code. Raises: ProjectError, where it is missing or too large."""
    path = ctx.path(ctx.settings.lambda_module)
    if not path.exists():
        raise ProjectError(
            f"There is no handler {ctx.settings.lambda_module} in {ctx.project}.",
            hint="Write it, or name yours with lambda_module (LAMBDA_MODULE).",
        )
    from lambdaimg.layers import archive

    return ctx.once(f"code {path}", lambda: archive.archive(archive.files(path), "the function"))


def code_sha(ctx: Context) -> str:
    """The code's hash as Lambda has it in `CodeSha256`."""
    import base64
    import hashlib

    return base64.b64encode(hashlib.sha256(code(ctx).zipped).digest()).decode()


def handler(ctx: Context) -> str:
    """The handler's name.

    Raises:
        ProjectError: none is set, and the code is a folder, which names none.
    """
    if ctx.settings.handler:
        return ctx.settings.handler
    path = ctx.path(ctx.settings.lambda_module)
    if path.is_dir():
        raise ProjectError(
            f"The function's code is the folder {ctx.settings.lambda_module}, and no handler is "
            "named.",
            hint='Set handler, such as "hello.handler".',
        )
    return f"{path.stem}.handler"


def check_code(ctx: Context) -> None:
    """Refuses code that cannot be packed, before any call is made."""
    code(ctx)
    handler(ctx)


def inputs(ctx: Context) -> Mapping[str, str]:
    """The content of the code, as one hash."""
    return {"code": code(ctx).content_hash}


# --- what it should be, and is ------------------------------------------------------------------


def zip_parameters(ctx: Context) -> dict[str, Any]:
    """The parameters that only zip functions have."""
    return {
        "Runtime": ctx.settings.runtime,
        "Handler": handler(ctx),
        "Layers": layer_arns(ctx),
    }


def layer_arns(ctx: Context) -> list[str]:
    """The ARNs of the layers, in order."""
    value = ctx.value("layers")
    return [] if value == LATER else value.split()


def configuration_change(ctx: Context, answer: dict[str, Any]) -> config.Change:
    """What has to change of the configuration, from `GetFunction`'s answer."""
    now, role = answer["Configuration"], ctx.value("lambda-role")
    overrides = {name for name, _ in config.IMAGE_OVERRIDES}
    change = config.to_update(
        ctx.settings,
        lambda name: name not in overrides and ctx.stated(name),
        now,
        answer.get("Tags") or {},
        str(now.get("Role")) if role == LATER else role,
    )
    have = {
        "Runtime": now.get("Runtime"),
        "Handler": now.get("Handler"),
        "Layers": [layer["Arn"] for layer in now.get("Layers") or ()],
    }
    wanted = {key: want for key, want in zip_parameters(ctx).items() if want != have[key]}
    if ctx.value("layers") == LATER:
        wanted.pop("Layers", None)
    found = [Difference(key.lower(), _text(have[key]), _text(want)) for key, want in wanted.items()]
    return config.Change(
        {**change.request, **wanted},
        (*change.differences, *found),
        change.tags_before,
        change.tags_after,
        change.tags_gone,
    )


def _text(value: Any) -> str:
    return " ".join(value) if isinstance(value, list) else str(value)


def _state(now: Mapping[str, Any]) -> list[Difference]:
    if "Failed" in (now.get("State"), now.get("LastUpdateStatus")):
        return [Difference(STATE, "Failed", "Active")]
    if not is_settled(now):
        return [Difference(STATE, now.get("State", "Active"), "Active, with no change open")]
    return []


# --- lambda-function ----------------------------------------------------------------------------


def find_function(ctx: Context) -> Observed | None:
    """The function, with what its configuration differs in."""
    answer = get_function(ctx, "Zip")
    if answer is None:
        return None
    now = answer["Configuration"]
    found = (*configuration_change(ctx, answer).differences, *_state(now))
    detail = ""
    if now.get("CodeSha256") != code_sha(ctx):
        detail = "runs other code; update-function deploys this one"
    return Observed(now["FunctionArn"], found, detail, answer)


def create_function(ctx: Context, observed: Observed | None) -> Done:
    """Creates the function, or mends the one that is there."""
    if observed is not None:
        return mend_function(ctx, observed)
    given = {k: v for k, v in config.to_create(ctx.settings).items() if k != "ImageConfig"}
    answer = create(
        ctx,
        {
            "PackageType": "Zip",
            "Role": ctx.value("lambda-role"),
            "Code": {"ZipFile": code(ctx).zipped},
            **given,
            **zip_parameters(ctx),
        },
    )
    if answer is None:
        there = find_function(ctx)
        if there is None:
            raise gone(ctx)
        return mend_function(ctx, there)
    seconds = await_function(ctx)
    size = sizes.text(len(code(ctx).zipped))
    return Done(answer["FunctionArn"], Action.CREATED, f"{size}, active after {seconds:.0f} s")


def mend_function(ctx: Context, observed: Observed) -> Done:
    """Gives a function that is there its configuration; a failed one gets its code again."""
    change = configuration_change(ctx, observed.facts)
    return mend(ctx, observed, change, partial(change_code, ctx))


def change_code(ctx: Context) -> None:
    """Lets the function run the code of the project."""
    settings = ctx.settings
    changed(
        ctx,
        lambda: ctx.aws("lambda").update_function_code(
            FunctionName=settings.function_name,
            ZipFile=code(ctx).zipped,
            Architectures=[settings.architecture],
            Publish=False,
        ),
    )


ZIP_FUNCTION: Target[Context] = Target(
    name="lambda-function",
    help="Create the function if it does not exist",
    needs=("lambda-role", "layers"),
    order_only=("lambda-policies",),
    uses=CONFIGURATION,
    check=check_code,
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
        "lambda:GetLayerVersion",
        "iam:PassRole",
    ),
    removal=("lambda:DeleteFunction",),
)


# --- update-function ----------------------------------------------------------------------------


def find_code(ctx: Context) -> Observed | None:
    """The code that the function runs, with what it and the configuration differ in."""
    answer = get_function(ctx, "Zip")
    if answer is None:
        return None
    now, wanted = answer["Configuration"], code_sha(ctx)
    found = list(configuration_change(ctx, answer).differences)
    if now.get("CodeSha256") != wanted:
        found.append(Difference("code", str(now.get("CodeSha256"))[:12], wanted[:12]))
    architecture = config.architecture_of(now)
    if architecture != ctx.settings.architecture:
        found.append(Difference("architecture", architecture, ctx.settings.architecture))
    return Observed(wanted, (*found, *_state(now)), facts=answer)


def update_function(ctx: Context, observed: Observed | None) -> Done:
    """Changes the code and the configuration, each only where it differs, and waits."""
    if observed is None:
        raise gone(ctx)
    differing = {difference.attribute for difference in observed.differences}
    anew = bool({"code", "architecture"} & differing) or "update-function" in ctx.forced
    settle(ctx, observed.facts)
    if anew or has_failed(observed):
        change_code(ctx)
    apply_configuration(ctx, observed.facts, configuration_change(ctx, observed.facts))
    return Done(observed.value, Action.UPDATED, ", ".join(map(str, observed.differences)))


ZIP_UPDATE: Target[Context] = Target(
    name="update-function",
    help="Pack and run new code; apply a changed configuration",
    needs=("lambda-function",),
    order_only=("lambda-policies",),
    uses=(*CONFIGURATION, "lambda_module"),
    inputs=inputs,
    check=check_code,
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
