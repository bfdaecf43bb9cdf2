"""`run` and `serve` as a user has them: real processes, real images."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lambdaimg.commands.emulated_code import last_words, process_command
from lambdaimg.commands.emulation import Log, Wishes, seen_from_container, under_debugger
from lambdaimg.commands.invoke import sample_event
from lambdaimg.container import dockerfile
from lambdaimg.container.dial import dialer
from lambdaimg.container.engine import endpoint
from lambdaimg.emulator.containers import LABEL
from lambdaimg.emulator.engine import Engine
from lambdaimg.errors import UsageError
from lambdaimg.session import Session
from tests.support.commandline import CommandLine
from tests.support.endpoint import AwsEndpoint
from tests.support.waiting import until

from .test_containers import do

Serving = Callable[..., "Served"]


def containers_of(pid: int) -> list[Any]:
    """The containers that a process has started, by their mark."""
    engine = Engine(dialer(endpoint()))
    found = engine.get("/containers/json", all="1", filters=json.dumps({"label": [LABEL]}))
    return [one for one in found if f"/{pid}-" in one["Labels"][LABEL]]


class Served:
    """A `serve` or `watch` that runs."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        assert process.stdout is not None
        lines = b""
        while True:
            line = process.stdout.readline()
            assert line, self.end()
            lines += line
            if line == b"}\n":
                break
        self.result: dict[str, str] = json.loads(lines)["result"]

    def invoke(self, event: bytes, **headers: str) -> bytes:
        path = f"/2015-03-31/functions/{self.result['function']}/invocations"
        request = urllib.request.Request(self.result["endpoint"] + path, event)
        for name, value in headers.items():
            request.add_header(name.replace("_", "-"), value)
        with urllib.request.urlopen(request, timeout=60) as response:
            body: bytes = response.read()
            return body

    def end(self, number: int = signal.SIGINT) -> str:
        """End it; what it wrote to stderr."""
        self.process.send_signal(number)
        try:
            return self.process.communicate(timeout=60)[1].decode()
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise


@pytest.fixture
def serving(lambdaimg: CommandLine) -> Iterator[Serving]:
    """`serving("--image", image)` is a `serve` on free ports."""
    all_served: list[Served] = []

    def start(*words: str, command: str = "serve", **variables: str) -> Served:
        free = ("--port", "0", "--url-port", "0", "--json")
        served = Served(lambdaimg.start(command, *free, *words, **variables))
        all_served.append(served)
        return served

    yield start
    for served in all_served:
        if served.process.poll() is None:
            served.end()
        assert containers_of(served.process.pid) == []


# --- run ----------------------------------------------------------------------------------------


def test_run_prints_the_answer_and_the_log_apart(lambdaimg: CommandLine, image: str) -> None:
    done = lambdaimg("run", "--image", image, "--json-payload", '{"a": 1}').ok()
    assert done.stdout == '{"a": 1}'
    assert "START RequestId: " in done.stderr
    assert "starting\n" in done.stderr
    assert "\nREPORT RequestId: " in done.stderr


def test_run_tells_all_in_json(lambdaimg: CommandLine, image: str) -> None:
    done = lambdaimg("run", "--image", image, "--json-payload", '{"a": 1}', "--json").ok()
    result = done.json()["result"]
    assert (result["payload"], result["status"], result["version"]) == ({"a": 1}, 200, "$LATEST")
    assert f"START RequestId: {result['request_id']}" in result["log"]
    assert result["memory_mb"] > 0


def test_run_fails_as_the_function_does(lambdaimg: CommandLine, image: str) -> None:
    done = lambdaimg("run", "--image", image, "--json-payload", '{"do": "exit"}', "--json")
    assert done.status == 3
    error = done.json()["error"]
    assert error["details"]["error_type"] == "Runtime.ExitError"
    assert "exit status 3" in error["message"]
    assert "START RequestId" in done.json()["result"]["log"]


def test_run_ends_at_the_timeout(lambdaimg: CommandLine, image: str) -> None:
    words = ("--image", image, "--json-payload", '{"do": "sleep"}', "--timeout", "1")
    done = lambdaimg("run", *words)
    assert done.status == 3
    assert "Task timed out after 1.00 seconds" in done.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--image", "lambdaimg-test/none:1"), "The Docker engine has no image"),
        (("--image", "x", "--no-docker"), "--no-docker goes with none of"),
        (("--image", "x", "--network", "no-such-network"), "There is no Docker network"),
        (("--image", "x", "--event", "nonsense"), "There is no sample event nonsense"),
    ],
)
def test_run_refuses_what_cannot_be(
    lambdaimg: CommandLine, words: tuple[str, ...], message: str
) -> None:
    payload = () if "--event" in words else ("--json-payload", "1")
    done = lambdaimg("run", *words, *payload)
    assert done.status == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["sqs", "s3", "sns", "eventbridge", "http", "alb"])
