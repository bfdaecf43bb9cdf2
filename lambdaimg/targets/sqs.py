"""`queue`: the SQS queue, created if absent."""

from __future__ import annotations

import json
from collections.abc import Mapping

from lambdaimg.aws import tags
from lambdaimg.aws.arns import queue_arn
from lambdaimg.aws.error_table import NO_QUEUE
from lambdaimg.aws.errors import is_code
from lambdaimg.aws.retry import retry
from lambdaimg.context import Context
from lambdaimg.make.target import Action, Difference, Done, Observed, Target

DELETED_RECENTLY = ("AWS.SimpleQueueService.QueueDeletedRecently", "QueueDeletedRecently")
EXISTS = ("QueueAlreadyExists", "QueueNameExists")


def attributes(ctx: Context) -> dict[str, str]:
    """The attributes of a queue that is created, in SQS's words."""
    settings = ctx.settings
    wanted = {
        "VisibilityTimeout": str(settings.queue_visibility),
        "MessageRetentionPeriod": str(settings.message_retention),
    }
    if settings.fifo:
        wanted["FifoQueue"] = "true"
    if settings.dead_letter_queue:
        dead_letters = queue_arn(ctx.region, ctx.account(), settings.dead_letter_queue)
        wanted["RedrivePolicy"] = json.dumps(
            {
                "deadLetterTargetArn": dead_letters,
                "maxReceiveCount": settings.max_receive_count,
            }
        )
    return wanted


def queue_differences(ctx: Context, now: Mapping[str, str]) -> tuple[Difference, ...]:
    """What the queue should have otherwise.

    A visibility timeout below the function's timeout is always mended, since Lambda refuses it.
    """
    wanted, found = attributes(ctx), []
    visibility = int(now.get("VisibilityTimeout", "30"))
    too_short = visibility < ctx.settings.timeout
    if (ctx.stated("visibility_timeout") or too_short) and visibility != int(
        wanted["VisibilityTimeout"]
    ):
        found.append(Difference("VisibilityTimeout", str(visibility), wanted["VisibilityTimeout"]))
    retention = now.get("MessageRetentionPeriod", "")
    if ctx.stated("message_retention") and retention != wanted["MessageRetentionPeriod"]:
        found.append(
            Difference("MessageRetentionPeriod", retention, wanted["MessageRetentionPeriod"])
        )
    if "RedrivePolicy" in wanted:
        have = json.loads(now.get("RedrivePolicy") or "{}")
        want = json.loads(wanted["RedrivePolicy"])
        if {k: str(v) for k, v in have.items()} != {k: str(v) for k, v in want.items()}:
            found.append(
                Difference("RedrivePolicy", now.get("RedrivePolicy", ""), wanted["RedrivePolicy"])
            )
    return tuple(found)


def find_queue(ctx: Context) -> Observed | None:
    """The queue, with what its attributes differ in."""
    sqs = ctx.aws("sqs")
    try:
        url = sqs.get_queue_url(QueueName=ctx.settings.queue_name)["QueueUrl"]
        now = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        found = queue_differences(ctx, now)
        if ctx.stated("tags"):
            found += tuple(tags.differences(tags_of(ctx, url), ctx.settings.tags))
    except Exception as error:
        if is_code(error, *NO_QUEUE):
            return None
        raise
    return Observed(url, found)


def tags_of(ctx: Context, url: str) -> dict[str, str]:
    """The queue's tags."""
    return dict(ctx.aws("sqs").list_queue_tags(QueueUrl=url).get("Tags") or {})


def create_queue(ctx: Context, observed: Observed | None) -> Done:
    """Creates the queue, or sets the attributes that differ."""
    sqs, settings = ctx.aws("sqs"), ctx.settings
    if observed is not None:
        wanted = {difference.attribute: difference.want for difference in observed.differences}
        changes = {name: wanted[name] for name in attributes(ctx) if name in wanted}
        if changes:
            sqs.set_queue_attributes(QueueUrl=observed.value, Attributes=changes)
        if len(changes) < len(wanted):
            sqs.tag_queue(QueueUrl=observed.value, Tags=dict(settings.tags))
        return Done(observed.value, Action.UPDATED, ", ".join(map(str, observed.differences)))
    try:
        url = retry(
            lambda: sqs.create_queue(
                QueueName=settings.queue_name,
                Attributes=attributes(ctx),
                tags=tags.made_by(settings.tags),
            )["QueueUrl"],
            passing=lambda error: is_code(error, *DELETED_RECENTLY),
            waiter=ctx.waiter,
            limit=settings.queue_wait,
            what="the name of the deleted queue to be free",
            say=ctx.say,
        )
    except Exception as error:
        if not is_code(error, *EXISTS):
            raise
        there = find_queue(ctx)
        if there is None:
            raise
        return create_queue(ctx, there) if there.differences else Done(there.value, Action.ADOPTED)
    return Done(url, Action.CREATED)


def users(ctx: Context, _observed: Observed) -> str:
    """The other functions that the queue is fed to."""
    arn = queue_arn(ctx.region, ctx.account(), ctx.settings.queue_name)
    pages = (
        ctx.aws("lambda").get_paginator("list_event_source_mappings").paginate(EventSourceArn=arn)
    )
    fed = {m["FunctionArn"].split(":")[6] for page in pages for m in page["EventSourceMappings"]}
    return ", ".join(sorted(fed - ctx.leaving))


def delete_queue(ctx: Context, value: str) -> None:
    """Deletes the queue and the messages in it."""
    try:
        ctx.aws("sqs").delete_queue(QueueUrl=value)
    except Exception as error:
        if not is_code(error, *NO_QUEUE):
            raise


QUEUE: Target[Context] = Target(
    name="queue",
    help="Create the SQS queue if it does not exist",
    uses=(
        "queue_name",
        "queue_visibility",
        "message_retention",
        "dead_letter_queue",
        "max_receive_count",
        "timeout",
        "tags",
    ),
    observe=find_queue,
    act=create_queue,
    remove=delete_queue,
    owned=lambda ctx, observed: tags.is_ours(tags_of(ctx, observed.value)),
    in_use=users,
    permissions=(
        "sqs:GetQueueUrl",
        "sqs:GetQueueAttributes",
        "sqs:ListQueueTags",
        "sqs:CreateQueue",
        "sqs:TagQueue",
        "sqs:SetQueueAttributes",
    ),
    removal=(
        "sqs:DeleteQueue",
        "lambda:ListEventSourceMappings",
    ),
)
