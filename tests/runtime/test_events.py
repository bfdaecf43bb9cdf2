"""Events of AWS services, with the sample events that come with lambdaimg."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from lambdaimg.runtime import HttpStream, LambdaRuntime
from lambdaimg.runtime.events import (
    EventBridgeHandler,
    HttpHandler,
    Request,
    Response,
    S3Handler,
    SnsHandler,
    SqsHandler,
    SqsMessage,
    detect_source,
)
from lambdaimg.runtime.testing import run, sample_event
from tests.runtime.api import ROOT

SOURCES = {
    "alb": "http",
    "api-gateway-v1": "http",
    "api-gateway-v2": "http",
    "dynamodb": "dynamodb",
    "eventbridge": "eventbridge",
    "function-url": "http",
    "kinesis": "kinesis",
    "s3": "s3",
    "s3-removed": "s3",
    "s3-test": "s3",
    "schedule": "eventbridge",
    "sns": "sns",
    "sns-s3": "sns",
    "sqs": "sqs",
    "sqs-fifo": "sqs",
    "sqs-s3": "sqs",
    "sqs-sns": "sqs",
}


def test_every_sample_event_is_known() -> None:
    assert {path.stem for path in (ROOT / "share" / "events").glob("*.json")} == set(SOURCES)


@pytest.mark.parametrize(("name", "source"), SOURCES.items())
def test_sources_are_detected(name: str, source: str) -> None:
    assert detect_source(sample_event(name)) == source


@pytest.mark.parametrize(
    "event",
    [None, 1, "text", [], {}, {"Records": []}, {"Records": "x"}, {"Records": [1]}, {"source": 1}],
)
def test_other_events_have_no_source(event: Any) -> None:
    assert detect_source(event) is None


def test_a_sample_that_does_not_exist_is_told() -> None:
    with pytest.raises(LookupError, match="no sample event moon; there are: alb, "):
        sample_event("moon")


# --- SQS ------------------------------------------------------------------------------------


class Queue(SqsHandler):
    """Keeps what it gets, and fails where it is told to."""

    def __init__(self, failing: tuple[int, ...] = ()) -> None:
        self.failing = failing
        self.seen: list[SqsMessage] = []

    def message(self, message: SqsMessage, context: Any) -> None:
        self.seen.append(message)
        if len(self.seen) in self.failing:
            raise ValueError("refused")


def ids(event: Any, *numbers: int) -> list[dict[str, str]]:
    return [{"itemIdentifier": event["Records"][number]["messageId"]} for number in numbers]


def test_messages_are_taken_one_by_one() -> None:
    queue = Queue()
    assert run(queue, sample_event("sqs")).value == {"batchItemFailures": []}
    first, second = queue.seen
    assert first.json() == {"order": 1001, "item": "lamp"}
    assert first.attributes == {"kind": "order"}
    assert (second.body, second.text) == ("a message in plain text", "a message in plain text")
    assert (first.receive_count, first.group_id, first.notification) == (1, None, None)
    assert first.queue_arn.endswith(":hello-lambda-queue")
    with pytest.raises(ValueError):
        second.json()


def test_messages_that_fail_are_named() -> None:
    event = sample_event("sqs")
    assert run(Queue((2,)), event).value == {"batchItemFailures": ids(event, 1)}


def test_a_record_that_cannot_be_read_fails_alone() -> None:
    event = sample_event("sqs")
    event["Records"][0]["attributes"]["ApproximateReceiveCount"] = "many"
    assert run(Queue(), event).value == {"batchItemFailures": ids(event, 0)}


def test_a_failure_holds_its_group_in_a_fifo_queue() -> None:
    event = sample_event("sqs-fifo")
    queue = Queue((1,))
    assert run(queue, event).value == {"batchItemFailures": ids(event, 0, 1)}
    assert [message.json()["step"] for message in queue.seen] == [1, 3]


def test_a_failure_holds_nothing_in_a_queue_without_order() -> None:
    event = sample_event("sqs-fifo")
    for record in event["Records"]:
        record["eventSourceARN"] = record["eventSourceARN"].removesuffix(".fifo")
    queue = Queue((1,))
    assert run(queue, event).value == {"batchItemFailures": ids(event, 0)}
    assert [message.json()["step"] for message in queue.seen] == [1, 2, 3]
    assert queue.seen[0].group_id == "customer-7"


def test_notifications_in_messages_are_unwrapped() -> None:
    queue = Queue()
    run(queue, sample_event("sqs-sns"))
    (message,) = queue.seen
    assert message.json() == {"order": 1001}
    assert message.notification is not None
    assert message.notification.subject == "A subject"
    assert message.notification.attributes == {"kind": "order"}


def test_test_events_of_s3_are_passed_over() -> None:
    queue = Queue()
    assert run(queue, sample_event("sqs-s3")).value == {"batchItemFailures": []}
    (message,) = queue.seen
    assert detect_source(message.json()) == "s3"


def test_binary_attributes() -> None:
    event = sample_event("sqs")
    event["Records"][0]["messageAttributes"] = {"b": {"binaryValue": "AAE=", "dataType": "Binary"}}
    assert SqsMessage(event["Records"][0]).attributes == {"b": b"\x00\x01"}


# --- SNS, S3, EventBridge -------------------------------------------------------------------


def test_notifications() -> None:
    seen: list[Any] = []

    class Topic(SnsHandler):
        def notification(self, notification: Any, context: Any) -> None:
            seen.append((notification.json(), notification.subject, notification.topic_arn))

    assert run(Topic(), sample_event("sns")).value is None
    arn = "arn:aws:sns:us-east-1:123456789012:uploads"
    assert seen == [({"order": 1001}, "A subject", arn)]


class Uploads(S3Handler):
    """Keeps which method got which object."""

    events = {  # noqa: RUF012
        "ObjectCreated:*": "created",
        "ObjectCreated:Copy": "copied",
        "ObjectRemoved:*": "removed",
    }

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, str, int | None]] = []

    def created(self, item: Any, context: Any) -> None:
        self.seen.append(("created", item.bucket, item.key, item.size))

    def copied(self, item: Any, context: Any) -> None:
        self.seen.append(("copied", item.bucket, item.key, item.size))

    def removed(self, item: Any, context: Any) -> None:
        self.seen.append(("removed", item.bucket, item.key, item.size))


KEY = "photos/red lamp(2).jpg"


@pytest.mark.parametrize(
    ("name", "event_name", "seen"),
    [
        ("s3", "ObjectCreated:Put", [("created", "example-bucket", KEY, 1024)]),
        ("s3", "s3:ObjectCreated:Put", [("created", "example-bucket", KEY, 1024)]),
        ("s3", "ObjectCreated:Copy", [("copied", "example-bucket", KEY, 1024)]),
        ("s3-removed", "ObjectRemoved:Delete", [("removed", "example-bucket", KEY, None)]),
        ("s3", "ObjectTagging:Put", []),
    ],
)
def test_the_table_of_s3_events(name: str, event_name: str, seen: list[Any]) -> None:
    event = sample_event(name)
    event["Records"][0]["eventName"] = event_name
    uploads = Uploads()
    assert run(uploads, event).value is None
    assert uploads.seen == seen


def test_s3_s_test_event_is_nothing() -> None:
    uploads = Uploads()
    assert run(uploads, sample_event("s3-test")).value is None
    assert uploads.seen == []


class Rules(EventBridgeHandler):
    """A table of detail types and a method for the rest."""

    events = {"Order *": "order"}  # noqa: RUF012

    def order(self, event: Any, context: Any) -> Any:
        return ["order", event.detail["order"], event.source]

    def event(self, event: Any, context: Any) -> Any:
        return ["other", event.detail_type, event.resources]


def test_the_table_of_detail_types() -> None:
    assert run(Rules(), sample_event("eventbridge")).value == ["order", 1001, "example.orders"]
    arn = "arn:aws:events:us-east-1:123456789012:rule/every-hour"
    assert run(Rules(), sample_event("schedule")).value == ["other", "Scheduled Event", [arn]]


@pytest.mark.parametrize(
    ("handler", "name"),
    [
        (SnsHandler, "sns"),
        (EventBridgeHandler, "schedule"),
        (HttpHandler, "alb"),
    ],
)
def test_a_class_without_its_method_is_told(handler: Any, name: str) -> None:
    error = run(handler(), sample_event(name)).error
    assert error is not None
    assert error["errorType"] == "NoHandlerDefinedException"


# --- HTTP -----------------------------------------------------------------------------------

HTTP = ["function-url", "api-gateway-v2", "api-gateway-v1", "alb"]


@pytest.mark.parametrize("name", HTTP)
def test_a_request_is_the_same_whatever_it_came_through(name: str) -> None:
    request = Request(sample_event(name))
    assert (request.method, request.path) == ("POST", "/items/7")
    assert request.json() == {"item": "lamp"}
    assert request.headers["content-type"] == "application/json"
    assert request.query == {"color": "blue", "q": "a b"}
    assert request.cookies == {"session": "abc", "theme": "dark"}
    assert request.source_ip == "192.0.2.10"
    assert request.text == '{"item": "lamp"}'


@pytest.mark.parametrize("name", ["function-url", "api-gateway-v2", "api-gateway-v1"])
def test_all_values_of_a_parameter(name: str) -> None:
    assert Request(sample_event(name)).query_all == {"color": ["red", "blue"], "q": ["a b"]}


def test_path_parameters() -> None:
    assert Request(sample_event("api-gateway-v1")).path_parameters == {"id": "7"}
    assert Request(sample_event("alb")).path_parameters == {}


@pytest.mark.parametrize("name", HTTP)
def test_bodies_in_base64_are_decoded(name: str) -> None:
    event = sample_event(name)
    event["body"] = base64.b64encode(b"\xff\x00").decode()
    event["isBase64Encoded"] = True
    assert Request(event).body == b"\xff\x00"


class Web(HttpHandler):
    """Answers with what it was made with."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def request(self, request: Request, context: Any) -> Any:
        return self.answer


