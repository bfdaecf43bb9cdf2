"""The same image and events through `run`, through AWS's emulator and through the embedded AWS.

What must be the same: the answer of a function that answers, its own error as it stands, and
the words for an exit and a timeout. The wanted differences:

- RIE gives an exit the status 502, and a timeout as a bare sentence; the service, and so `run`
  and the embedded AWS, give both as a function's error in JSON;
- RIE has no `FunctionError`: whoever calls it reads the body;
- RIE enforces no memory limit of the function's, and has no name for it.
"""

from __future__ import annotations

import http.client
import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.support.commandline import CommandLine
from tests.support.endpoint import AwsEndpoint

from .conftest import MARK
from .test_containers import do

TIMEOUT = 2


class Answer(NamedTuple):
    """What a caller gets."""

    body: str
    failed: bool


Way = Callable[[bytes], Answer]


@pytest.fixture
def through_run(lambdaimg: CommandLine, image: str) -> Way:
    def call(event: bytes) -> Answer:
        words = ("run", "--image", image, "--timeout", str(TIMEOUT), "--json")
        done = lambdaimg(*words, "--payload", "-", stdin=event)
        result = done.json()["result"]
        return Answer(json.dumps(result["payload"]), done.status == 3)

    return call


@pytest.fixture
def through_rie(engine: Any, image: str, rie_binary: Path, run_id: str) -> Iterator[Way]:
    container = engine.containers.run(
        image,
        entrypoint=["/rie", "perl", "/usr/local/bin/runtime.pl"],
        command=["words.txt"],
        volumes={str(rie_binary): {"bind": "/rie", "mode": "ro"}},
        environment={"AWS_LAMBDA_FUNCTION_TIMEOUT": str(TIMEOUT)},
        ports={"8080/tcp": ("127.0.0.1", None)},
        labels={MARK: run_id},
        detach=True,
    )
    container.reload()
    port = int(container.ports["8080/tcp"][0]["HostPort"])

    def call(event: bytes) -> Answer:
        while True:
            conn = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            try:
                conn.request("POST", "/2015-03-31/functions/function/invocations", event)
                response = conn.getresponse()
                body = response.read().decode()
            except ConnectionError:
                time.sleep(0.02)  # it is still starting
                continue
            finally:
                conn.close()
            return Answer(body, response.status != 200)

    yield call
    container.remove(force=True)


@pytest.fixture
def through_the_embedded_aws(
    engine: Any, image: str, aws_local: AwsEndpoint, unique: Callable[[str], str]
) -> Iterator[Way]:
    name = unique("parity")
    engine.images.get(image).tag(name, "1")
    client = aws_local.client("lambda")
    client.create_function(
        FunctionName=name,
        PackageType="Image",
        Code={"ImageUri": f"{name}:1"},
        Role=f"arn:aws:iam::{aws_local.account}:role/any",
        Timeout=TIMEOUT,
    )
    client.get_waiter("function_active_v2").wait(
        FunctionName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60}
    )

    def call(event: bytes) -> Answer:
        answer = client.invoke(FunctionName=name, Payload=event)
        return Answer(answer["Payload"].read().decode(), "FunctionError" in answer)

    yield call
    client.delete_function(FunctionName=name)
    client.close()
    engine.images.remove(f"{name}:1", force=True, noprune=True)


def masked(answer: Answer) -> tuple[Any, bool]:
    text = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "ID", answer.body)
    return json.loads(text), answer.failed


def test_answers_and_errors_are_the_same(
    through_run: Way, through_rie: Way, through_the_embedded_aws: Way
) -> None:
    for event in (b'{"a": [1, 2.5, null, "\xc3\xa4"]}', b'"text"', b"0", do("words")):
        ours = masked(through_run(event))
        assert ours == masked(through_rie(event)) == masked(through_the_embedded_aws(event))
        assert ours[1] is False
    own = masked(through_run(do("fail")))
    assert own == masked(through_the_embedded_aws(do("fail")))
    assert own[0] == masked(through_rie(do("fail")))[0]
    gone = masked(through_run(do("exit")))
    assert gone == masked(through_the_embedded_aws(do("exit"))) == masked(through_rie(do("exit")))
    assert gone[1] is True
    late = masked(through_run(do("sleep")))
    assert late == masked(through_the_embedded_aws(do("sleep")))
    assert late[0]["errorMessage"].endswith(through_rie(do("sleep")).body)
