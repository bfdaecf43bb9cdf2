"""The Runtime API as a runtime meets it: what each call is answered."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from lambdaimg.emulator.function_pool import FunctionPool
from lambdaimg.emulator.protocol import MAX_RESPONSE

from .conftest import steps

Serve = Callable[..., FunctionPool]
ACCEPTED = [202, '{"status":"OK"}\n']
INVALID_ID = [400, '{"errorMessage":"Invalid request ID","errorType":"InvalidRequestID"}\n']


def replies(pool: FunctionPool, *all_steps: list[object]) -> list[tuple[int, str]]:
    """What was answered to the calls of one event, told by the event after it."""
    outcome = pool.invoke(steps(*all_steps, ["replies"]))
    found: list[tuple[int, str]] = json.loads(outcome.payload)
    return found


def test_another_event_s_id_is_refused_and_the_open_one_stays_open(serve: Serve) -> None:
    assert replies(
        serve(),
        ["post", "invocation/other/response", "1"],
        ["post", "invocation/other/error", "1"],
    ) == [INVALID_ID, INVALID_ID]


def test_calls_out_of_order_are_refused(serve: Serve) -> None:
    [[status, body]] = replies(serve(), ["init_error", "Runtime.X", "{}"])
    assert status == 403
    assert json.loads(body)["errorType"] == "InvalidStateTransition"


def test_the_open_event_is_given_again_to_whoever_asks_again(serve: Serve) -> None:
    pool = serve()
    outcome = pool.invoke(steps(["next"], ["replies"]), request_id="r-1")
    assert json.loads(outcome.payload) == [[200, "r-1"]]


@pytest.mark.parametrize("path", ["invocation/ID/other", "restore/next", "init", "invocation/"])
def test_what_does_not_exist_is_not_found_or_not_known(serve: Serve, path: str) -> None:
    [[status, _]] = replies(serve(), ["post", path, "1"])
    assert status == 404


def test_after_the_answer_a_second_one_is_refused(serve: Serve, log: object) -> None:
    pool = serve(environment={})
    told = steps(
        ["respond", '"first"'],
        ["post", "invocation/ID/response", "2"],
        ["post", "invocation/ID/error", "3"],
        ["say_replies"],
    )
    outcome = pool.invoke(told, want_log=True)
    assert outcome.payload == b'"first"'
    said = json.loads(outcome.log.decode().split("replies: ")[1].splitlines()[0])
    assert [status for status, _ in said] == [202, 403, 403]


def test_a_response_over_the_limit_is_413_and_the_error_after_it_403(serve: Serve) -> None:
    event = steps(
        ["repeat", "x" * 1024, MAX_RESPONSE // 1024 + 1],
        ["error", "Runtime.X", "{}"],
        ["say_replies"],
    )
    outcome = serve(timeout=30).invoke(event, want_log=True)
    said = json.loads(outcome.log.decode().split("replies: ")[1].splitlines()[0])
    assert [status for status, _ in said] == [413, 403]
    assert json.loads(said[0][1]) == {
        "errorMessage": f"Exceeded maximum allowed payload size ({MAX_RESPONSE} bytes).",
        "errorType": "RequestEntityTooLarge",
    }


def test_each_call_may_have_a_connection_of_its_own(serve: Serve) -> None:
    pool = serve()
    for number in range(3):
        event = steps(["other_connection"], ["respond", str(number)], ["other_connection"])
        assert pool.invoke(event).payload == str(number).encode()
    assert pool.size == 1


def test_a_streamed_response_arrives_in_pieces(serve: Serve) -> None:
    pieces: list[bytes] = []
    outcome = serve().invoke(
        steps(["stream", "text/plain", ["ab", "cd", "ef"], "", "", 0.02]),
        on_chunk=lambda data, _: pieces.append(data),
    )
    assert b"".join(pieces) == b"abcdef"
    assert len(pieces) > 1
    assert (outcome.streamed, outcome.payload) == (True, b"")


def test_a_streamed_response_is_joined_for_a_caller_that_wants_it_whole(serve: Serve) -> None:
    outcome = serve().invoke(steps(["stream", "text/css", ["ab", "cd"]]))
    assert (outcome.payload, outcome.content_type, outcome.streamed) == (b"abcd", "text/css", False)


def test_an_error_after_the_first_piece_is_told(serve: Serve) -> None:
    error = '{"errorMessage":"late","errorType":"Late"}'
    outcome = serve().invoke(
        steps(["stream", "text/plain", ["ab"], "Function.Late", error]),
        on_chunk=lambda *_: None,
    )
    assert (outcome.function_error, outcome.error_type) == ("Unhandled", "Function.Late")
    assert outcome.payload.decode() == error


def test_a_stream_that_breaks_off_is_an_error_and_the_environment_lives(serve: Serve) -> None:
    pool = serve()
    outcome = pool.invoke(steps(["cut", "text/plain", ["ab"]]), on_chunk=lambda *_: None)
    assert outcome.error_type == "Runtime.TruncatedResponse"
    assert pool.invoke(b"1").payload == b"1"


def test_an_error_whose_body_cannot_be_decoded_is_told_as_it_stands(serve: Serve) -> None:
    outcome = serve(timeout=30).invoke(
        steps(["garble", "text/plain", ["ab"], "Function.Late", "why: not"]),
    )
    assert (outcome.error_type, outcome.payload) == ("Function.Late", b"why: not")


def test_a_caller_that_cannot_take_a_piece_does_not_hold_up_the_event(
    serve: Serve, capfd: pytest.CaptureFixture[str]
) -> None:
    def refuse(_data: bytes, _content_type: str) -> None:
        raise ZeroDivisionError

    pool = serve(timeout=900)
    outcome = pool.invoke(steps(["stream", "text/plain", ["ab"]]), on_chunk=refuse)
    assert outcome.error_type == "Runtime.TruncatedResponse"
    assert "ZeroDivisionError" in capfd.readouterr().err
    assert pool.invoke(b"1").payload == b"1"
