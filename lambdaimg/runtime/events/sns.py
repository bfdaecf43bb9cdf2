"""Notifications of Amazon SNS.

Their form: https://docs.aws.amazon.com/lambda/latest/dg/with-sns.html, and within SQS:
https://docs.aws.amazon.com/sns/latest/dg/sns-sqs-as-subscriber.html.
"""

import json

from .handler import EventHandler, missing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..context import Context


class SnsNotification:
    """A notification.

    Args:
        envelope: what SNS sent: the `Sns` of a record, or the JSON in the body of an SQS message.

    Attributes:
        text: the message itself.
        subject: its subject, None where it has none.
        id, topic_arn, timestamp: as SNS gives them; the time in ISO 8601.
        attributes: message attributes, name to value (a string).
        envelope: all of it.
    """

    def __init__(self, envelope: "dict[str, Any]") -> None:
        self.envelope = envelope
        self.text: str = envelope.get("Message") or ""
        self.subject: str | None = envelope.get("Subject")
        self.id: str = envelope.get("MessageId") or ""
        self.topic_arn: str = envelope.get("TopicArn") or ""
        self.timestamp: str = envelope.get("Timestamp") or ""
        attributes = envelope.get("MessageAttributes") or {}
        self.attributes: dict[str, str] = {
            name: value.get("Value", "") for name, value in attributes.items()
        }

    def json(self) -> "Any":
        """The message, decoded. Raises: ValueError, it is no JSON."""
        return json.loads(self.text)


def is_envelope(value: "Any") -> bool:
    """Whether a decoded body is a notification that SNS put into a queue."""
    return (
        isinstance(value, dict)
        and value.get("Type") == "Notification"
        and isinstance(value.get("Message"), str)
    )


class SnsHandler(EventHandler):
    """Calls `notification` for each notification. What it raises fails the event."""

    def __call__(self, event: "Any", context: "Context") -> None:
        """Handle an event of SNS, which nearly always has one record."""
        for record in event["Records"]:
            self.notification(SnsNotification(record["Sns"]), context)

    def notification(self, notification: SnsNotification, context: "Context") -> None:
        """Handle a notification; to be overridden."""
        raise missing(self, "notification(notification, context)")
