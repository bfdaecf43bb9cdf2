"""Which AWS service an event comes from."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

S3_TEST_EVENT = "s3:TestEvent"

_MARKS = (
    ("http", ("requestContext", "routeKey")),
    ("http", ("requestContext", "httpMethod")),
    ("http", ("requestContext", "rawPath")),
    ("eventbridge", ("detail-type", "source", "detail")),
)
"""Sources by the keys that only their events have together."""


def detect_source(event: "Any") -> "str | None":
    """What an event comes from.

    Services that send records name themselves in them, as `aws:sqs`; the rest is told by keys.

    Args:
        event: the event, decoded.

    Returns:
        `sqs`, `sns`, `s3`, `eventbridge`, `http` (function URL, API Gateway of both versions,
        load balancer), another service's own word (`kinesis`, `dynamodb`, ...), or None for
        events of no service, such as those of an `invoke`.
    """
    if not isinstance(event, dict):
        return None
    records = event.get("Records")
    if isinstance(records, list) and records and isinstance(records[0], dict):
        # SNS writes EventSource, the others eventSource.
        source = records[0].get("eventSource") or records[0].get("EventSource")
        if isinstance(source, str) and source.startswith("aws:"):
            return source[4:]
    if is_s3_test(event):
        return "s3"
    for source, keys in _MARKS:
        if all(key in event for key in keys):
            return source
    return None


def is_s3_test(event: "Any") -> bool:
    """Whether this is what S3 sends once, when a notification is configured."""
    return isinstance(event, dict) and event.get("Event") == S3_TEST_EVENT
