"""What functions have in common, whether their code is an image or a zip."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from lambdaimg.aws.error_table import NO_ASSUME
from lambdaimg.aws.errors import is_code, says
from lambdaimg.aws.function_state import Run, await_function, changed, is_settled
from lambdaimg.aws.permissions import Simulator
from lambdaimg.aws.retry import retry
from lambdaimg.aws.tags import environment_tags, made_by
from lambdaimg.errors import AccessDeniedError, ConflictError, ResourceGoneError
from lambdaimg.make.target import Action, Done

if TYPE_CHECKING:
    from lambdaimg.aws.function_config import Change
    from lambdaimg.make.target import Observed

STATE = "state"
KINDS = {"Image": "an image function", "Zip": "a zip function"}


def get_function(run: Run, package: str) -> dict[str, Any] | None:
    """`GetFunction`'s answer; None where there is no such function.

    Args:
        run: names the function.
        package: its package type, `Image` or `Zip`.

    Raises:
        ConflictError: there is one of the other package type.
        AccessDeniedError: its tags, which tell what of it is the kit's, are kept back.
    """
    name = run.settings.function_name
    try:
        answer: dict[str, Any] = run.aws("lambda").get_function(FunctionName=name)
    except Exception as error:
        if is_code(error, "ResourceNotFoundException"):
            return None
        raise
    found = answer["Configuration"].get("PackageType", "Zip")
    if found != package:
        raise ConflictError(
            f"The function {name} exists as {KINDS[found]}; its package type cannot change.",
            hint="Choose another function_name, or delete the function first.",
        )
    if answer.get("TagsError"):
        raise AccessDeniedError(
            f"AWS does not tell the tags of the function {name}: "
            f"{answer['TagsError'].get('Message') or 'no reason given'}",
            hint="Allow lambda:ListTags on it.",
        )
    return answer


def create(
    run: Run, request: Mapping[str, Any], coming: Callable[[Exception], bool] = lambda _error: False
) -> dict[str, Any] | None:
    """`CreateFunction`'s answer; None where there is a function of that name already.

    A role that was just made cannot be assumed for some seconds, in which it is tried again.

    Args:
        run: names the function, and the limit `role_wait`.
        request: what is asked for but for the name and the tags; its `Role` is an ARN.
        coming: whether an error passes by itself.

    Raises:
        ResourceGoneError: the role is not there.
        AccessDeniedError: the caller may not pass the role.
    """
    settings = run.settings

    def made() -> dict[str, Any]:
        answer: dict[str, Any] = run.aws("lambda").create_function(
            FunctionName=settings.function_name,
            Publish=False,
            Tags={**made_by(settings.tags), **environment_tags(settings.environment)},
            **request,
        )
        return answer

    def passing(error: Exception) -> bool:
        if is_not_assumable(error):
            require_role(run)
            return True
        return coming(error)

    try:
        return retry(
            made,
            passing=passing,
            waiter=run.waiter,
            limit=settings.role_wait,
            what="the role to be assumable",
            say=run.say,
        )
    except Exception as error:
        if is_code(error, "ResourceConflictException"):
            return None
        if is_not_assumable(error):
            require_pass_role(run, request["Role"])
        raise


def is_not_assumable(error: Exception) -> bool:
    """Whether Lambda could not assume the function's role."""
    return is_code(error, "InvalidParameterValueException") and says(error, NO_ASSUME)


def require_role(run: Run) -> None:
    """Sees whether the role that cannot be assumed exists at all: waiting would not help.

    Raises:
        ResourceGoneError: it does not.
    """
    try:
        run.aws("iam").get_role(RoleName=run.settings.role_name)
    except Exception as error:
        if is_code(error, "NoSuchEntity", "NoSuchEntityException"):
            raise ResourceGoneError(
                f"The role {run.settings.role_name} is gone.",
                hint="Run the same command again.",
                target="lambda-role",
            ) from error


def require_pass_role(run: Run, role: str) -> None:
    """Tells a missing iam:PassRole, which looks much the same, from a role that is not assumable.

    Raises:
        AccessDeniedError: the caller may not pass the role, as far as IAM's simulator tells.
    """
    simulator = Simulator(run.aws("iam"), str(run.aws("sts").get_caller_identity()["Arn"]))
    context = {"iam:PassedToService": "lambda.amazonaws.com"}
    rights = simulator.rights(["iam:PassRole"], role, context)
    if rights.denied:
        raise AccessDeniedError(
            "The caller may not pass the role to Lambda: iam:PassRole is missing.",
            hint=f"Allow iam:PassRole on {role}.",
        )


def has_failed(observed: Observed) -> bool:
    """Whether what was observed is a function that failed."""
    return any(d.attribute == STATE and d.have == "Failed" for d in observed.differences)


def mend(run: Run, observed: Observed, change: Change, change_code: Callable[[], None]) -> Done:
    """Gives a function that is there its configuration; a failed one gets its code again."""
    failed = has_failed(observed)
    if failed:
        change_code()
    elif any(d.attribute == STATE for d in observed.differences):
        await_function(run, well=False)
    if apply_configuration(run, observed.facts, change) or failed:
        return Done(observed.value, Action.UPDATED, ", ".join(map(str, observed.differences)))
    return Done(observed.value, Action.ADOPTED, observed.detail)


def gone(run: Run) -> ResourceGoneError:
    """The error for a function that was to be updated and is not there."""
    return ResourceGoneError(
        f"The function {run.settings.function_name} is gone.",
        hint="Run the same command again.",
        target="lambda-function",
    )


def settle(run: Run, answer: dict[str, Any]) -> None:
    """Waits for the end of a change that `GetFunction`'s answer tells of."""
    if not is_settled(answer["Configuration"]):
        await_function(run, well=False)


def apply_configuration(run: Run, answer: dict[str, Any], change: Change) -> bool:
    """Changes the configuration and the tags where they differ; whether anything did."""
    client, arn = run.aws("lambda"), answer["Configuration"]["FunctionArn"]
    if change.tags_before:
        client.tag_resource(Resource=arn, Tags=change.tags_before)
    if change.request:
        changed(
            run,
            lambda: client.update_function_configuration(
                FunctionName=run.settings.function_name, **change.request
            ),
        )
    if change.tags_after:
        client.tag_resource(Resource=arn, Tags=change.tags_after)
    if change.tags_gone:
        client.untag_resource(Resource=arn, TagKeys=list(change.tags_gone))
    return bool(change.differences)


def delete_function(run: Run, _value: str) -> None:
    """Deletes the function with all its versions."""
    try:
        retry(
            lambda: run.aws("lambda").delete_function(FunctionName=run.settings.function_name),
            passing=lambda error: is_code(error, "ResourceConflictException"),
            waiter=run.waiter,
            limit=run.settings.function_wait,
            what="another change of the function",
            say=run.say,
        )
    except Exception as error:
        if not is_code(error, "ResourceNotFoundException"):
            raise
