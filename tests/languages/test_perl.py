"""The Perl runtime."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.languages.conftest import Serve
from tests.languages.contract import do, error_of
from tests.languages.foreign import ForeignContract
from tests.languages.language import HERE, PERL, Served
from tests.languages.streaming import StreamingContract
from tests.languages.wire import WireContract

SAMPLES = HERE.parent.parent / "share" / "events"


class TestPerl(WireContract, ForeignContract, StreamingContract):
    language = PERL

    def test_a_handler_may_answer_by_itself(self, pool: Served) -> None:
        assert pool.invoke(do("answer")).payload == b'"sent"'
        told = error_of(pool.invoke(do("sent")))
        assert (told["errorType"], told["errorMessage"]) == ("Sent", "sent")

    def test_undef_is_null(self, pool: Served) -> None:
        assert pool.invoke(do("nothing")).payload == b"null"

    def test_a_result_that_cannot_be_json(self, pool: Served) -> None:
        assert error_of(pool.invoke(do("code")))["errorType"] == "Runtime.MarshalError"

    def test_an_event_that_is_no_json(self, pool: Served) -> None:
        assert error_of(pool.invoke(b"{"))["errorType"] == "Runtime.UnmarshalError"

    def test_an_event_of_another_type_comes_as_bytes(self, pool: Served) -> None:
        assert json.loads(pool.invoke(b"<xml/>", content_type="text/xml").payload) == "<xml/>"

    def test_events_are_objects(self, pool: Served) -> None:
        def told(name: str) -> Any:
            event = json.loads((SAMPLES / f"{name}.json").read_text())
            answer = json.loads(pool.invoke(do("events", event=event)).payload)
            prefix, _, kind = (answer["class"] or "").rpartition("::")
            assert prefix in ("LambdaRuntime::Event", "")
            return kind, answer.get("records", [None])[0]

        key = "photos/red lamp(2).jpg"
        assert told("s3") == ("S3", ["example-bucket", key, "object 1024"])
        assert told("s3-removed") == ("S3", ["example-bucket", key, "object gone"])
        assert told("sqs") == ("SQS", {"order": 1001, "item": "lamp"})
        assert told("sqs-sns") == ("SQS", {"order": 1001})
        assert told("sqs-s3")[1]["Records"][0]["eventSource"] == "aws:s3"
        kind, (subject, message) = told("sns-s3")
        assert (kind, subject) == ("SNS", "Amazon S3 Notification")
        assert message["Records"][0]["s3"]["bucket"]["name"] == "example-bucket"
        detail = {"order": 1001, "item": "lamp"}
        assert told("eventbridge") == ("EventBridge", ["example.orders", "Order Placed", detail])
        assert told("function-url") == ("", None)

    def test_messages_that_fail_are_named(self, pool: Served) -> None:
        records = [
            {"eventSource": "aws:sqs", "messageId": name, "body": body}
            for name, body in (("good", "{}"), ("bad", "text"), ("worse", "7"))
        ]
        answer = pool.invoke(do("batch", event={"Records": records})).payload
        assert json.loads(answer) == {
            "batchItemFailures": [{"itemIdentifier": "bad"}, {"itemIdentifier": "worse"}]
        }

    def test_a_failure_holds_its_group_in_a_fifo_queue(self, pool: Served) -> None:
        def failed(arn: str) -> list[str]:
            records = [
                {
                    "eventSource": "aws:sqs",
                    "eventSourceARN": arn,
                    "messageId": name,
                    "body": body,
                    "attributes": {"MessageGroupId": name[0]},
                }
                for name, body in (("a1", "text"), ("a2", "{}"), ("b1", "{}"))
            ]
            answer = json.loads(pool.invoke(do("batch", event={"Records": records})).payload)
            return [item["itemIdentifier"] for item in answer["batchItemFailures"]]

        assert failed("arn:aws:sqs:us-east-1:123456789012:orders.fifo") == ["a1", "a2"]
        assert failed("arn:aws:sqs:us-east-1:123456789012:orders") == ["a1"]

    def test_a_plain_function_will_do(self, serve: Serve) -> None:
        assert json.loads(serve("Plain.greet").invoke(b"[1]").payload) == {"plain": [1]}

    def test_a_class_without_a_handler_says_so(self, serve: Serve) -> None:
        told = error_of(serve("Bare.handler").invoke(b"1"))
        assert told["errorType"] == "NoHandlerDefinedException"

    def test_new_can_refuse_to_serve(self, serve: Serve) -> None:
        told = self.init_error(serve("Dying.handler"), "NoTable")
        assert told["errorMessage"] == "there is no table"

    @pytest.mark.parametrize(
        ("file", "kind", "message"),
        [
            ("Refusing", "Error", "there is no table"),
            ("Calling", "Error", 'Can\'t locate object method "none" via package "LambdaRuntime"'),
            ("Undeclared", "Runtime.UserCodeSyntaxError", 'Global symbol "$undeclared" requires'),
        ],
    )
    def test_what_loading_dies_of(self, serve: Serve, file: str, kind: str, message: str) -> None:
        told = self.init_error(serve(f"{file}.handler"), kind)
        assert told["errorMessage"].startswith(message)

    def test_a_module_that_is_missing(self, serve: Serve) -> None:
        told = self.init_error(serve("Lacking.handler"), "Runtime.ImportModuleError")
        assert "No/Such/Module.pm" in told["errorMessage"]