COOKIES = ["a=1; Secure", "b=2"]
ANSWER = Response(201, {"ok": True}, {"X-A": "1"}, COOKIES)


def with_multi_value_headers() -> Any:
    event = sample_event("alb")
    headers = event.pop("headers")
    event["multiValueHeaders"] = {name: [value] for name, value in headers.items()}
    event["multiValueQueryStringParameters"] = {"color": ["red", "blue"]}
    return event


@pytest.mark.parametrize(
    ("event", "told"),
    [
        (
            sample_event("function-url"),
            {
                "headers": {"X-A": "1", "Content-Type": "application/json"},
                "cookies": COOKIES,
            },
        ),
        (
            sample_event("api-gateway-v1"),
            {
                "multiValueHeaders": {
                    "X-A": ["1"],
                    "Content-Type": ["application/json"],
                    "Set-Cookie": COOKIES,
                }
            },
        ),
        (
            with_multi_value_headers(),
            {
                "multiValueHeaders": {
                    "X-A": ["1"],
                    "Content-Type": ["application/json"],
                    "Set-Cookie": COOKIES,
                }
            },
        ),
        (
            sample_event("alb"),
            {
                "headers": {"X-A": "1", "Content-Type": "application/json", "Set-Cookie": "b=2"},
            },
        ),
    ],
)
def test_responses_have_the_form_that_is_wanted(event: Any, told: dict[str, Any]) -> None:
    common = {"statusCode": 201, "body": '{"ok": true}', "isBase64Encoded": False}
    assert run(Web(ANSWER), event).value == {**common, **told}


