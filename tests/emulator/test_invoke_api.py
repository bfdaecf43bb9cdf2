"""The invoke side, called by boto3, by the AWS CLI and by hand."""

from __future__ import annotations

import base64
import http.client
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from lambdaimg.emulator.environment import IDLE
from lambdaimg.emulator.function_pool import FunctionPool
from lambdaimg.emulator.invoke_api import InvokeApi, function_name
from lambdaimg.emulator.loop import Loop
from lambdaimg.emulator.process import ProcessExecutor, ProcessInstance
from lambdaimg.emulator.protocol import MAX_ASYNC, MAX_REQUEST
from tests.support.waiting import until

from .conftest import Log, scripted, steps

Serve = Callable[..., FunctionPool]
CREDENTIALS = {"aws_access_key_id": "x", "aws_secret_access_key": "y", "region_name": "us-east-1"}


@pytest.fixture
def pool(serve: Serve) -> FunctionPool:
    return serve(timeout=30)


@pytest.fixture
def client(pool: FunctionPool) -> Iterator[Any]:
    yield from client_of(pool)


def client_of(pool: FunctionPool) -> Iterator[Any]:
    import boto3
    from botocore.config import Config

    port = pool.listen("127.0.0.1", 0, InvokeApi)
    config = Config(retries={"max_attempts": 0}, max_pool_connections=20)
    url = f"http://127.0.0.1:{port}"
    client = boto3.client("lambda", endpoint_url=url, config=config, **CREDENTIALS)
    yield client
    client.close()


def test_boto3_gets_the_answer(client: Any) -> None:
    answer = client.invoke(FunctionName="scripted", Payload=b'{"a": 1}')
    assert answer["Payload"].read() == b'{"a": 1}'
    assert (answer["StatusCode"], answer["ExecutedVersion"]) == (200, "$LATEST")
    assert "FunctionError" not in answer
    assert answer["ResponseMetadata"]["RequestId"]


@pytest.mark.parametrize(
    "name",
    [
        "function",
        "scripted:$LATEST",
        "000000000000:function:scripted",
        "arn:aws:lambda:us-east-1:000000000000:function:scripted",
        "arn:aws:lambda:us-east-1:000000000000:function:scripted:live",
    ],
)
def test_every_form_of_the_name_is_understood(client: Any, name: str) -> None:
    assert client.invoke(FunctionName=name, Payload=b"1")["Payload"].read() == b"1"


def test_names_are_taken_apart() -> None:
    assert function_name("f:1") == function_name("123456789012:function:f:1") == "f"


def test_boto3_gets_the_error_and_the_tail_of_the_log(client: Any) -> None:
    event = steps(["err", "told\n"], ["error", "Runtime.Bad", '{"errorType":"Bad"}'])
    answer = client.invoke(FunctionName="scripted", Payload=event, LogType="Tail")
    assert answer["FunctionError"] == "Unhandled"
    assert answer["Payload"].read() == b'{"errorType":"Bad"}'
    log = base64.b64decode(answer["LogResult"]).decode()
    request_id = answer["ResponseMetadata"]["RequestId"]
    assert log.startswith(f"START RequestId: {request_id} ")
    assert f"told\nEND RequestId: {request_id}\nREPORT RequestId: {request_id}\t" in log


def test_what_the_caller_tells_reaches_the_function(client: Any) -> None:
    context = base64.b64encode(b'{"custom":{"k":"v"}}').decode()
    answer = client.invoke(
        FunctionName="scripted", Payload=steps(["facts"]), ClientContext=context, TenantId="t9"
    )
    headers = json.loads(answer["Payload"].read())["headers"]
    assert headers["Lambda-Runtime-Client-Context"] == '{"custom":{"k":"v"}}'
    assert headers["Lambda-Runtime-Aws-Tenant-Id"] == "t9"


def test_no_payload_is_an_empty_object(client: Any) -> None:
    assert client.invoke(FunctionName="scripted")["Payload"].read() == b"{}"


