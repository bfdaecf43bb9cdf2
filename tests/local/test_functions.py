"""What MiniStack knows of a function is run by the emulator; here with processes for containers."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lambdaimg.emulator.process import ProcessExecutor
from lambdaimg.emulator.protocol import Outcome
from lambdaimg.local.functions import (
    ImageFunctions,
    Surroundings,
    check_seam,
    function_spec,
    install,
    result_of,
)
from tests.support.waiting import until

AROUND = Surroundings("http://127.0.0.1:14566", "http://host.docker.internal:14566")
ARN = "arn:aws:lambda:eu-west-1:111122223333:function:hello"
RUNTIME = """
import json, os, sys, urllib.request
api = f"http://{os.environ['AWS_LAMBDA_RUNTIME_API']}/2018-06-01/runtime/invocation/"
print("init", flush=True)
while True:
    with urllib.request.urlopen(api + "next") as reply:
        request_id, event = reply.headers["Lambda-Runtime-Aws-Request-Id"], json.load(reply)
    print("seen", json.dumps(event), flush=True)
    if "wait" in event:
        open(event["wait"] + ".started", "w").close()
        with open(event["wait"]) as gate:
            gate.read()
    kind, body = "response", '{"pid":%d,  "given":%s}' % (os.getpid(), os.environ["GIVEN"])
    if "fail" in event:
        kind, body = "error", '{"errorMessage":"no","errorType":"Bad"}'
    urllib.request.urlopen(api + f"{request_id}/{kind}", body.encode()).close()
