"""Answers a payload, and handles the messages of a queue one by one."""

from typing import Any

from lambdaimg.runtime import Context, get_logger

logger = get_logger(__name__)


def handler(event: Any, context: Context) -> Any:
    """Called for every event: a payload of `invoke`, or a batch of messages from SQS."""
    if is_batch(event):
        return handle_batch(event["Records"])
    name = event.get("name", "world") if isinstance(event, dict) else event
    logger.info("greeting %s", name)
    return {"message": f"Hello, {name}!", "request_id": context.aws_request_id}


def is_batch(event: Any) -> bool:
    """Whether the event is a batch from a queue."""
    records = event.get("Records") if isinstance(event, dict) else None
    return bool(records) and records[0].get("eventSource") == "aws:sqs"


def handle_batch(records: list[dict[str, Any]]) -> dict[str, Any]:
    """Handles each message; those that fail are named, and SQS delivers them again."""
    failed = []
    for record in records:
        try:
            handle_message(record["body"])
        except Exception:
            logger.exception("message %s failed", record["messageId"])
            failed.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failed}


def handle_message(body: str) -> None:
    """Handles the text of one message. Raise anything to have it delivered again."""
    logger.info("message: %s", body)
