"""Feeding a function from a queue: a real SQS stand-in, a real function."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from lambdaimg.emulator.function_pool import FunctionPool
from lambdaimg.emulator.protocol import Outcome
from lambdaimg.emulator.queue import QueueFeeder, failed_ids, handled, sqs_event
from lambdaimg.emulator.texts import failed
from tests.support.endpoint import AwsEndpoint


def message(identifier: str, group: str = "") -> dict[str, Any]:
    attributes = {"MessageGroupId": group} if group else {}
    return {"MessageId": identifier, "Attributes": attributes}


BATCH = [message("a"), message("b"), message("c")]


def done(payload: object, messages: list[Any] = BATCH, fifo: bool = False) -> list[str]:
    outcome = Outcome(json.dumps(payload).encode())
    return [found["MessageId"] for found in handled(messages, outcome, fifo)]


def failures(*identifiers: object) -> dict[str, Any]:
    return {"batchItemFailures": [{"itemIdentifier": one} for one in identifiers]}


@pytest.mark.parametrize("reply", [None, {}, [], "ok", 1, {"batchItemFailures": []}, {"a": 1}])
def test_a_reply_without_failures_is_a_success(reply: object) -> None:
    assert done(reply) == ["a", "b", "c"]


def test_an_empty_or_odd_reply_is_a_success() -> None:
    for payload in (b"", b"not json"):
        assert failed_ids(payload) == set()


def test_messages_that_failed_are_kept() -> None:
    assert done(failures("b")) == ["a", "c"]
    assert done(failures("a", "b", "c")) == []


@pytest.mark.parametrize(
    "reply",
    [
        failures("unknown"),
        failures(""),
        failures(None),
        failures(5),
        {"batchItemFailures": "a"},
        {"batchItemFailures": ["a"]},
        {"batchItemFailures": [{"id": "a"}]},
    ],
)
def test_a_malformed_reply_keeps_the_batch(reply: object) -> None:
    assert done(reply) == []


def test_a_failed_function_keeps_the_batch() -> None:
    assert handled(BATCH, failed("Runtime.ExitError", "x"), False) == []
    assert handled(BATCH, Outcome(b"{}", status=429), False) == []


def test_in_a_fifo_queue_a_failure_holds_back_its_group() -> None:
    batch = [message("a", "1"), message("b", "2"), message("c", "1"), message("d", "2")]
    assert done(failures("b"), batch, fifo=True) == ["a", "c"]


def test_the_event_is_sqs_s() -> None:
    found = {
        "MessageId": "m",
        "ReceiptHandle": "h",
        "Body": "text",
        "MD5OfBody": "md5",
        "Attributes": {"ApproximateReceiveCount": "1"},
        "MessageAttributes": {
            "s": {"DataType": "String", "StringValue": "v"},
            "b": {"DataType": "Binary", "BinaryValue": b"\x00"},
        },
    }
    assert json.loads(sqs_event([found], "arn:aws:sqs:r:1:q", "r")) == {
        "Records": [
            {
                "messageId": "m",
                "receiptHandle": "h",
                "body": "text",
                "attributes": {"ApproximateReceiveCount": "1"},
                "messageAttributes": {
                    "s": {"dataType": "String", "stringValue": "v"},
                    "b": {"dataType": "Binary", "binaryValue": "AA=="},
                },
                "md5OfBody": "md5",
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:r:1:q",
                "awsRegion": "r",
            }
        ]
    }


@pytest.fixture
def sqs(moto_server: AwsEndpoint) -> Iterator[Any]:
    import boto3

    client = boto3.client(
        "sqs",
        endpoint_url=moto_server.url,
        region_name="us-east-1",
        aws_access_key_id="x",
        aws_secret_access_key="y",
    )
    yield client
    client.close()


def test_batches_reach_the_function_and_only_failures_stay(
    sqs: Any, serve: Callable[..., FunctionPool], unique: Callable[[str], str]
) -> None:
    url = sqs.create_queue(QueueName=unique("feed"))["QueueUrl"]
    for body in ("good 1", "bad", "good 2"):
        sqs.send_message(QueueUrl=url, MessageBody=body)
    pool = serve(timeout=30)
    seen: list[str] = []
    told: list[str] = []
    complete = threading.Event()

    def invoke(payload: bytes) -> Outcome:
        records = json.loads(payload)["Records"]
        bad = [r["messageId"] for r in records if r["body"] == "bad"]
        script = {"steps": [["respond", json.dumps(failures(*bad))]]}
        outcome = pool.invoke(json.dumps(script).encode())
        seen.extend(r["body"] for r in records)
        return outcome

    def tell(text: str) -> None:
        told.append(text)
        complete.set()

    feeder = QueueFeeder(sqs, url, invoke, batch_size=10, tell=tell)
    assert complete.wait(30)
    feeder.close()
    assert sorted(seen) == ["bad", "good 1", "good 2"]
    assert told == ["1 of 3 messages stay in the queue"]
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    counts = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    assert sum(map(int, counts.values())) == 1


def test_a_queue_that_is_not_there_is_told_at_once(sqs: Any) -> None:
    url = "http://localhost/000000000000/none"
    with pytest.raises(sqs.exceptions.QueueDoesNotExist):
        QueueFeeder(sqs, url, lambda _: Outcome(b""), batch_size=1, tell=print)
