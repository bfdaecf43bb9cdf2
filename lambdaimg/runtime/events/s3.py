"""Notifications of Amazon S3.

Their form: https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html.
"""

from .handler import EventHandler, choose

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, ClassVar

    from ..context import Context


class S3Object:
    """What happened to an object.

    Args:
        record: one of the event's `Records`.

    Attributes:
        event_name: what happened, such as `ObjectCreated:Put`.
        event_time: when, in ISO 8601.
        bucket, key: where; the key is decoded.
        size: bytes; None where S3 does not tell, as for deletions.
        etag, version_id, sequencer: as S3 gives them, else None.
        record: all of it.
    """

    def __init__(self, record: "dict[str, Any]") -> None:
        from urllib.parse import unquote_plus

        entity = record["s3"]
        item = entity["object"]
        self.record = record
        self.event_name: str = record["eventName"].removeprefix("s3:")
        self.event_time: str = record.get("eventTime") or ""
        self.bucket: str = entity["bucket"]["name"]
        self.key = unquote_plus(item["key"])
        self.size: int | None = item.get("size")
        self.etag: str | None = item.get("eTag")
        self.version_id: str | None = item.get("versionId")
        self.sequencer: str | None = item.get("sequencer")


class S3Handler(EventHandler):
    """Calls the method that its table has for what happened to an object.

    Attributes:
        events: name of an event, or its start with a `*` behind, to the name of a method, which
            is called with an `S3Object` and the context.
    """

    events: "ClassVar[dict[str, str]]" = {}  # noqa: RUF012

    def __call__(self, event: "Any", context: "Context") -> None:
        """Handle an event of S3; a test event has no records."""
        for record in event.get("Records") or ():
            item = S3Object(record)
            method = choose(self.events, item.event_name)
            if method is None:
                self.other(item, context)
            else:
                getattr(self, method)(item, context)

    def other(self, item: S3Object, context: "Context") -> None:
        """Called for events that are not in the table; writes a warning to the log."""
        self.logger.warn("no method for %s of %s/%s", item.event_name, item.bucket, item.key)