"""


def function(tmp_path: Path, given: str = "1", version: str = "$LATEST") -> dict[str, Any]:
    script = tmp_path / "runtime.py"
    script.write_text(RUNTIME)
    return {
        "config": {
            "FunctionName": "hello",
            "FunctionArn": ARN,
            "PackageType": "Image",
            "ImageUri": "localhost:14566/hello@sha256:00",
            "ImageConfigResponse": {"ImageConfig": {"Command": [sys.executable, str(script)]}},
            "Environment": {"Variables": {"GIVEN": given}},
            "Timeout": 30,
            "MemorySize": 256,
            "Version": version,
        }
    }


@pytest.fixture
def prepared() -> list[str]:
    return []


@pytest.fixture
def functions(prepared: list[str]) -> Iterator[ImageFunctions]:
    running = ImageFunctions(ProcessExecutor({}), AROUND, prepared.append)
    yield running
    running.close()


def test_a_function_becomes_a_spec() -> None:
    spec = function_spec(
        {
            "FunctionName": "hello",
            "FunctionArn": ARN,
            "ImageUri": "111122223333.dkr.ecr.eu-west-1.amazonaws.com/team/hello@sha256:00",
            "ImageConfigResponse": {
                "ImageConfig": {"Command": ["a"], "EntryPoint": ["b"], "WorkingDirectory": "/c"}
            },
            "Environment": {"Variables": {"A": "1"}},
            "LoggingConfig": {"LogFormat": "JSON", "ApplicationLogLevel": "DEBUG"},
            "Timeout": 7,
            "MemorySize": 512,
            "Version": "3",
        },
        AROUND,
    )

    assert (spec.name, spec.version, spec.timeout, spec.memory) == ("hello", "3", 7, 512)
    assert (spec.account, spec.region) == ("111122223333", "eu-west-1")
    assert spec.image == "localhost:14566/team/hello@sha256:00"
    assert (spec.command, spec.entrypoint, spec.workdir) == (("a",), ("b",), "/c")
    assert spec.environment == {
        "A": "1",
        "AWS_ACCESS_KEY_ID": "111122223333",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_ENDPOINT_URL": "http://host.docker.internal:14566",
        "AWS_LAMBDA_LOG_FORMAT": "JSON",
        "AWS_LAMBDA_LOG_LEVEL": "DEBUG",
    }


@pytest.mark.parametrize(
    ("own", "told"),
    [
        ("http://127.0.0.1:14566", "http://host.docker.internal:14566"),
        ("http://localhost:9", "http://host.docker.internal:14566"),
        ("http://elsewhere.example", "http://elsewhere.example"),
    ],
)
def test_an_endpoint_on_the_callers_loopback_is_not_the_containers(own: str, told: str) -> None:
    config = {"FunctionName": "f", "FunctionArn": ARN, "ImageUri": "x"}
    spec = function_spec(config | {"Environment": {"Variables": {"AWS_ENDPOINT_URL": own}}}, AROUND)
    assert spec.environment["AWS_ENDPOINT_URL"] == told
    assert (spec.timeout, spec.memory, spec.version) == (3, 128, "$LATEST")


@pytest.mark.parametrize(
    ("outcome", "result"),
    [
        (Outcome(b'{"a":  1}'), {"body": '{"a":  1}', "raw_payload": True}),
        (Outcome(b"\xff"), {"body": b"\xff"}),
        (
            Outcome(b'{"errorType":"X"}', function_error="Unhandled"),
            {"body": {"errorType": "X"}, "error": True, "function_error": "Unhandled"},
        ),
        (
            Outcome(b"no json", function_error="Unhandled"),
            {"body": "no json", "error": True, "function_error": "Unhandled"},
        ),
    ],
)
def test_an_outcome_becomes_what_ministack_expects(
    outcome: Outcome, result: dict[str, Any]
) -> None:
    assert result_of(outcome, b"line\n") == {"log": "line\n", "log_source": "rie"} | result


def test_an_event_is_answered_with_bytes_and_log_untouched(
    functions: ImageFunctions, tmp_path: Path, prepared: list[str]
) -> None:
    first = functions.execute(function(tmp_path), {"n": 1}, "id-1")
    second = functions.execute(function(tmp_path), {"fail": 1}, "id-2")

    pid = json.loads(first["body"])["pid"]
    assert first["body"] == f'{{"pid":{pid},  "given":1}}'
    lines = first["log"].splitlines()
    assert lines[:3] == ["init", "START RequestId: id-1 Version: $LATEST", 'seen {"n": 1}']
    assert lines[3] == "END RequestId: id-1"
    assert lines[4].startswith("REPORT RequestId: id-1\tDuration: ")
    assert second["body"] == {"errorMessage": "no", "errorType": "Bad"}
    assert second["function_error"] == "Unhandled"
    assert "init" not in second["log"]
    assert prepared == ["localhost:14566/hello@sha256:00"]


def test_an_environment_stays_until_the_function_changes(
    functions: ImageFunctions, tmp_path: Path
) -> None:
    def answer(given: str = "1", version: str = "$LATEST") -> dict[str, Any]:
        result = functions.execute(function(tmp_path, given, version), {}, "")
        return dict(json.loads(result["body"]))

    first = answer()
    assert answer() == first
    changed = answer(given="2")
    assert changed["given"] == 2
    published = answer(given="2", version="1")
    assert published["pid"] not in {first["pid"], changed["pid"]}
    assert answer(given="2") == changed

    functions.retire("111122223333", "another")
    functions.retire("000000000000", "hello")
    assert answer(given="2") == changed
    functions.retire("111122223333", "hello")
    assert answer(given="2")["pid"] != changed["pid"]
    assert answer(given="2", version="1")["pid"] != published["pid"]


@contextmanager
def event_in_hand(
    functions: ImageFunctions, folder: Path, gate: Path
) -> Iterator[list[dict[str, Any]]]:
    """An event that its function works on until the gate opens; at the end, its result."""
    results: list[dict[str, Any]] = []
    caller = threading.Thread(
        target=lambda: results.append(
            functions.execute(function(folder), {"wait": str(gate)}, "slow")
        )
    )
    caller.start()
    until(gate.with_suffix(".started").exists, "the event is in hand")
    yield results
    caller.join()


def test_an_event_in_hand_ends_as_it_began_when_its_function_is_deleted(
    functions: ImageFunctions, tmp_path: Path, a_gate: Callable[[], Path]
) -> None:
    gate = a_gate()
    with event_in_hand(functions, tmp_path, gate) as results:
        functions.retire("111122223333", "hello")
        gate.write_text("go")

    assert json.loads(results[0]["body"])["given"] == 1


def test_what_is_open_at_the_end_is_answered(
    functions: ImageFunctions, tmp_path: Path, a_gate: Callable[[], Path]
) -> None:
    gate = a_gate()
    with event_in_hand(functions, tmp_path, gate) as results:
        functions.close()

    assert results[0]["body"]["errorType"] == "Sandbox.Stopped"


@pytest.fixture
def a_gate(tmp_path: Path) -> Callable[[], Path]:
    def make() -> Path:
        gate = tmp_path / "gate"
        os.mkfifo(gate)
        return gate

    return make


def test_an_image_that_cannot_be_had_is_the_functions_failure(tmp_path: Path) -> None:
    def refuse(image: str) -> None:
        raise LookupError(f"no {image}")

    functions = ImageFunctions(ProcessExecutor({}), AROUND, refuse)

    result = functions.execute(function(tmp_path), {}, "")

    assert result["body"] == {
        "errorType": "Sandbox.ImageNotFound",
        "errorMessage": "no localhost:14566/hello@sha256:00",
    }
    assert result["function_error"] == "Unhandled"


def test_the_pinned_ministack_has_the_seam_and_keeps_zip_functions(
    functions: ImageFunctions, tmp_path: Path
) -> None:
    from ministack.services import lambda_svc

    calls: list[Any] = []
    check_seam(lambda_svc)
    module = SimpleNamespace(
        _execute_function_docker=lambda func, event, request_id: {"body": "zip"},
        _pool_kill_function=lambda account, func_name: calls.append((account, func_name)),
        _pool_clear_all=lambda: calls.append("all"),
    )
    install(module, functions)

    assert module._execute_function_docker({"config": {"PackageType": "Zip"}}, {}, "") == {
        "body": "zip"
    }
    assert "given" in module._execute_function_docker(function(tmp_path), {}, "")["body"]
    module._pool_kill_function("111122223333", "hello")
    module._pool_clear_all()
    assert calls == [("111122223333", "hello"), "all"]


@pytest.mark.parametrize(
    "module",
    [
        SimpleNamespace(),
        SimpleNamespace(_execute_function_docker=lambda function, event: {}),
    ],
)
def test_another_ministack_is_refused(module: Any) -> None:
    with pytest.raises(RuntimeError, match=r"has no _execute_function_docker\(func, event, requ"):
        check_seam(module)