def test_multi_value_headers_of_a_load_balancer_are_read() -> None:
    request = Request(with_multi_value_headers())
    assert request.query_all == {"color": ["red", "blue"]}
    assert request.headers["host"] == "lb.example.com"
    assert request.cookies == {"session": "abc", "theme": "dark"}


@pytest.mark.parametrize(
    ("body", "text", "encoded", "content_type"),
    [
        ("hello", "hello", False, "text/plain; charset=utf-8"),
        (b"\x00\xff", "AP8=", True, "application/octet-stream"),
        ([1, "é"], '[1, "\\u00e9"]', False, "application/json"),
        (None, "", False, None),
    ],
)
def test_bodies(body: Any, text: str, encoded: bool, content_type: str | None) -> None:
    told = run(Web(body), sample_event("function-url")).value
    assert (told["statusCode"], told["body"], told["isBase64Encoded"]) == (200, text, encoded)
    assert told["headers"].get("Content-Type") == content_type


def test_a_given_content_type_is_kept() -> None:
    answer = Response(200, "<p>", {"content-type": "text/html"})
    told = run(Web(answer), sample_event("function-url")).value
    assert told["headers"] == {"content-type": "text/html"}


def test_streams_are_passed_on() -> None:
    result = run(Web(HttpStream(202, body=["a", "b"])), sample_event("function-url"))
    assert (result.prelude["statusCode"], result.chunks) == (202, [b"a", b"b"])


