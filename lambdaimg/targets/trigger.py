"""`lambda-sqs-trigger`: the event source mapping that feeds the queue to the function.

The mapping carries the kit's tag. Lambda refuses it until the role has its rights, and an answer
that is lost must not lead to a second mapping: so it is looked for before the next attempt.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from lambdaimg.aws import tags
from lambdaimg.aws.arns import queue_arn
from lambdaimg.aws.clients import MAX_ATTEMPTS
from lambdaimg.aws.error_table import NO_QUEUE, TRIGGER_RIGHTS
from lambdaimg.aws.errors import is_code, is_lost, is_throttled, says
from lambdaimg.aws.retry import poll, retry
from lambdaimg.context import Context
from lambdaimg.errors import ProjectError, ResourceFailedError, ResourceGoneError
from lambdaimg.make.target import Action, Difference, Done, Observed, Target
from lambdaimg.policies import may_read_queues, read

T = TypeVar("T")
REPORT_FAILURES = "ReportBatchItemFailures"
STATE, QUEUE = "state", "queue"
# A mapping that was enabled a moment ago may still tell its old state.
STALE_STATE_S = 10.0


def check_rights(ctx: Context) -> None:
    """Refuses a policies file with which the function could not read the queue.

    Raises:
        ProjectError: no policy of the file is known to give the right.
    """
    file = ctx.settings.policies_file
    if not may_read_queues(read(ctx.path(file))):
        raise ProjectError(
            f"{file} lists no policy that lets the function read the queue.",
            hint="Add arn:aws:iam::aws:policy/service-role/AWSLambdaSQSQueueExecutionRole to it.",
        )


def of_queue(ctx: Context) -> str:
    """The ARN of the queue."""
    return queue_arn(ctx.region, ctx.account(), ctx.settings.queue_name)


def mapping_request(ctx: Context) -> dict[str, Any]:
    """The parameters of a mapping that is made."""
    settings = ctx.settings
    request: dict[str, Any] = {
        "BatchSize": settings.batch_size,
        "FunctionResponseTypes": [REPORT_FAILURES] if settings.partial_batch_responses else [],
    }
    if not settings.fifo:
        request["MaximumBatchingWindowInSeconds"] = settings.batching_window
    if settings.maximum_concurrency:
        request["ScalingConfig"] = {"MaximumConcurrency": settings.maximum_concurrency}
    return request


@dataclass(frozen=True)
class Attribute:
    """A setting of the mapping.

    Args:
        setting: the setting's name.
        parameter: Lambda's name for it.
        of_answer: the value that the mapping has now, in the setting's own form.
        unset: the parameter's value where the setting asks for none.
    """

    setting: str
    parameter: str
    of_answer: Callable[[Mapping[str, Any]], Any]
    unset: Any = None


ATTRIBUTES = (
    Attribute("batch_size", "BatchSize", lambda now: now.get("BatchSize")),
    Attribute(
        "batching_window",
        "MaximumBatchingWindowInSeconds",
        lambda now: now.get("MaximumBatchingWindowInSeconds") or 0,
    ),
    Attribute(
        "partial_batch_responses",
        "FunctionResponseTypes",
        lambda now: REPORT_FAILURES in (now.get("FunctionResponseTypes") or []),
    ),
    Attribute(
        "maximum_concurrency",
        "ScalingConfig",
        lambda now: (now.get("ScalingConfig") or {}).get("MaximumConcurrency") or 0,
        unset={},
    ),
)


def mapping_differences(ctx: Context, now: Mapping[str, Any]) -> list[Difference]:
    """What the mapping should have otherwise, as far as the user states it."""
    found = []
    for attribute in ATTRIBUTES:
        want, have = ctx.setting(attribute.setting), attribute.of_answer(now)
        if ctx.stated(attribute.setting) and have != want:
            found.append(Difference(attribute.setting, str(have), str(want)))
    if now.get("State") != "Enabled":
        found.append(Difference(STATE, str(now.get("State")), "Enabled"))
    return found


def find_mapping(ctx: Context) -> Observed | None:
    """The mapping of the queue to the function; the oldest where there are several."""
    pages = (
        ctx.aws("lambda")
        .get_paginator("list_event_source_mappings")
        .paginate(FunctionName=ctx.settings.function_name)
    )
    queue = of_queue(ctx)
    every = [m for page in pages for m in page["EventSourceMappings"]]
    every = [m for m in every if m.get("State") != "Deleting"]
    mappings = [m for m in every if m.get("EventSourceArn") == queue]
    others = sorted({str(m.get("EventSourceArn", "")) for m in every} - {queue})
    queues = [arn.rpartition(":")[2] for arn in others if ":sqs:" in arn]
    detail = f"also fed by {', '.join(queues)}" if queues else ""
    if not mappings:
        return None
    now = min(mappings, key=lambda m: (str(m.get("LastModified", "")), m["UUID"]))
    found = mapping_differences(ctx, now)
    if not queue_is_there(ctx):
        found.append(Difference(QUEUE, "gone", "there"))
    return Observed(now["UUID"], tuple(found), detail, facts=now)


def queue_is_there(ctx: Context) -> bool:
    """Whether the queue exists: a mapping outlives it, and says nothing of its end."""
    try:
        ctx.aws("sqs").get_queue_url(QueueName=ctx.settings.queue_name)
    except Exception as error:
        if is_code(error, *NO_QUEUE):
            return False
        raise
    return True


def create_mapping(ctx: Context, observed: Observed | None) -> Done:
    """Maps the queue to the function, or changes the mapping, and waits until it is enabled.

    Raises:
        ResourceGoneError: the mapping is there and its queue is not.
    """
    if observed is None:
        uuid, made = made_once(ctx)
        if not made:
            there = find_mapping(ctx)
            if there is not None and there.differences:
                return change_mapping(ctx, there)
        await_mapping(ctx, uuid)
        action = Action.CREATED if made else Action.ADOPTED
        return Done(uuid, action, f"batches of {ctx.settings.batch_size}")
    if any(difference.attribute == QUEUE for difference in observed.differences):
        raise ResourceGoneError(
            f"The queue {ctx.settings.queue_name} is gone.",
            hint="Run the same command again.",
            target="queue",
        )
    return change_mapping(ctx, observed)


def made_once(ctx: Context) -> tuple[str, bool]:
    """The UUID of a new mapping, and whether it was made here; never makes two.

    boto3 does not repeat this request: where the answer is lost, nobody knows whether there is a
    mapping now, so it is looked for before the next attempt.
    """
    client = ctx.clients.client("lambda", retries=False)
    lost, attempts = False, 0

    def attempt() -> tuple[str, bool]:
        nonlocal lost, attempts
        attempts += 1
        there = find_mapping(ctx) if lost else None
        if there is not None:
            return there.value, True
        try:
            answer = client.create_event_source_mapping(
                EventSourceArn=of_queue(ctx),
                FunctionName=ctx.settings.function_name,
                Enabled=True,
                Tags=tags.made_by(ctx.settings.tags),
                **mapping_request(ctx),
            )
        except Exception as error:
            lost = lost or is_lost(error)
            if is_code(error, "ResourceConflictException"):
                there = find_mapping(ctx)
                if there is not None:
                    return there.value, lost
            raise
        return str(answer["UUID"]), True

    def passing(error: Exception) -> bool:
        return attempts < MAX_ATTEMPTS and (is_lost(error) or is_throttled(error))

    return retried(ctx, attempt, passing)


def change_mapping(ctx: Context, observed: Observed) -> Done:
    """Changes what differs, and only that."""
    request: dict[str, Any] = {}
    wanted = {a.parameter: a.unset for a in ATTRIBUTES} | mapping_request(ctx)
    differing = {difference.attribute for difference in observed.differences}
    for attribute in ATTRIBUTES:
        if attribute.setting in differing:
            request[attribute.parameter] = wanted[attribute.parameter]
    if observed.facts.get("State") in ("Disabled", "Disabling"):
        request["Enabled"] = True
    if request:
        client = ctx.aws("lambda")
        retried(ctx, lambda: client.update_event_source_mapping(UUID=observed.value, **request))
    await_mapping(ctx, observed.value)
    if not request:
        return Done(observed.value, Action.ADOPTED)
    return Done(observed.value, Action.UPDATED, ", ".join(map(str, observed.differences)))


def retried(
    ctx: Context, call: Callable[[], T], also: Callable[[Exception], bool] = lambda _error: False
) -> T:
    """Makes a call that AWS refuses until the role has its rights and no change is under way."""

    def passing(error: Exception) -> bool:
        if is_code(error, "ResourceInUseException") or also(error):
            return True
        return is_code(error, "InvalidParameterValueException") and says(error, TRIGGER_RIGHTS)

    return retry(
        call,
        passing=passing,
        waiter=ctx.waiter,
        limit=ctx.settings.trigger_wait,
        what="the role's right to read the queue",
        say=ctx.say,
    )


def await_mapping(ctx: Context, uuid: str) -> None:
    """Waits until the mapping is enabled.

    Raises:
        ResourceGoneError: somebody deleted it meanwhile.
        ResourceFailedError: Lambda disabled it; says why.
    """
    began = ctx.waiter.now()

    def look() -> bool | None:
        try:
            now = ctx.aws("lambda").get_event_source_mapping(UUID=uuid)
        except Exception as error:
            if is_code(error, "ResourceNotFoundException"):
                raise ResourceGoneError(
                    "The trigger was deleted meanwhile.",
                    hint="Run the same command again.",
                    target="lambda-sqs-trigger",
                ) from error
            raise
        if now.get("State") == "Disabled" and ctx.waiter.now() - began > STALE_STATE_S:
            raise ResourceFailedError(
                f"Lambda disabled the trigger: {now.get('StateTransitionReason', 'no reason')}",
                hint="Look at the role's rights and the queue, then run the same command.",
            )
        return True if now.get("State") == "Enabled" else None

    poll(
        look,
        waiter=ctx.waiter,
        limit=ctx.settings.trigger_wait,
        what="the trigger to be enabled",
        hint="Run the same command again, or raise trigger_wait.",
        say=ctx.say,
    )


def is_made_here(ctx: Context, observed: Observed) -> bool:
    """Whether the mapping carries the kit's tag."""
    arn = observed.facts.get("EventSourceMappingArn")
    answer = ctx.aws("lambda").list_tags(Resource=arn) if arn else {}
    return tags.is_ours(answer.get("Tags") or {})


def delete_mapping(ctx: Context, value: str) -> None:
    """Deletes the mapping."""
    try:
        retried(ctx, lambda: ctx.aws("lambda").delete_event_source_mapping(UUID=value))
    except Exception as error:
        if not is_code(error, "ResourceNotFoundException"):
            raise


LAMBDA_SQS_TRIGGER: Target[Context] = Target(
    name="lambda-sqs-trigger",
    help="Feed the queue to the function",
    needs=("queue", "lambda-function"),
    order_only=("lambda-policies",),
    uses=(
        "batch_size",
        "batching_window",
        "partial_batch_responses",
        "maximum_concurrency",
    ),
    check=check_rights,
    observe=find_mapping,
    act=create_mapping,
    remove=delete_mapping,
    owned=is_made_here,
    permissions=(
        "sqs:GetQueueUrl",
        "lambda:ListEventSourceMappings",
        "lambda:TagResource",
        "lambda:GetEventSourceMapping",
        "lambda:CreateEventSourceMapping",
        "lambda:UpdateEventSourceMapping",
    ),
    removal=("lambda:DeleteEventSourceMapping",),
)