def test_an_asynchronous_event_is_run_though_nobody_waits(client: Any, log: Log) -> None:
    answer = client.invoke(
        FunctionName="scripted",
        Payload=steps(["out", "did it\n"], ["respond", "1"]),
        InvocationType="Event",
    )
    assert (answer["StatusCode"], answer["Payload"].read()) == (202, b"")
    client.invoke(FunctionName="scripted", Payload=b"1")
    until(lambda: "did it\n" in log.text, "the event is run")
    assert log.text.count("did it\n") == 1


def test_an_asynchronous_event_that_is_throttled_is_run_later(serve: Serve, log: Log) -> None:
    pool = serve(timeout=30, reserved=1)
    [client] = client_of(pool)
    with ThreadPoolExecutor(1) as threads:
        slow = threads.submit(pool.invoke, steps(["sleep", 0.5], ["respond", "1"]))
        until(lambda: pool.open_events, "the event is taken in")
        event = steps(["out", "later\n"], ["respond", "1"])
        answer = client.invoke(FunctionName="scripted", Payload=event, InvocationType="Event")
        assert answer["StatusCode"] == 202
        assert slow.result().payload == b"1"
    until(lambda: "later\n" in log.text, "the event is run")


def test_a_dry_run_runs_nothing(client: Any, pool: FunctionPool, log: Log) -> None:
    answer = client.invoke(FunctionName="scripted", Payload=b"{}", InvocationType="DryRun")
    assert answer["StatusCode"] == 204
    assert (pool.size, log.entries) == (0, [])


def test_another_function_is_not_found(client: Any) -> None:
    with pytest.raises(client.exceptions.ResourceNotFoundException) as caught:
        client.invoke(FunctionName="other", Payload=b"{}")
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404


def test_an_event_that_is_no_json_is_refused(client: Any, pool: FunctionPool) -> None:
    with pytest.raises(client.exceptions.InvalidRequestContentException):
        client.invoke(FunctionName="scripted", Payload=b"{nonsense")
    assert pool.size == 0


@pytest.mark.parametrize(
    ("kind", "limit"), [("RequestResponse", MAX_REQUEST), ("Event", MAX_ASYNC)]
)
def test_an_event_over_the_limit_is_refused(client: Any, kind: str, limit: int) -> None:
    payload = b'"' + b"x" * limit + b'"'
    with pytest.raises(client.exceptions.RequestTooLargeException):
        client.invoke(FunctionName="scripted", Payload=payload, InvocationType=kind)


