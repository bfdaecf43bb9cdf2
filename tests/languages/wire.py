"""What the runtimes say to the Runtime API, and how they take what it does."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from lambdaimg.emulator.containers import DockerExecutor
from tests.languages.contract import do
from tests.languages.language import USER, Language
from tests.languages.scripted_api import Event, Posted, ScriptedApi

TRACE = {"Lambda-Runtime-Trace-Id": "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700"}

Play = Callable[..., list[Posted]]


class WireContract:
    """Inherited by one class per language, beside `Contract`."""

    language: Language

    @pytest.fixture
    def play(self, engine: Any, image: str, executor: DockerExecutor) -> Iterator[Play]:
        """`play(event, ...)` serves the events to a container; returns what it posted."""
        made: list[Any] = []

        def run(*events: Event, handler: str = "", name: str | None = None) -> list[Posted]:
            api = ScriptedApi(executor.listen_host(), events)
            made.append(api)
            container = engine.containers.run(
                image,
                command=[handler or self.language.handler()],
                environment={"AWS_LAMBDA_RUNTIME_API": executor.api_name(api.port)},
                extra_hosts={"host.docker.internal": "host-gateway"},
                user=USER,
                name=name,
                detach=True,
            )
            made.append(container)
            if events:
                assert api.done.wait(60), container.logs().decode()
            else:
                assert container.wait(timeout=60)["StatusCode"] == 1
            return api.posted

        yield run
        for each in made:
            each.close() if isinstance(each, ScriptedApi) else each.remove(force=True)

    def test_what_an_error_says(self, play: Play) -> None:
        (posted,) = play(Event(do("raise")))
        assert posted.path == "/invocation/request-1/error"
        headers = posted.headers
        assert headers["content-type"] == "application/json"
        assert headers["lambda-runtime-function-error-type"] == "Function.OrderNotFound"
        cause = headers["lambda-runtime-function-xray-error-cause"]
        assert cause.isascii()
        told = json.loads(cause)
        assert set(told) == {"working_directory", "exceptions", "paths"}
        (exception,) = told["exceptions"]
        assert (exception["type"], exception["message"]) == ("OrderNotFound", 'no order "17" ü')
        assert json.loads(posted.body)["requestId"] == "request-1"

    def test_a_header_holds_no_letter_that_none_may_hold(self, play: Play) -> None:
        """Lambda refuses the whole error where it does, and hands the event out again."""
        (posted,) = play(Event(do("garbled")))
        assert json.loads(posted.body)["errorMessage"] == "a\x7fb"
        cause = posted.headers["lambda-runtime-function-xray-error-cause"]
        assert all(" " <= letter <= "~" for letter in cause)
        assert json.loads(cause)["exceptions"][0]["message"] == "a\x7fb"

    def test_the_trace_id_goes_with_its_event(self, play: Play) -> None:
        posted = play(Event(do("context"), TRACE), Event(do("context")))
        told = [json.loads(each.body)["trace"] for each in posted]
        assert told == [TRACE["Lambda-Runtime-Trace-Id"], "none"]
        assert [each.path for each in posted] == [
            "/invocation/request-1/response",
            "/invocation/request-2/response",
        ]

    def test_refusals_do_not_end_it(self, play: Play) -> None:
        posted = play(Event(status=403), Event(do("raise"), status=413), Event(b"[7]"))
        assert [each.path.rpartition("/")[2] for each in posted] == [
            "response",
            "error",
            "response",
        ]
        assert posted[-1].body == b"[7]"

    def test_bodies_in_chunks(self, play: Play) -> None:
        long = json.dumps(["ü" * 50] * 40, ensure_ascii=False).encode()
        posted = play(Event(long, chunked=True), Event(b"[7]", chunked=True))
        assert [json.loads(each.body) for each in posted] == [json.loads(long), [7]]

    def test_connections_that_close(self, play: Play) -> None:
        posted = play(
            Event(b"[1]", close=True), Event(b"[2]", before=1), Event(b"[3]", hang_up=True), Event()
        )
        assert [each.body for each in posted][:3] == [b"[1]", b"[2]", b"[3]"]

    def test_an_answer_that_breaks_off_is_no_event(self, play: Play) -> None:
        (posted,) = play(Event(b"[7]", cut=2))
        assert (posted.path, posted.body) == ("/invocation/request-1/response", b"[7]")

    def test_sigterm_between_events_ends_the_process(
        self, play: Play, engine: Any, unique: Callable[[str], str]
    ) -> None:
        name = unique("term")
        play(Event(b"[7]"), name=name)
        container = engine.containers.get(name)
        container.kill("SIGTERM")
        assert container.wait(timeout=60)["StatusCode"] == 0

    def test_an_init_error_ends_the_process(self, play: Play) -> None:
        (posted,) = play(handler=self.language.handler("cases", "nowhere"))
        assert posted.path == "/init/error"
        kind = posted.headers["lambda-runtime-function-error-type"]
        assert kind == json.loads(posted.body)["errorType"] == "Runtime.HandlerNotFound"
