"""An image's 8080 endpoint, and that it answers as AWS's Runtime Interface Emulator does.

Both are run with the same runtime and sent the same events. The differences, all wanted:

- the service's errors have status 200 and `X-Amz-Function-Error`, as Lambda's Invoke has them;
  RIE gives 502 for an exit, and no header;
- a timeout is Lambda's JSON error; RIE answers with a bare sentence;
- any function name is served; RIE serves `function` alone;
- the content type is the function's, and the request id is in the answer; RIE has text/plain.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lambdaimg.emulator import IMAGE_FILES
from lambdaimg.emulator.__main__ import parse, spec_of

from .conftest import COMMAND, steps

PACKAGE = Path(__file__).resolve().parent.parent.parent / "lambdaimg"
PATH = "/2015-03-31/functions/function/invocations"
ENDPOINT = (sys.executable, "-S", "-m", "lambdaimg.emulator")
Answer = tuple[int, dict[str, str], bytes]


class Server:
    """A process that serves an invoke endpoint."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.process = process
        self.port = port

    def post(self, body: bytes, path: str = PATH, method: str = "POST", **headers: str) -> Answer:
        conn = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        conn.request(method, path, body, {n.replace("_", "-"): v for n, v in headers.items()})
        response = conn.getresponse()
        answer = response.status, dict(response.getheaders()), response.read()
        conn.close()
        return answer

    def end(self, number: int = signal.SIGTERM) -> str:
        """End the server; what it wrote."""
        self.process.send_signal(number)
        return self.process.communicate(timeout=30)[0]


@pytest.fixture
def started() -> Iterator[Callable[..., Server]]:
    """`started(timeout=2)` is our endpoint, as an image runs it."""
    servers: list[Server] = []

    def start(command: tuple[str, ...] = COMMAND, **variables: str) -> Server:
        process = subprocess.Popen(
            [*ENDPOINT, "--host=127.0.0.1", "--port", "0", "--", *command],
            env={**os.environ, "AWS_LAMBDA_FUNCTION_TIMEOUT": "30", **variables},
            cwd=PACKAGE.parent,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("listening on "), line
        servers.append(Server(process, int(line.rpartition(":")[2])))
        return servers[-1]

    yield start
    for server in servers:
        if server.process.poll() is None:
            server.end(signal.SIGKILL)


def test_the_answer_has_the_request_id_of_the_caller(started: Callable[..., Server]) -> None:
    server = started()
    status, headers, body = server.post(b'{"a": 1}', X_Amzn_RequestId="mine")
    assert (status, body, headers["X-Amzn-RequestId"]) == (200, b'{"a": 1}', "mine")
    assert headers["Content-Type"] == "application/json"
    written = server.end()
    assert "START RequestId: mine Version: $LATEST\n" in written
    assert "END RequestId: mine\nREPORT RequestId: mine\t" in written


def test_variables_and_context_reach_the_function(started: Callable[..., Server]) -> None:
    server = started(AWS_LAMBDA_FUNCTION_NAME="mine", AWS_LAMBDA_FUNCTION_MEMORY_SIZE="256")
    _, _, body = server.post(
        steps(["facts"]), X_Amz_Client_Context="eyJhIjoxfQ==", X_Amzn_Trace_Id="Root=1-2"
    )
    facts = json.loads(body)
    assert facts["headers"]["Lambda-Runtime-Client-Context"] == '{"a":1}'
    assert facts["headers"]["Lambda-Runtime-Trace-Id"] == "Root=1-2"
    variables = facts["environment"]
    assert variables["AWS_LAMBDA_FUNCTION_NAME"] == "mine"
    assert variables["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "256"
    assert variables["AWS_LAMBDA_RUNTIME_API"].startswith("127.0.0.1:")
    assert variables["_HANDLER"] == COMMAND[-1]


def test_what_the_container_defines_is_kept(started: Callable[..., Server]) -> None:
    server = started(AWS_LAMBDA_LOG_GROUP_NAME="own", _HANDLER="own.handler", TZ="CET")
    variables = json.loads(server.post(steps(["facts"]))[2])["environment"]
    assert variables["AWS_LAMBDA_LOG_GROUP_NAME"] == "own"
    assert (variables["_HANDLER"], variables["TZ"]) == ("own.handler", "CET")


def test_a_crash_is_an_error_and_the_runtime_is_started_again(
    started: Callable[..., Server],
) -> None:
    server = started()
    status, headers, body = server.post(steps(["exit", 4]), X_Amzn_RequestId="r")
    assert (status, headers["X-Amz-Function-Error"]) == (200, "Unhandled")
    assert json.loads(body) == {
        "errorType": "Runtime.ExitError",
        "errorMessage": "RequestId: r Error: Runtime exited with error: exit status 4",
    }
    assert server.post(b"1")[2] == b"1"


def test_a_timeout_is_an_error_and_the_runtime_is_started_again(
    started: Callable[..., Server],
) -> None:
    server = started(AWS_LAMBDA_FUNCTION_TIMEOUT="1")
    status, headers, body = server.post(steps(["sleep", 60]), X_Amzn_RequestId="r")
    assert (status, headers["X-Amz-Function-Error"]) == (200, "Unhandled")
    assert json.loads(body) == {
        "errorType": "Sandbox.Timedout",
        "errorMessage": "RequestId: r Error: Task timed out after 1.00 seconds",
    }
    assert server.post(b"1")[2] == b"1"


def test_events_at_once_are_served_one_after_the_other(started: Callable[..., Server]) -> None:
    from concurrent.futures import ThreadPoolExecutor

    server = started()
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda n: server.post(str(n).encode())[2], range(8)))
    assert answers == [str(n).encode() for n in range(8)]