def test_events_beyond_the_reserved_ones_are_throttled(serve: Serve) -> None:
    [client] = client_of(serve(reserved=0))
    with pytest.raises(client.exceptions.TooManyRequestsException) as caught:
        client.invoke(FunctionName="scripted", Payload=b"{}")
    error = caught.value.response
    assert error["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
    assert error["retryAfterSeconds"] == "1"


def test_boto3_reads_a_streamed_response(client: Any) -> None:
    event = steps(["err", "told\n"], ["stream", "text/plain", ["ab", "cd"], "", "", 0.02])
    answer = client.invoke_with_response_stream(
        FunctionName="scripted", Payload=event, LogType="Tail"
    )
    found = list(answer["EventStream"])
    chunks = [part["PayloadChunk"]["Payload"] for part in found[:-1]]
    assert b"".join(chunks) == b"abcd"
    assert len(chunks) > 1
    complete = found[-1]["InvokeComplete"]
    assert "ErrorCode" not in complete
    assert b"told\n" in base64.b64decode(complete["LogResult"])
    assert answer["ExecutedVersion"] == "$LATEST"


def test_a_buffered_response_is_one_piece_of_a_stream(client: Any) -> None:
    answer = client.invoke_with_response_stream(FunctionName="scripted", Payload=b'"whole"')
    first, last = answer["EventStream"]
    assert first["PayloadChunk"]["Payload"] == b'"whole"'
    assert last["InvokeComplete"] == {}


def test_a_stream_s_failure_is_in_its_last_message(client: Any) -> None:
    error = '{"errorMessage":"late","errorType":"Late"}'
    event = steps(["stream", "text/plain", ["ab"], "Function.Late", error])
    answer = client.invoke_with_response_stream(FunctionName="scripted", Payload=event)
    first, last = answer["EventStream"]
    assert first["PayloadChunk"]["Payload"] == b"ab"
    assert last["InvokeComplete"]["ErrorCode"] == "Unhandled"
    assert last["InvokeComplete"]["ErrorDetails"] == error


def test_the_aws_cli_invokes(pool: FunctionPool, tmp_path: Path) -> None:
    port = pool.listen("127.0.0.1", 0, InvokeApi)
    cli = Path(sys.executable).with_name("aws")
    out = tmp_path / "answer"
    environment = {
        **os.environ,
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "y",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    done = subprocess.run(
        [
            *(cli, "lambda", "invoke", "--endpoint-url", f"http://127.0.0.1:{port}"),
            *("--function-name", "scripted", "--payload", '{"from": "the CLI"}', out),
        ],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == {"StatusCode": 200, "ExecutedVersion": "$LATEST"}
    assert out.read_text() == '{"from": "the CLI"}'


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/2015-03-31/functions/scripted/invocations", 404),
        ("POST", "/2015-03-31/functions/scripted", 404),
        ("POST", "/", 404),
    ],
)
def test_what_is_no_invocation_is_refused(
    pool: FunctionPool, method: str, path: str, status: int
) -> None:
    conn = http.client.HTTPConnection("127.0.0.1", pool.listen("127.0.0.1", 0, InvokeApi))
    conn.request(method, path, b"{}")
    assert conn.getresponse().status == status
    conn.close()


def test_a_caller_that_goes_away_does_not_end_its_event(pool: FunctionPool, log: Log) -> None:
    port = pool.listen("127.0.0.1", 0, InvokeApi)
    conn = http.client.HTTPConnection("127.0.0.1", port)
    event = steps(["sleep", 0.2], ["out", "finished\n"], ["respond", "1"])
    conn.request("POST", "/2015-03-31/functions/function/invocations", event)
    until(lambda: pool.open_events, "the event is taken in")
    conn.close()
    until(lambda: "finished\n" in log.text and not pool.open_events, "the event is run")
    assert pool.size == 1
    assert pool.invoke(b"1").payload == b"1"


def test_a_port_that_is_taken_is_told(pool: FunctionPool) -> None:
    port = pool.listen("127.0.0.1", 0, InvokeApi)
    with pytest.raises(OSError, match="in use"):
        pool.listen("127.0.0.1", port, InvokeApi)


class Patient(ProcessExecutor):
    """Its log is complete only when the runtime has asked for its next event, as a container's."""

    def start(self, loop: Loop, *arguments: Any, **more: Any) -> ProcessInstance:
        instance = super().start(loop, *arguments, **more)
        [_, _, watcher] = arguments[:3]

        def settle(then: Callable[[], None], _patient: bool) -> None:
            def look() -> None:
                if watcher.environment.state == IDLE:
                    then()
                else:
                    loop.call_at(loop.now() + 0.001, look)

            look()

        instance.settle = settle  # type: ignore[method-assign]
        return instance


def test_an_event_that_is_sent_before_the_answer_has_its_environment_for_itself(log: Log) -> None:
    def call(event: bytes, more: str = "") -> bytes:
        head = "POST /2015-03-31/functions/function/invocations HTTP/1.1\r\nX-Amz-Log-Type: Tail"
        return f"{head}\r\n{more}Content-Length: {len(event)}\r\n\r\n".encode() + event

    second = steps(["out", "second\n"], ["sleep", 0.2], ["respond", "2"])
    executor = Patient({"PATH": "/usr/bin:/bin"})
    with FunctionPool(scripted(timeout=10), executor, log=log) as pool:
        port = pool.listen("127.0.0.1", 0, InvokeApi)
        with socket.create_connection(("127.0.0.1", port), 60) as sock:
            sock.sendall(call(b"1") + call(second, "Connection: close\r\n"))
            until(lambda: "second" in log.text, "the second event is run")
            assert pool.invoke(b"3").payload == b"3"
            with sock.makefile("rb") as reader:
                answers = reader.read()
    assert answers.count(b"HTTP/1.1 200 OK") == 2
    assert b"X-Amz-Function-Error" not in answers
