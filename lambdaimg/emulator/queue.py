"""Feeds a function from an SQS queue, as Lambda's own poller would.

Batches are received with long polling, sent as one event each, and deleted as far as the
function did not fail: a function error keeps the whole batch in the queue, and so does a reply
about partial failures that makes no sense; `batchItemFailures` keeps the messages that it names.
What is kept comes back after the queue's visibility timeout, and goes to its dead-letter queue
in the end. In a FIFO queue nothing behind a failed message of the same group is deleted.
"""

from __future__ import annotations

import json
import threading

from lambdaimg.emulator.protocol import Outcome

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    Message = Mapping[str, Any]

RECEIVE = 10
"""Messages of one receive call: SQS gives no more."""
WAIT_S = 10
"""Seconds of long polling; a stop is noticed in between."""
PAUSE_S = 2.0
"""Seconds until a queue that could not be read is tried again."""


def sqs_event(messages: Sequence[Message], queue_arn: str, region: str) -> bytes:
    """The event for a batch, from messages as `receive_message` gives them."""
    records = [
        {
            "messageId": message["MessageId"],
            "receiptHandle": message["ReceiptHandle"],
            "body": message["Body"],
            "attributes": dict(message.get("Attributes") or {}),
            "messageAttributes": {
                name: _attribute(value)
                for name, value in (message.get("MessageAttributes") or {}).items()
            },
            "md5OfBody": message.get("MD5OfBody", ""),
            "eventSource": "aws:sqs",
            "eventSourceARN": queue_arn,
            "awsRegion": region,
        }
        for message in messages
    ]
    return json.dumps({"Records": records}).encode()


def _attribute(value: Mapping[str, Any]) -> dict[str, Any]:
    import base64

    out: dict[str, Any] = {"dataType": value["DataType"]}
    if "StringValue" in value:
        out["stringValue"] = value["StringValue"]
    if "BinaryValue" in value:
        out["binaryValue"] = base64.b64encode(value["BinaryValue"]).decode()
    return out


def handled(messages: Sequence[Message], outcome: Outcome, fifo: bool) -> list[Message]:
    """The messages of a batch that are done with, and are to be deleted."""
    if outcome.function_error or outcome.status != 200:
        return []
    failed = failed_ids(outcome.payload)
    if failed is None or not failed <= {message["MessageId"] for message in messages}:
        return []
    if not fifo:
        return [message for message in messages if message["MessageId"] not in failed]
    done: list[Message] = []
    blocked: set[str] = set()
    for message in messages:
        group = (message.get("Attributes") or {}).get("MessageGroupId", "")
        if message["MessageId"] in failed:
            blocked.add(group)
        elif group not in blocked:
            done.append(message)
    return done


def failed_ids(payload: bytes) -> set[str] | None:
    """The ids in a reply about partial failures; None where it is malformed.

    A reply that is none, or names no failures, is a complete success.
    """
    try:
        reply = json.loads(payload) if payload else None
    except ValueError:
        return set()
    if not isinstance(reply, dict) or reply.get("batchItemFailures") is None:
        return set()
    items = reply["batchItemFailures"]
    if not isinstance(items, list):
        return None
    found: set[str] = set()
    for item in items:
        identifier = item.get("itemIdentifier") if isinstance(item, dict) else None
        if not isinstance(identifier, str) or not identifier:
            return None
        found.add(identifier)
    return found


class QueueFeeder:
    """Feeds batches of one queue to a function, in a thread of its own.

    Args:
        client: an SQS client of boto3's.
        url: the queue's URL.
        invoke: runs an event: `FunctionPool.invoke`.
        batch_size: messages of an event at most.
        tell: gets a sentence for the user when something is worth one.

    Raises:
        Exception: the client's own, where the queue is not there (at construction).
    """

    def __init__(
        self,
        client: Any,
        url: str,
        invoke: Callable[[bytes], Outcome],
        *,
        batch_size: int,
        tell: Callable[[str], None],
    ) -> None:
        self._client = client
        self._url = url
        self._invoke = invoke
        self._batch_size = batch_size
        self._tell = tell
        facts = client.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        self._arn = str(facts["Attributes"]["QueueArn"])
        self._region = self._arn.split(":")[3]
        self._fifo = self._arn.endswith(".fifo")
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="queue", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop receiving. A batch in hand is finished; one that arrives meanwhile comes back."""
        self._stop.set()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                messages = self._receive()
                if messages and not self._stop.is_set():
                    self._feed(messages)
            except Exception as error:
                if not self._stop.is_set():
                    self._tell(f"the queue {self._url} cannot be read: {error}")
                    self._stop.wait(PAUSE_S)

    def _receive(self) -> list[Message]:
        messages: list[Message] = []
        wait = WAIT_S
        while len(messages) < self._batch_size:
            answer = self._client.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=min(RECEIVE, self._batch_size - len(messages)),
                WaitTimeSeconds=wait,
                AttributeNames=["All"],
                MessageAttributeNames=["All"],
            )
            got = answer.get("Messages") or []
            messages += got
            wait = 0
            if not got:
                break
        return messages

    def _feed(self, messages: list[Message]) -> None:
        outcome = self._invoke(sqs_event(messages, self._arn, self._region))
        done = handled(messages, outcome, self._fifo)
        for at in range(0, len(done), RECEIVE):
            entries = [
                {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"]}
                for number, message in enumerate(done[at : at + RECEIVE])
            ]
            self._client.delete_message_batch(QueueUrl=self._url, Entries=entries)
        kept = len(messages) - len(done)
        if kept:
            self._tell(f"{kept} of {len(messages)} messages stay in the queue")
