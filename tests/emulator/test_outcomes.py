"""How events end, and what callers are told: real processes behind a real Runtime API."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from lambdaimg.emulator.function_pool import FunctionPool
from lambdaimg.emulator.invoke_api import InvokeApi
from lambdaimg.emulator.loop import Loop
from lambdaimg.emulator.process import ProcessExecutor, ProcessInstance
from lambdaimg.emulator.protocol import MAX_RESPONSE, FunctionSpec, Invocation, Outcome
from tests.support.waiting import until

from .conftest import Log, scripted, steps

Serve = Callable[..., FunctionPool]


def error_of(outcome: Outcome) -> dict[str, str]:
    assert outcome.function_error == "Unhandled"
    error: dict[str, str] = json.loads(outcome.payload)
    return error


@pytest.mark.parametrize(
    "event", [b"{}", b"0", b'""', b"null", b"[]", b"false", b'{"a": "\\u00e4"}']
)
def test_every_event_goes_through_unchanged(serve: Serve, event: bytes) -> None:
    outcome = serve().invoke(event)
    assert (outcome.payload, outcome.function_error, outcome.status) == (event, "", 200)


def test_what_the_runtime_is_told(serve: Serve) -> None:
    pool = serve(timeout=30, memory=512, region="eu-west-3", environment={"OWN": "1"})
    outcome = pool.invoke(
        steps(["facts"]),
        request_id="r-1",
        client_context='{"custom": {}}',
        cognito_identity='{"id": "me"}',
        trace_id="Root=1-2-3",
        tenant_id="t1",
    )
    facts = json.loads(outcome.payload)
    headers, variables = facts["headers"], facts["environment"]
    arn = "arn:aws:lambda:eu-west-3:000000000000:function:scripted"
    assert headers["Lambda-Runtime-Aws-Request-Id"] == "r-1"
    assert headers["Lambda-Runtime-Invoked-Function-Arn"] == arn
    assert headers["Lambda-Runtime-Client-Context"] == '{"custom": {}}'
    assert headers["Lambda-Runtime-Cognito-Identity"] == '{"id": "me"}'
    assert headers["Lambda-Runtime-Trace-Id"] == "Root=1-2-3"
    assert headers["Lambda-Runtime-Aws-Tenant-Id"] == "t1"
    assert headers["Content-Type"] == "application/json"
    assert int(headers["Lambda-Runtime-Deadline-Ms"]) > 1_700_000_000_000
    assert variables["AWS_LAMBDA_FUNCTION_NAME"] == "scripted"
    assert variables["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "512"
    assert variables["AWS_LAMBDA_FUNCTION_VERSION"] == "$LATEST"
    assert variables["AWS_LAMBDA_LOG_GROUP_NAME"] == "/aws/lambda/scripted"
    assert variables["AWS_REGION"] == variables["AWS_DEFAULT_REGION"] == "eu-west-3"
    assert variables["OWN"] == "1"


def test_a_context_in_several_lines_is_one_header(serve: Serve) -> None:
    outcome = serve().invoke(steps(["facts"]), client_context='{\r\n"custom": {}\n}')
    headers = json.loads(outcome.payload)["headers"]
    assert json.loads(headers["Lambda-Runtime-Client-Context"]) == {"custom": {}}


def test_context_headers_are_absent_where_the_caller_gave_none(serve: Serve) -> None:
    headers = json.loads(serve().invoke(steps(["facts"])).payload)["headers"]
    assert "Lambda-Runtime-Client-Context" not in headers
    assert "Lambda-Runtime-Cognito-Identity" not in headers
    assert "Lambda-Runtime-Aws-Tenant-Id" not in headers
    assert headers["Lambda-Runtime-Trace-Id"].startswith("Root=1-")


def test_an_environment_is_used_again(serve: Serve) -> None:
    pool = serve()
    first, second = (json.loads(pool.invoke(steps(["facts"])).payload)["pid"] for _ in range(2))
    assert first == second
    assert pool.size == 1


def test_the_function_s_own_error_is_passed_on_as_it_stands(serve: Serve) -> None:
    text = '{"errorMessage":"no","errorType":"Bad","stackTrace":["x"]}'
    outcome = serve().invoke(steps(["error", "Bad", text]))
    assert outcome.payload.decode() == text
    assert (outcome.function_error, outcome.error_type) == ("Unhandled", "Runtime.Unknown")


@pytest.mark.parametrize(
    ("header", "kept"),
    [
        ("Runtime.HandlerNotFound", "Runtime.HandlerNotFound"),
        ("Function.Mine", "Function.Mine"),
        ("Runtime.lower", "Runtime.Unknown"),
        ("Mine", "Runtime.Unknown"),
        ("", "Runtime.Unknown"),
    ],
)
def test_which_error_types_are_kept(serve: Serve, header: str, kept: str) -> None:
    assert serve().invoke(steps(["error", header, "{}"])).error_type == kept


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        (["exit", 0], "Runtime exited without providing a reason"),
        (["exit", 3], "Runtime exited with error: exit status 3"),
        (["signal", int(signal.SIGKILL)], "Runtime exited with error: signal: killed"),
        (["signal", int(signal.SIGSEGV)], "Runtime exited with error: signal: segmentation fault"),
    ],
)
def test_an_exit_is_told_at_once_and_the_next_event_is_served(
    serve: Serve, log: Log, step: list[object], reason: str
) -> None:
    pool = serve(timeout=60)
    outcome = pool.invoke(steps(step), request_id="r-1", want_log=True)
    assert error_of(outcome) == {
        "errorType": "Runtime.ExitError",
        "errorMessage": f"RequestId: r-1 Error: {reason}",
    }
    assert f"RequestId: r-1 Error: {reason}\nRuntime.ExitError\nEND RequestId: r-1" in log.of("r-1")
    assert outcome.log.decode().rstrip().endswith("Status: error\tError Type: Runtime.ExitError")
    assert pool.invoke(b'"again"').payload == b'"again"'


def test_an_exit_after_the_response_does_not_spoil_it(serve: Serve) -> None:
    pool = serve()
    assert pool.invoke(steps(["respond", '"fine"'], ["exit", 1])).payload == b'"fine"'
    assert pool.invoke(b"1").payload == b"1"


def test_the_timeout_ends_the_event_and_the_environment(serve: Serve, log: Log) -> None:
    pool = serve(timeout=0.3)
    pid = json.loads(pool.invoke(steps(["facts"])).payload)["pid"]
    outcome = pool.invoke(steps(["sleep", 60]), request_id="r-1", want_log=True)
    assert error_of(outcome) == {
        "errorType": "Sandbox.Timedout",
        "errorMessage": "RequestId: r-1 Error: Task timed out after 0.30 seconds",
    }
    assert "r-1 Task timed out after 0.30 seconds\n" in log.of("r-1")
    assert outcome.log.decode().rstrip().endswith("Status: timeout")
    assert json.loads(pool.invoke(steps(["facts"])).payload)["pid"] != pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_the_time_after_the_response_counts_too(serve: Serve, log: Log) -> None:
    pool = serve(timeout=0.3, max_environments=1)
    late = steps(["respond", "1"], ["sleep", 60])
    outcome = pool.invoke(late, request_id="r-1", want_log=True)
    assert (outcome.payload, outcome.function_error) == (b"1", "")
    assert "Status: timeout" in outcome.log.decode()
    assert pool.invoke(b"2").payload == b"2"


def test_a_failed_init_is_tried_once_more_within_the_event(serve: Serve, tmp_path: Path) -> None:
    marker = tmp_path / "failed"
    pool = serve(init=[["fail_once", str(marker)]])
    assert pool.invoke(b"1").payload == b"1"
    assert marker.exists()


def test_an_exit_in_init_is_told_at_once(serve: Serve, log: Log) -> None:
    outcome = serve(init=[["err", "broken\n"], ["exit", 9]]).invoke(b"{}", request_id="r-1")
    assert error_of(outcome) == {
        "errorType": "Runtime.ExitError",
        "errorMessage": "RequestId: r-1 Error: Runtime exited with error: exit status 9",
    }
    assert log.text.count("broken\n") == 2
    assert log.text.count("INIT_REPORT") == 2


def test_an_init_error_is_the_answer(serve: Serve) -> None:
    text = '{"errorMessage":"no module","errorType":"Runtime.ImportModuleError"}'
    pool = serve(init=[["init_error", "Runtime.ImportModuleError", text], ["exit", 1]])
    outcome = pool.invoke(b"{}")
    assert outcome.payload.decode() == text
    assert (outcome.function_error, outcome.error_type) == (
        "Unhandled",
        "Runtime.ImportModuleError",
    )


def test_a_runtime_that_does_not_exit_after_its_init_error_is_ended(serve: Serve) -> None:
    pool = serve(init=[["init_error", "Runtime.X", '"why"'], ["sleep", 60]], timeout=60)
    assert pool.invoke(b"{}").payload == b'"why"'


def test_an_init_that_is_too_slow_is_tried_on_the_event_s_time(serve: Serve, log: Log) -> None:
    outcome = serve(init=[["sleep", 60]], init_limit=0.2, timeout=0.3).invoke(b"{}")
    assert error_of(outcome)["errorType"] == "Sandbox.Timedout"
    assert "The runtime has made no call to the Runtime API at 127.0.0.1:" in log.text
    assert "Phase: init\tStatus: timeout" in log.text
    assert "Phase: invoke\tStatus: timeout" in log.text


def test_a_command_that_cannot_be_run_is_told(serve: Serve) -> None:
    outcome = serve(FunctionSpec("f", command=["/no/such/thing"])).invoke(b"{}", request_id="r")
    assert error_of(outcome) == {
        "errorType": "Runtime.InvalidEntrypoint",
        "errorMessage": "RequestId: r Error: fork/exec /no/such/thing: no such file or directory",
    }


def test_a_response_over_the_limit_is_an_error_and_the_environment_lives(serve: Serve) -> None:
    pool = serve(timeout=30)
    event = steps(["repeat", "x" * 1024, MAX_RESPONSE // 1024 + 1], ["error", "T", "{}"])
    assert error_of(pool.invoke(event)) == {
        "errorType": "Function.ResponseSizeTooLarge",
        "errorMessage": "Response payload size exceeded maximum allowed payload size "
        f"({MAX_RESPONSE} bytes).",
    }
    assert pool.invoke(b"1").payload == b"1"


def test_a_response_at_the_limit_is_taken(serve: Serve) -> None:
    outcome = serve(timeout=30).invoke(steps(["repeat", "x", MAX_RESPONSE]))
    assert (len(outcome.payload), outcome.function_error) == (MAX_RESPONSE, "")


def test_a_large_event_reaches_the_function(serve: Serve) -> None:
    event = b'"' + b"x" * (6 * 1024 * 1024 - 2) + b'"'
    assert serve(timeout=30).invoke(event).payload == event


def test_the_log_is_in_order_and_has_the_request_id(serve: Serve, log: Log) -> None:
    pool = serve(init=[["out", "starting\n"]])
    event = steps(["out", "one\n"], ["err", "two\n"], ["respond", "1"], ["out", "after\n"])
    for request_id in ("r-1", "r-2"):
        tail = pool.invoke(event, request_id=request_id, want_log=True).log.decode()
        start, *own, end, report = tail.splitlines()
        assert start == f"START RequestId: {request_id} Version: $LATEST"
        assert sorted(own) == ["after", "one", "two"]
        assert own.index("one") < own.index("after")
        assert end == f"END RequestId: {request_id}"
        assert report.startswith(f"REPORT RequestId: {request_id}\tDuration: ")
        assert "\tMemory Size: 128 MB\tMax Memory Used: " in report
        assert ("Init Duration" in report) == (request_id == "r-1")
        assert tail == log.of(request_id)
    assert log.entries[0] == ("", "stdout", "starting\n")


def test_the_tail_is_the_last_four_kilobytes(serve: Serve) -> None:
    outcome = serve().invoke(steps(["out", "x" * 9000 + "\n"], ["respond", "1"]), want_log=True)
    assert len(outcome.log) == 4096
    assert b"REPORT RequestId" in outcome.log
    assert b"START" not in outcome.log


def test_events_at_once_have_environments_of_their_own(serve: Serve) -> None:
    pool = serve(max_environments=4, timeout=30)
    with ThreadPoolExecutor(4) as threads:
        event = steps(["sleep", 0.5], ["facts"])
        outcomes = list(threads.map(lambda _: pool.invoke(event), range(4)))
    assert len({json.loads(outcome.payload)["pid"] for outcome in outcomes}) == 4
    assert pool.size == 4


def test_events_beyond_the_environments_wait(serve: Serve) -> None:
    pool = serve(max_environments=2, timeout=30)
    with ThreadPoolExecutor(6) as threads:
        outcomes = list(threads.map(lambda n: pool.invoke(str(n).encode()), range(6)))
    assert [outcome.payload for outcome in outcomes] == [b"0", b"1", b"2", b"3", b"4", b"5"]
    assert pool.size <= 2


def test_events_beyond_the_reserved_ones_are_refused(serve: Serve) -> None:
    pool = serve(reserved=0)
    outcome = pool.invoke(b"{}")
    assert (outcome.status, outcome.error_type) == (429, "TooManyRequestsException")
    assert pool.size == 0


def test_idle_environments_are_ended(serve: Serve) -> None:
    pool = serve(idle_seconds=0.05)
    pid = json.loads(pool.invoke(steps(["facts"])).payload)["pid"]
    wait_for_end(pid)
    assert pool.size == 0
    assert pool.invoke(b"1").payload == b"1"


def test_an_update_serves_new_events_by_the_new_function(serve: Serve) -> None:
    pool = serve(timeout=30, max_environments=1, environment={"V": "1"})
    with ThreadPoolExecutor(1) as threads:
        pool.invoke(b"1")
        old = threads.submit(pool.invoke, steps(["out", "begun"], ["sleep", 0.5], ["facts"]))
        pool.update(scripted(timeout=30, max_environments=1, environment={"V": "2"}), prestart=True)
        new = pool.invoke(steps(["facts"]))
        assert json.loads(new.payload)["environment"]["V"] == "2"
        assert json.loads(old.result().payload)["environment"]["V"] in ("1", "2")
        pid = json.loads(old.result().payload)["pid"]
    if json.loads(old.result().payload)["environment"]["V"] == "1":
        wait_for_end(pid)


class Nowhere(ProcessExecutor):
    """An executor that cannot be reached."""

    def listen_host(self) -> str:
        return "192.0.2.1"


def test_an_environment_that_cannot_be_made_is_told(log: Log) -> None:
    with FunctionPool(scripted(), Nowhere({}), log=log, prestart=True) as pool:
        error = error_of(pool.invoke(b"{}"))
    assert error["errorType"] == "Sandbox.Failure"
    assert error["errorMessage"].startswith("No environment can be started: ")
    assert error["errorMessage"] in log.text


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_variable_that_no_process_can_have_is_told(serve: Serve) -> None:
    pool = serve(environment={"OWN": "a\0b"})
    before = open_files()
    assert error_of(pool.invoke(b"{}"))["errorType"] == "Runtime.InvalidEntrypoint"
    until(lambda: pool.size == 0, "the environment is over")
    until(lambda: open_files() <= before, "nothing is left open")


class Worn(ProcessExecutor):
    """Starts a process once, as a machine does that has no thread left."""

    starts = 0

    def start(self, *arguments: Any, **more: Any) -> ProcessInstance:
        self.starts += 1
        if self.starts > 1:
            raise RuntimeError("no more")
        return super().start(*arguments, **more)


def test_a_process_that_cannot_be_started_again_is_told(log: Log) -> None:
    spec = scripted(init=[["exit", 3]])
    with FunctionPool(spec, Worn({"PATH": "/usr/bin:/bin"}), log=log) as pool:
        error = error_of(pool.invoke(b"{}"))
    assert error["errorType"] == "Sandbox.Failure"
    assert "no more" in error["errorMessage"]


class Slow(ProcessExecutor):
    """Its log is complete only a while after the answer."""

    def __init__(self) -> None:
        super().__init__({"PATH": "/usr/bin:/bin"})
        self.settles = threading.Event()

    def start(self, loop: Loop, *arguments: Any, **more: Any) -> ProcessInstance:
        instance = super().start(loop, *arguments, **more)

        def settle(then: Callable[[], None], _patient: bool) -> None:
            loop.call_at(loop.now() + 0.5, then)
            self.settles.set()

        instance.settle = settle  # type: ignore[method-assign]
        return instance


def test_closing_waits_for_the_log_that_a_caller_waits_for(log: Log) -> None:
    executor = Slow()
    pool = FunctionPool(scripted(), executor, log=log)
    found: list[Outcome] = []
    caller = threading.Thread(
        target=lambda: found.append(pool.invoke(b"1", want_log=True)), daemon=True
    )
    caller.start()
    assert executor.settles.wait(60)
    pool.close()
    caller.join(60)
    assert [outcome.payload for outcome in found] == [b"1"]
    assert b"REPORT" in found[0].log


def test_a_closed_pool_serves_nothing(serve: Serve) -> None:
    pool = serve()
    pool.close()
    with pytest.raises(OSError, match="stopped"):
        pool.listen("127.0.0.1", 0, InvokeApi)
    assert error_of(pool.invoke(b"{}"))["errorType"] == "Sandbox.Stopped"


def test_a_caller_s_defect_harms_no_other_event(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[str] = []
    monkeypatch.setattr(sys, "excepthook", lambda kind, *_: shown.append(kind.__name__))
    pool = serve(max_environments=1)
    invocation = Invocation(b"1")

    def fail(_outcome: Outcome) -> None:
        raise LookupError("a defect of the caller")

    invocation.on_outcome = fail
    pool.submit(invocation)
    assert pool.invoke(b"2").payload == b"2"
    assert shown == ["LookupError"]


def test_closing_answers_what_is_open_and_leaves_nothing(serve: Serve) -> None:
    pool = serve(timeout=60)
    pid = json.loads(pool.invoke(steps(["child", 60], ["facts"])).payload)["pid"]
    with ThreadPoolExecutor(1) as threads:
        open_event = threads.submit(pool.invoke, steps(["sleep", 60]))
        until(lambda: pool.open_events, "the event is taken in")
        pool.close()
        assert error_of(open_event.result())["errorType"] == "Sandbox.Stopped"
    await_end_of_group(pid)
    assert error_of(pool.invoke(b"{}"))["errorType"] == "Sandbox.Stopped"


def test_children_of_a_crashed_runtime_go_with_it(serve: Serve) -> None:
    pool = serve()
    pid = json.loads(pool.invoke(steps(["child", 60], ["facts"])).payload)["pid"]
    assert error_of(pool.invoke(steps(["exit", 1])))["errorType"] == "Runtime.ExitError"
    pool.close()
    await_end_of_group(pid)


def running_in_group(group: int) -> list[str]:
    """The processes of a group that run; those that are only waited for are gone."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, rest = stat.read_text().rpartition(")")
        except OSError:
            continue
        state, _, pgrp = rest.split()[:3]
        if int(pgrp) == group and state != "Z":
            found.append(name)
    return found


def await_end_of_group(group: int) -> None:
    """Wait until all of a group that was killed are gone; the kernel takes its time."""
    for _ in range(1000):
        if not running_in_group(group):
            return
        time.sleep(0.01)
    pytest.fail(f"still running: {running_in_group(group)}")


def wait_for_end(pid: int) -> None:
    """Wait until a process is gone; fails by the test's own time limit if it never is."""
    descriptor = os.pidfd_open(pid) if Path(f"/proc/{pid}").exists() else -1
    if descriptor >= 0:
        import select

        select.select([descriptor], [], [], 30)
        os.close(descriptor)
    until(lambda: not Path(f"/proc/{pid}").exists(), f"process {pid} is gone")