def test_run_sends_sample_events(lambdaimg: CommandLine, project: Path, name: str) -> None:
    (project / "hello_lambda.py").write_text("def handler(event, context):\n    return event\n")
    done = lambdaimg.at(project)("run", "--no-docker", "--event", name).ok()
    event = json.loads(done.stdout)
    assert event == json.loads(sample_event(name))


def test_an_engine_on_another_machine_is_refused(lambdaimg: CommandLine) -> None:
    words = ("run", "--image", "x", "--json-payload", "1")
    done = lambdaimg(*words, DOCKER_HOST="tcp://192.0.2.1:2375")
    assert done.status == 1
    assert "cannot call back to this one" in done.stderr
    done = lambdaimg(*words, DOCKER_HOST="unix:///no/such.sock")
    assert done.status == 1
    assert "does not answer" in done.stderr


def test_run_takes_a_project_s_handler_without_docker(
    lambdaimg: CommandLine, project: Path
) -> None:
    secret = {"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": "s"}
    (project / "hello_lambda.py").write_text(
        "import os\ndef handler(event, context):\n"
        "    return [event, os.environ.get('AWS_ACCESS_KEY_ID'), context.function_name]\n"
    )
    words = ("run", "--no-docker", "--json-payload", '"x"', "--function-name", "named")
    done = lambdaimg.at(project, **secret)(*words).ok()
    assert json.loads(done.stdout) == ["x", None, "named"]
    done = lambdaimg.at(project, **secret)(*words, "--with-credentials").ok()
    assert json.loads(done.stdout) == ["x", "AKIA", "named"]


def test_credentials_reach_a_container_only_when_asked(lambdaimg: CommandLine, image: str) -> None:
    words = ("run", "--image", image, "--json-payload", '{"do": "facts"}')
    secret = {"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": "s"}
    variables = json.loads(lambdaimg(*words, **secret).ok().stdout)["environment"]
    assert "AWS_ACCESS_KEY_ID" not in variables
    given = json.loads(lambdaimg(*words, "--with-credentials", **secret).ok().stdout)
    assert given["environment"]["AWS_ACCESS_KEY_ID"] == "AKIA"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_nothing(
    lambdaimg: CommandLine, image: str, number: signal.Signals
) -> None:
    words = ("run", "--image", image, "--json-payload", '{"do": "sleep"}', "--timeout", "60")
    process = lambdaimg.start(*words)
    until(lambda: containers_of(process.pid) or process.poll() is not None, "a container")
    assert process.poll() is None
    process.send_signal(number)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"Traceback" not in stderr
    assert containers_of(process.pid) == []


# --- serve --------------------------------------------------------------------------------------


def test_serve_keeps_its_environments_warm(serving: Serving, image: str) -> None:
    served = serving("--image", image, "--url")
    for number in range(3):
        assert served.invoke(str(number).encode()) == str(number).encode()
    assert len(containers_of(served.process.pid)) == 1
    with urllib.request.urlopen(served.result["url"] + "some/path?a=1", timeout=60) as response:
        assert json.loads(response.read())["rawPath"] == "/some/path"
    log = served.end()
    assert served.process.returncode == 0
    assert log.count("START RequestId") == 4
    assert "stopped" in log


def test_serve_interrupted_in_the_middle_leaves_nothing(serving: Serving, image: str) -> None:
    served = serving("--image", image, "--timeout", "60")
    with socket.create_connection(("127.0.0.1", int(served.result["endpoint"].split(":")[2]))) as c:
        body = do("sleep")
        head = "POST /2015-03-31/functions/function/invocations HTTP/1.1\r\nHost: x\r\n"
        c.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        assert served.process.stderr is not None
        while b"START" not in (line := served.process.stderr.readline()):
            assert line
        served.end()
    assert served.process.returncode == 0
    assert containers_of(served.process.pid) == []


def test_serve_refuses_events_beyond_the_reserved_ones(serving: Serving, image: str) -> None:
    served = serving("--image", image, "--reserved", "0")
    with pytest.raises(urllib.error.HTTPError) as caught:
        served.invoke(b"{}")
    assert caught.value.code == 429