# --- routing --------------------------------------------------------------------------------


class Shop(LambdaRuntime):
    """A function with a handler per source."""

    def __init__(self, **handlers: Any) -> None:
        super().__init__()
        for source, handler in handlers.items():
            self.register_event_handler(source, handler)


def test_events_go_to_the_handler_of_their_source() -> None:
    uploads = Uploads()
    shop = Shop(s3=uploads, eventbridge=Rules)
    assert run(shop.handler, sample_event("eventbridge")).value == ["order", 1001, "example.orders"]
    run(shop.handler, sample_event("s3"))
    assert uploads.seen == [("created", "example-bucket", KEY, 1024)]


@pytest.mark.parametrize("name", ["sns-s3", "sqs-s3"])
def test_what_comes_by_way_of_a_topic_or_a_queue_is_routed_too(name: str) -> None:
    uploads = Uploads()
    result = run(Shop(s3=uploads).handler, sample_event(name))
    assert uploads.seen == [("created", "example-bucket", KEY, 1024)]
    assert result.value == ({"batchItemFailures": []} if name == "sqs-s3" else None)


def test_a_handler_of_the_envelope_is_preferred() -> None:
    uploads, queue = Uploads(), Queue()
    run(Shop(s3=uploads, sqs=queue).handler, sample_event("sqs-s3"))
    assert (len(queue.seen), uploads.seen) == (1, [])


def test_messages_for_which_there_is_no_handler_fail_one_by_one() -> None:
    event = sample_event("sqs")
    result = run(Shop(s3=Uploads).handler, event)
    assert result.value == {"batchItemFailures": ids(event, 0, 1)}


@pytest.mark.parametrize(
    ("event", "message"),
    [
        (sample_event("s3"), "no handler is registered for events of s3"),
        (
            {"name": "x"},
            "the event comes from no known service, and no method handler is defined",
        ),
    ],
)
def test_sources_without_a_handler_are_told(event: Any, message: str) -> None:
    error = run(Shop(http=Web("x")).handler, event).error
    assert error is not None
    assert (error["errorType"], error["errorMessage"]) == ("NoHandlerDefinedException", message)


def test_the_scaffold_s_handler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "share" / "python")
    payload = json.loads((ROOT / "payload.json").read_text())
    told = run("hello_lambda.handler", payload).value
    assert told["message"] == f"Hello, {payload['name']}!"
    assert run("hello_lambda.handler", sample_event("sqs")).value == {"batchItemFailures": []}
    assert Path(ROOT / "Dockerfile.template").read_text().count("hello_lambda") == 2
