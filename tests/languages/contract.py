"""What every language keeps to: the tests that each language's class inherits."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from lambdaimg.emulator.protocol import Outcome
from tests.languages.conftest import Serve, scaffold_image
from tests.languages.language import Answer, Language, Rie, Served
from tests.support.commandline import CommandLine
from tests.support.waiting import until

Make = Callable[..., Rie]
DO = ("raise", "fail", "length", "zero")
FALSY = (b"0", b'""', b"null", b"false", b"[]", b"{}")
UNICODE = {"text": 'Wörld ☃ 𝄞 "quoted" \\ \n \t /', "ключ": ["é", "\u2028"]}
LARGE = json.dumps({"do": "length", "data": "x" * (6 * 1024 * 1024 - 32)}).encode()


def do(action: str, **more: Any) -> bytes:
    """The event that has the test handler do something."""
    return json.dumps({"do": action, **more}).encode()


def error_of(outcome: Outcome) -> Any:
    """The error that the caller gets, of an event that failed."""
    assert outcome.function_error == "Unhandled", outcome.payload[:500]
    return json.loads(outcome.payload)


class Contract:
    """Inherited by one class per language, which names its `language`."""

    language: Language

    # --- answers ----------------------------------------------------------------------------

    @pytest.mark.parametrize("event", FALSY, ids=[event.decode() for event in FALSY])
    def test_falsy_events_are_events(self, pool: Served, event: bytes) -> None:
        outcome = pool.invoke(event)
        assert not outcome.function_error
        # PHP has one kind of array for both.
        wanted = b"[]" if event == b"{}" and self.language.name == "php" else event
        assert outcome.payload == wanted

    def test_unicode_comes_back(self, pool: Served) -> None:
        for ascii_only in (True, False):
            event = json.dumps(UNICODE, ensure_ascii=ascii_only).encode()
            assert json.loads(pool.invoke(event).payload) == UNICODE

    def test_an_event_of_6_mb(self, pool: Served) -> None:
        length = json.loads(pool.invoke(LARGE).payload)
        assert length in (len(LARGE), len(json.loads(LARGE)["data"]))

    def test_a_response_of_nearly_6_mb(self, pool: Served) -> None:
        event = json.dumps({"data": "é" * (3 * 1024 * 1024 - 16)}, ensure_ascii=False).encode()
        assert json.loads(pool.invoke(event).payload) == json.loads(event)

    def test_a_response_that_is_too_large_ends_nothing(self, pool: Served) -> None:
        before = pool.invoke(do("context")).init_ms
        told = error_of(pool.invoke(do("big")))
        assert told["errorType"] == "Function.ResponseSizeTooLarge"
        pool.logged("the Runtime API answered 413")
        after = pool.invoke(do("length", data="x"))
        assert (after.function_error, after.init_ms) == ("", 0.0)
        assert before >= 0

    def test_an_empty_response(self, pool: Served) -> None:
        outcome = pool.invoke(do("empty" if self.language.lives_on else "background"))
        assert outcome.payload == (b"" if self.language.lives_on else b'"left one"')

    def test_the_handler_is_told_of_its_invocation(self, pool: Served) -> None:
        outcome = pool.invoke(
            do("context"),
            request_id="11111111-2222-4333-8444-555555555555",
            trace_id="Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1",
            client_context='{"custom": {"ü": "☃"}}',
            tenant_id="blue",
        )
        told = json.loads(outcome.payload)
        left = told.pop("left")
        assert 0 < left <= 60_000
        assert told == {
            "id": "11111111-2222-4333-8444-555555555555",
            "trace": "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1",
            "arn": "arn:aws:lambda:us-east-1:000000000000:function:hello",
            "tenant": "blue",
            "client": {"custom": {"ü": "☃"}},
        }

    def test_what_is_logged_is_in_the_log(self, pool: Served) -> None:
        pool.invoke(do("log"))
        assert b"a debug line" not in pool.logged("an info line")

    # --- failures ---------------------------------------------------------------------------

    def test_an_error_with_a_type(self, pool: Served) -> None:
        request_id = "11111111-2222-4333-8444-555555555556"
        outcome = pool.invoke(do("raise"), request_id=request_id)
        told = error_of(outcome)
        assert told["errorType"] == "OrderNotFound"
        assert told["errorMessage"] == 'no order "17" ü'
        assert told["requestId"] == request_id
        assert isinstance(told["stackTrace"], list)
        assert outcome.error_type == "Function.OrderNotFound"

    def test_a_plain_failure(self, pool: Served) -> None:
        told = error_of(pool.invoke(do("fail")))
        assert told["errorType"] == self.language.raised
        pool.logged(told["errorMessage"])
        if self.language.name != "cpp":
            assert "deeper" in told["stackTrace"][0]
            assert "/var/task/" in told["stackTrace"][0]
        assert not any("/var/runtime" in frame for frame in told["stackTrace"])

    def test_a_handler_that_exits(self, pool: Served) -> None:
        assert error_of(pool.invoke(do("exit")))["errorType"] == self.language.exited
        assert not pool.invoke(b"{}").function_error

    def test_a_crash(self, pool: Served) -> None:
        told = error_of(pool.invoke(do("crash")))
        assert told["errorType"] == self.language.exited
        assert self.language.crashed in told["errorMessage"]
        assert not pool.invoke(b"{}").function_error

    def test_a_timeout(self, serve: Serve) -> None:
        pool = serve(self.language.handler(), timeout=1.0)
        told = error_of(pool.invoke(do("sleep")))
        assert told["errorType"] == "Sandbox.Timedout"
        assert "Task timed out after 1.00 seconds" in told["errorMessage"]

    # --- init -------------------------------------------------------------------------------

    @pytest.mark.parametrize(
        ("file", "function", "error"),
        [
            ("cases", "nowhere", "Runtime.HandlerNotFound"),
            ("missing", "handler", "Runtime.ImportModuleError"),
            ("broken", "handler", "Runtime.UserCodeSyntaxError"),
            ("dying", "handler", ""),
        ],
    )
    def test_init_errors(self, serve: Serve, file: str, function: str, error: str) -> None:
        self.init_error(serve(self.language.handler(file, function)), error)

    def test_a_malformed_handler(self, serve: Serve) -> None:
        self.init_error(serve("nodots"), "Runtime.MalformedHandlerName")

    def init_error(self, pool: Served, error: str) -> Any:
        """An init error, which the log tells and from which nothing of the environment leaks."""
        told = error_of(pool.invoke(b"{}"))
        assert not error or told["errorType"] == error
        assert told["errorMessage"]
        assert b"AWS_LAMBDA_LOG_STREAM_NAME" not in pool.logged(told["errorType"])
        return told

    def test_without_lambda_around_it(self, engine: Any, image: str) -> None:
        from docker.errors import ContainerError

        with pytest.raises(ContainerError) as caught:
            engine.containers.run(image, remove=True)
        assert caught.value.exit_status == 1
        said = bytes(caught.value.stderr or b"").decode()
        assert said.startswith("AWS_LAMBDA_RUNTIME_API is not set.")
        assert said.count("\n") == 1

    # --- endurance --------------------------------------------------------------------------

    def test_a_thousand_events_leave_nothing(self, pool: Served) -> None:
        event = json.dumps({"data": "x" * 200}).encode()

        def usage(count: int) -> dict[str, int]:
            for _ in range(count):
                assert pool.invoke(event).payload
            found: dict[str, int] = json.loads(pool.invoke(do("usage")).payload)
            return found

        usage(20)
        early, late = usage(50), usage(1000)
        assert late["files"] == 0
        # One is the shell's own, caught between two steps; what is lost with each event adds up.
        assert late["open"] - early["open"] < 10
        assert late["rss"] - early["rss"] < self.language.growth_kb

    # --- the same elsewhere -----------------------------------------------------------------

    def test_awss_own_emulator_gives_the_same_answers(self, pool: Served, rie: Make) -> None:
        theirs = rie(self.language.handler())
        unicode = json.dumps(UNICODE, ensure_ascii=False).encode()
        actions = ("raise", "fail", "length", "big", "crash")
        for event in (*FALSY, unicode, LARGE, *(do(action, data="x") for action in actions), b"{}"):
            ours = Answer(pool.invoke(event).payload)
            assert theirs.invoke(event).same() == ours.same(), event[:80]

    def test_a_large_error_is_told_and_ends_nothing(self, rie: Make) -> None:
        """AWS's emulator does not recover from one of more than 6 MB."""
        theirs = rie(self.language.handler())
        told = theirs.invoke(do("large")).json()
        assert told["errorType"] == "Large"
        assert told["errorMessage"].startswith("xxx")
        assert theirs.invoke(b"[7]").payload == b"[7]"

    @pytest.mark.parametrize("file", ["cases", "missing"])
    def test_awss_own_emulator_tells_init_errors(self, rie: Make, file: str) -> None:
        theirs = rie(self.language.handler(file, "nowhere"))
        # Now and then it answers nothing where the runtime is gone before it hands the error on.
        payload = until(lambda: theirs.invoke(b"{}").payload, "the emulator tells of the error")
        told = json.loads(payload)
        kinds = {"cases": "Runtime.HandlerNotFound", "missing": "Runtime.ImportModuleError"}
        assert told["errorType"] in (kinds[file], "Runtime.HandlerNotFound")

    def test_awss_own_emulator_ends_what_takes_too_long(self, rie: Make) -> None:
        theirs = rie(self.language.handler(), AWS_LAMBDA_FUNCTION_TIMEOUT="1")
        assert b"Task timed out after 1.00 seconds" in theirs.invoke(do("sleep")).payload

    # --- the scaffold -----------------------------------------------------------------------

    def test_the_scaffold_answers_its_payload(self, scaffold: CommandLine) -> None:
        wanted = "Hello, Lambda!"
        assert scaffold("run").ok().json()["message"] == wanted
        scaffold("lambda-function").ok()
        answer = scaffold("invoke").ok().json()
        assert answer["message"] == wanted
        assert answer["request_id"]

    def test_the_scaffold_handles_a_batch(self, scaffold: CommandLine) -> None:
        records = [
            {"eventSource": "aws:sqs", "messageId": str(n), "body": f'Grüße\t"{n}"\n{n}'}
            for n in range(3)
        ]
        batch = json.dumps({"Records": records})
        result = scaffold("run", "--json-payload", batch).ok()
        assert result.json() == {"batchItemFailures": []}
        for n in range(3):
            assert f'Grüße\t"{n}"' in result.stderr

    def test_a_changed_handler_makes_one_layer(self, scaffold: CommandLine, engine: Any) -> None:
        name = scaffold_image(scaffold)
        before = engine.images.get(name).attrs["RootFS"]["Layers"]
        module = scaffold("settings", "--json").ok().json()["result"]["lambda_module"]["value"]
        path = scaffold.folder / module
        path = next(path.glob("*.cpp")) if path.is_dir() else path
        text = path.read_text()
        path.write_text(text.replace("Hello", "Salut"))
        assert scaffold("run").ok().json()["message"] == "Salut, Lambda!"
        after = engine.images.get(name).attrs["RootFS"]["Layers"]
        path.write_text(text)
        assert before[:-1] == after[:-1]
        assert before[-1] != after[-1]