def test_serve_tells_of_a_port_that_is_taken(lambdaimg: CommandLine, image: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = lambdaimg("serve", "--image", image, "--port", port)
    assert done.status == 2
    assert f"Cannot listen on 127.0.0.1:{port}" in done.stderr


def test_serve_feeds_from_a_queue(
    serving: Serving, image: str, moto_server: AwsEndpoint, unique: Callable[[str], str]
) -> None:
    name = unique("serve")
    client = moto_server.client("sqs")
    url = client.create_queue(QueueName=name)["QueueUrl"]
    client.send_message(QueueUrl=url, MessageBody="hello")
    served = serving("--image", image, "--queue", name, **moto_server.variables)
    assert served.result["queue"] == name
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]

    def empty() -> bool:
        told = client.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        return not any(map(int, told.values()))

    until(empty, "the queue is empty", pause_s=0.05)
    client.close()
    assert "START RequestId" in served.end()


def test_serve_tells_of_a_queue_that_is_not_there(
    lambdaimg: CommandLine, image: str, moto_server: AwsEndpoint
) -> None:
    words = ("serve", "--image", image, "--port", "0", "--queue", "none")
    done = lambdaimg(*words, **moto_server.variables)
    assert done.status == 1
    assert "There is no queue none." in done.stderr


# --- what is decided without a process ----------------------------------------------------------


@pytest.mark.parametrize(
    ("entrypoint", "wanted"),
    [
        (("python3", "-m", "awslambdaric"), ("python3", "-m", "awslambdaric")),
        (("/usr/bin/python3.13", "/x.py"), ("/usr/bin/python3.13", "/x.py")),
        (("/usr/local/bin/bootstrap",), ("python3", "/usr/local/bin/bootstrap")),
    ],
)
def test_an_entrypoint_under_the_debugger(
    entrypoint: tuple[str, ...], wanted: tuple[str, ...]
) -> None:
    program, *rest = wanted
    debugpy = ("-X", "frozen_modules=off", "-m", "debugpy", "--listen", "0.0.0.0:5678")
    debugpy += ("--wait-for-client",)
    assert under_debugger(entrypoint, 5678) == (program, *debugpy, *rest)


def test_there_must_be_an_entrypoint_to_debug() -> None:
    with pytest.raises(UsageError):
        under_debugger((), 5678)


@pytest.mark.parametrize(
    ("url", "seen"),
    [
        ("http://localhost:4566", "http://host.docker.internal:4566"),
        ("http://127.0.0.1:1/x?y=1", "http://host.docker.internal:1/x?y=1"),
        ("https://sqs.eu-west-1.amazonaws.com", "https://sqs.eu-west-1.amazonaws.com"),
    ],
)
def test_loopback_as_containers_see_it(url: str, seen: str) -> None:
    assert seen_from_container(url) == seen


def test_what_does_not_go_together() -> None:
    with pytest.raises(UsageError):
        Wishes(no_docker=True, debug_port=1).check()
    Wishes(no_docker=True).check()


def test_the_command_of_a_dockerfile(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text('FROM x\nENTRYPOINT ["a", "b"]\nCMD c d\nCMD ["e"]\n')
    assert process_command(Session("run", folder=tmp_path)) == ("a", "b", "e")
    parsed = dockerfile.parse("FROM x\nCMD c d\n")
    assert last_words(parsed, "CMD") == ("/bin/sh", "-c", "c d")
    assert last_words(parsed, "ENTRYPOINT") == ()


def test_the_log_names_requests_and_keeps_lines_whole(capsys: pytest.CaptureFixture[str]) -> None:
    log = Log(name_requests=True)
    log("", "stdout", b"init\n")
    log("12345678-9", "stdout", b"one\ntw")
    log("12345678-9", "stderr", b"other\n")
    log("12345678-9", "stdout", b"o\nrest")
    log("12345678-9", "platform", b"END RequestId: 12345678-9\n")
    assert capsys.readouterr().err == (
        "init      init\n12345678  one\n12345678  other\n12345678  two\n12345678  rest\n"
        "END RequestId: 12345678-9\n"
    )
    assert log.tail.endswith("END RequestId: 12345678-9\n")


def test_a_trace_in_the_log_stands_in_lines(capsys: pytest.CaptureFixture[str]) -> None:
    log = Log(name_requests=True)
    log("12345678-9", "stderr", b"[ERROR] KeyError: 'x'\rTraceback:\r  File\r\n")
    assert capsys.readouterr().err == (
        "12345678  [ERROR] KeyError: 'x'\n12345678  Traceback:\n12345678    File\n"
    )
    assert "\rTraceback" in log.tail, "as the function wrote it"