def test_any_function_name_is_served_and_nothing_else(started: Callable[..., Server]) -> None:
    server = started()
    assert server.post(b"1", "/2015-03-31/functions/other/invocations")[2] == b"1"
    assert server.post(b"1", "/elsewhere")[0] == 404
    assert server.post(b"", method="GET")[0] == 405
    assert server.post(b"x" * (6 * 1024 * 1024 + 1))[0] == 413


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_signal_ends_it_and_the_runtime(
    started: Callable[..., Server], number: signal.Signals, status: int
) -> None:
    server = started()
    pid = json.loads(server.post(steps(["facts"]))[2])["pid"]
    server.end(number)
    assert server.process.returncode == status
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--", ""], ""),
        (["--port", "8080"], "there is no command to run"),
        (["--port"], "--port needs a value"),
        (["--port", "x", "--", "a"], "x is not a port"),
        (["--port", "70000", "--", "a"], "70000 is not a port"),
        (["--verbose", "--", "a"], "unknown argument --verbose"),
    ],
)
def test_a_wrong_command_line_is_told_in_a_sentence(arguments: list[str], message: str) -> None:
    if not message:
        assert parse(arguments) == ("0.0.0.0", 8080, [""])
        return
    done = subprocess.run(
        [*ENDPOINT, *arguments],
        cwd=PACKAGE.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith(f"{message}\nusage: ")


def test_a_malformed_setting_is_told() -> None:
    with pytest.raises(ValueError, match="AWS_LAMBDA_FUNCTION_TIMEOUT is 3s"):
        spec_of({"AWS_LAMBDA_FUNCTION_TIMEOUT": "3s"}, ["x"])


def test_the_image_s_files_import_nothing_beyond_themselves(tmp_path: Path) -> None:
    folder = tmp_path / "lambdaimg" / "emulator"
    folder.mkdir(parents=True)
    for name in IMAGE_FILES:
        (folder / name).write_bytes((PACKAGE / "emulator" / name).read_bytes())
    (folder.parent / "__init__.py").touch()
    process = subprocess.Popen(
        [*ENDPOINT, "--host", "127.0.0.1", "--port=0", "--", *COMMAND],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    server = Server(process, int(process.stdout.readline().rpartition(":")[2]))
    assert server.post(b'"standing alone"')[2] == b'"standing alone"'
    server.end()


# --- next to AWS's own emulator -----------------------------------------------------------------


@pytest.fixture
def rie(rie_binary: Path, tmp_path: Path) -> Iterator[Server]:
    """AWS's Runtime Interface Emulator, with the same runtime behind it."""
    port, api = free_port(), free_port()
    process = subprocess.Popen(
        [
            *(rie_binary, "--log-level", "error"),
            *("--runtime-interface-emulator-address", f"127.0.0.1:{port}"),
            *("--runtime-api-address", f"127.0.0.1:{api}"),
            *COMMAND,
        ],
        env={**os.environ, "AWS_LAMBDA_FUNCTION_TIMEOUT": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    server = Server(process, port)
    while True:
        try:
            server.post(b"1")
            break
        except ConnectionError:
            assert process.poll() is None
            time.sleep(0.01)
    yield server
    server.end()


def free_port() -> int:
    import socket

    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


SAME = [
    b"{}",
    b"0",
    b'"text"',
    b'{"nested": {"a": [1, 2.5, null]}}',
    steps(["error", "Runtime.X", '{"errorMessage":"m","errorType":"T","stackTrace":[]}']),
    steps(["error", "T", "no json"]),
    steps(["respond", "not json at all", "text/plain"]),
    steps(["respond", ""]),
    steps(["stream", "text/plain", ["ab", "cd"]]),
    steps(["next"], ["replies"]),
    steps(["post", "invocation/other/response", "1"], ["replies"]),
    steps(["post", "invocation/other/error", "1"], ["replies"]),
    steps(["init_error", "Runtime.X", "{}"], ["replies"]),
    steps(["repeat", "x" * 1024, 6145], ["error", "Runtime.X", "{}"]),
]
ENDS = [["exit", 0], ["exit", 3], ["signal", 9], ["signal", 11], ["sleep", 60]]


def masked(body: bytes) -> bytes:
    return re.sub(rb"[0-9a-f]{8}-[0-9a-f-]{27}", b"ID", body)


def test_the_same_events_have_the_same_answers(started: Callable[..., Server], rie: Server) -> None:
    ours = started()
    for event in SAME:
        (our_status, _, our_body), (status, _, body) = ours.post(event), rie.post(event)
        assert (our_status, masked(our_body)) == (status, masked(body)), event


def test_the_same_ends_are_told_in_the_same_words(
    started: Callable[..., Server], rie: Server
) -> None:
    ours = started(AWS_LAMBDA_FUNCTION_TIMEOUT="1")
    for step in ENDS:
        our_status, our_headers, our_body = ours.post(steps(step))
        status, _, body = rie.post(steps(step))
        assert (our_status, our_headers["X-Amz-Function-Error"]) == (200, "Unhandled")
        if status == 502:
            assert masked(our_body) == masked(body)
        else:
            assert json.loads(our_body)["errorMessage"].endswith(f" Error: {body.decode()}")
        assert ours.post(b"1")[2] == rie.post(b"1")[2] == b"1"


def test_the_runtime_is_told_the_same(started: Callable[..., Server], rie: Server) -> None:
    def facts(server: Server) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(server.post(steps(["facts"]))[2])
        return found

    our, their = facts(started()), facts(rie)
    assert set(their["headers"]) - {"Date"} <= set(our["headers"])
    arn = "Lambda-Runtime-Invoked-Function-Arn"
    assert our["headers"][arn] == their["headers"][arn]
    # RIE's own: its telemetry API, the empty credentials, and a timeout that is a setting.
    own = {name for name in their["environment"] if "METADATA" in name or "SE" in name.split("_")}
    names = {name for name in their["environment"] if name.startswith(("AWS_LAMBDA", "_HANDLER"))}
    assert names - own <= set(our["environment"])
