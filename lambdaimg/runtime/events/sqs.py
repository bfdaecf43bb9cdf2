"""Messages of Amazon SQS.

Their form, and the partial batch response:
https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html.
"""

import json

from .detect import is_s3_test
from .handler import EventHandler, missing
from .sns import SnsNotification, is_envelope

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..context import Context


class SqsMessage:
    """A message.

    Args:
        record: one of the event's `Records`.

    Attributes:
        id: its message id.
        body: its body as it came.
        notification: the SNS notification that the body is, else None.
        text: what was sent: the notification's message, else the body.
        attributes: message attributes, name to value (str, or bytes for binary ones).
        group_id: the message group, which a FIFO queue always has and others may have; else None.
        receive_count: how often it has been delivered, this time included.
        queue_arn: the queue.
        record: all of it.
    """

    def __init__(self, record: "dict[str, Any]") -> None:
        self.record = record
        self.id: str = record["messageId"]
        self.body: str = record.get("body") or ""
        self.queue_arn: str = record.get("eventSourceARN") or ""
        system = record.get("attributes") or {}
        self.group_id: str | None = system.get("MessageGroupId")
        self.receive_count = int(system.get("ApproximateReceiveCount") or 1)
        self.attributes = {
            name: _attribute(value)
            for name, value in (record.get("messageAttributes") or {}).items()
        }
        self._value = _decoded(self.body)
        self.notification = SnsNotification(self._value) if is_envelope(self._value) else None
        self.text = self.notification.text if self.notification else self.body

    def json(self) -> "Any":
        """What was sent, decoded. Raises: ValueError, it is no JSON."""
        return json.loads(self.text)

    @property
    def is_s3_test(self) -> bool:
        """Whether it is what S3 sends once, when a notification is configured."""
        return is_s3_test(_decoded(self.text))


class SqsHandler(EventHandler):
    """Calls `message` for each message, and answers which of them failed.

    A message fails where `message` raises; only those that failed come again, given that the
    event source mapping reports batch item failures, as the kit's does. In a FIFO queue the
    messages of the same group that follow a failed one are not handled and come again as well,
    in their order. S3's test events are passed over.
    """

    def __call__(self, event: "Any", context: "Context") -> "dict[str, Any]":
        """Handle a batch; the response names the messages that failed."""
        failed: list[str] = []
        stopped: set[str] = set()
        for record in event["Records"]:
            group = _ordered_group(record)
            if group in stopped:
                failed.append(record["messageId"])
                continue
            try:
                message = SqsMessage(record)
                if not message.is_s3_test:
                    self.message(message, context)
            except Exception:
                self.logger.exception("message %s failed", record["messageId"])
                failed.append(record["messageId"])
                if group is not None:
                    stopped.add(group)
        return {"batchItemFailures": [{"itemIdentifier": one} for one in failed]}

    def message(self, message: SqsMessage, context: "Context") -> None:
        """Handle a message; to be overridden. Raises: anything, to have it delivered again."""
        raise missing(self, "message(message, context)")


def _ordered_group(record: "dict[str, Any]") -> "str | None":
    """The group whose messages come in order, None in a queue that keeps none.

    The groups of other queues are for a fair share and say nothing of an order.
    """
    if not str(record.get("eventSourceARN")).endswith(".fifo"):
        return None
    group: str | None = (record.get("attributes") or {}).get("MessageGroupId")
    return group


def _decoded(text: str) -> "Any":
    """The value of a JSON object, None for any other text."""
    if not text.lstrip().startswith("{"):
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _attribute(value: "dict[str, Any]") -> "str | bytes":
    text: str | None = value.get("stringValue")
    if text is not None:
        return text
    from base64 import b64decode

    return b64decode(value.get("binaryValue") or "")
