"""Push, create, invoke, trigger, log, change, delete: boto3 and Docker against the embedded AWS."""

from __future__ import annotations

import base64
import json
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lambdaimg.local import server
from lambdaimg.local.containers import INSTANCE_LABEL, instance_label
from lambdaimg.local.registry import local_repository_uri
from lambdaimg.local.state import StateFiles, lock_holder
from tests.support.endpoint import AwsEndpoint
from tests.support.waiting import until

IMAGE = Path(__file__).parent / "image"
ROLE = "arn:aws:iam::000000000000:role/local"
QUEUE = "arn:aws:sqs:us-east-1:000000000000:"


@dataclass(frozen=True)
class Account:
    """An embedded AWS with one image in it."""

    local: server.LocalAws
    engine: Any
    image_uri: str

    def client(self, service: str) -> Any:
        return AwsEndpoint(self.local.endpoint, self.local.account, self.local.region).client(
            service
        )

    def create(self, name: str, **settings: Any) -> None:
        client = self.client("lambda")
        client.create_function(
            FunctionName=name,
            PackageType="Image",
            Code={"ImageUri": self.image_uri},
            Role=ROLE,
            **{"Environment": {"Variables": {"GIVEN": "1"}}, **settings},
        )
        client.get_waiter("function_active_v2").wait(
            FunctionName=name, WaiterConfig={"Delay": 0.1, "MaxAttempts": 300}
        )

    def invoke(self, name: str, event: Any, **options: Any) -> tuple[str | None, bytes, str]:
        """The function's error, its payload, its log tail."""
        reply = self.client("lambda").invoke(
            FunctionName=name, Payload=json.dumps(event), LogType="Tail", **options
        )
        tail = base64.b64decode(reply.get("LogResult", "")).decode()
        return reply.get("FunctionError"), reply["Payload"].read(), tail

    def containers(self) -> list[Any]:
        label = f"{INSTANCE_LABEL}={instance_label(self.local.port)}"
        return list(
            self.engine.containers.list(all=True, filters={"label": label}, ignore_removed=True)
        )


def deployed(local: server.LocalAws, engine: Any, name: str) -> Account:
    """Build the image, push it as the kit does, and say where it is."""
    endpoint = AwsEndpoint(local.endpoint, local.account, local.region)
    ecr = endpoint.client("ecr")
    uri = ecr.create_repository(repositoryName=name)["repository"]["repositoryUri"]
    token = ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]
    user, _, password = base64.b64decode(token).decode().partition(":")
    target = local_repository_uri(uri, local.endpoint)
    image, _ = engine.images.build(path=str(IMAGE), rm=True, forcerm=True)
    image.tag(target, "v1")
    auth = {"username": user, "password": password}
    said = list(engine.images.push(target, "v1", auth_config=auth, stream=True, decode=True))
    engine.images.remove(f"{target}:v1", noprune=True)
    digest = next(line["aux"]["Digest"] for line in said if "Digest" in line.get("aux", {}))
    return Account(local, engine, f"{target}@{digest}")


@pytest.fixture(scope="module")
def account(
    local_aws: server.LocalAws, engine: Any, base_image: str, run_id: str
) -> Iterator[Account]:
    account = deployed(local_aws, engine, f"t-{run_id}/team/hello")
    account.create("hello")
    yield account
    engine.images.remove(account.image_uri, force=True, noprune=True)


def test_a_function_answers_byte_for_byte(account: Account) -> None:
    error, payload, tail = account.invoke("hello", {"n": 1})

    assert error is None
    assert payload == (
        b'{"event":{"n": 1},  "arn":"arn:aws:lambda:us-east-1:000000000000:function:hello",'
        b'"words":"hello.handler","given":"1","endpoint":"http://host.docker.internal:%d"}'
        % account.local.port
    )
    assert 'event {"n": 1}' in tail.splitlines()
    assert tail.splitlines()[-1].startswith("REPORT RequestId: ")


def test_a_function_keeps_its_container(account: Account) -> None:
    account.invoke("hello", {})
    before = {container.id for container in account.containers()}
    account.invoke("hello", {})
    assert {container.id for container in account.containers()} == before


@pytest.mark.parametrize(
    ("event", "error_type"),
    [("fail", "Bad"), ("exit", "Runtime.ExitError"), ("sleep", "Sandbox.Timedout")],
)
def test_a_functions_failure_is_told_as_aws_tells_it(
    account: Account, event: str, error_type: str
) -> None:
    name = f"hello-{event}"
    account.create(name, Timeout=1)

    error, payload, _ = account.invoke(name, {event: True})

    assert error == "Unhandled"
    assert json.loads(payload)["errorType"] == error_type


def test_a_changed_function_runs_as_it_is_now(account: Account) -> None:
    account.create("changing", ImageConfig={"Command": ["first"]})
    first = json.loads(account.invoke("changing", {})[1])
    client = account.client("lambda")
    client.update_function_configuration(
        FunctionName="changing",
        Environment={"Variables": {"GIVEN": "2"}},
        ImageConfig={"Command": ["second", "word"]},
    )
    client.get_waiter("function_updated_v2").wait(
        FunctionName="changing", WaiterConfig={"Delay": 0.1, "MaxAttempts": 300}
    )
    second = json.loads(account.invoke("changing", {})[1])

    assert (first["given"], first["words"]) == ("1", "first")
    assert (second["given"], second["words"]) == ("2", "second word")


def test_a_deleted_function_leaves_no_container(account: Account) -> None:
    before = {container.id for container in account.containers()}
    account.create("leaving")
    account.invoke("leaving", {})
    assert {container.id for container in account.containers()} - before
    account.client("lambda").delete_function(FunctionName="leaving")
    until(
        lambda: not {container.id for container in account.containers()} - before,
        "the containers are gone",
    )


@pytest.mark.parametrize("place", ["registry", "elsewhere"])
def test_an_image_that_is_not_there_is_the_functions_failure(account: Account, place: str) -> None:
    repository = account.image_uri.partition("@")[0] if place == "registry" else "elsewhere/nothing"
    missing = f"{repository}@sha256:{'0' * 64}"
    other = Account(account.local, account.engine, missing)
    other.create(f"missing-{place}")

    error, payload, _ = other.invoke(f"missing-{place}", {})

    assert error == "Unhandled"
    assert json.loads(payload)["errorType"] == "Sandbox.ImageNotFound"
    assert missing in json.loads(payload)["errorMessage"]


def test_an_image_that_the_engine_lost_is_pulled(account: Account) -> None:
    account.engine.images.remove(account.image_uri, force=True, noprune=True)
    account.create("pulled")

    assert account.invoke("pulled", {})[0] is None
    assert account.engine.images.get(account.image_uri)


def test_a_message_goes_through_a_container_to_another_queue(account: Account) -> None:
    sqs, client = account.client("sqs"), account.client("lambda")
    source = sqs.create_queue(QueueName="source")["QueueUrl"]
    sink = sqs.create_queue(QueueName="sink")["QueueUrl"]
    mapping = client.create_event_source_mapping(
        FunctionName="hello",
        EventSourceArn=QUEUE + "source",
        FunctionResponseTypes=["ReportBatchItemFailures"],
    )
    sqs.send_message(QueueUrl=source, MessageBody="send sink")

    received = until(
        lambda: sqs.receive_message(QueueUrl=sink, WaitTimeSeconds=1).get("Messages"), "a message"
    )

    assert [message["Body"] for message in received] == ["from a container"]
    client.delete_event_source_mapping(UUID=mapping["UUID"])


def test_what_a_function_writes_is_in_its_log_group(account: Account) -> None:
    account.invoke("hello", {"look": "here"})
    events = account.client("logs").filter_log_events(logGroupName="/aws/lambda/hello")["events"]
    lines = [event["message"] for event in events]
    assert 'event {"look": "here"}' in lines
    assert sum(line.startswith("START ") for line in lines) == sum(
        line.startswith("REPORT ") for line in lines
    )


@pytest.mark.parametrize("killed", [False, True], ids=["stopped", "killed"])
def test_nothing_runs_on_when_it_is_down(
    home: Path, engine: Any, base_image: str, run_id: str, killed: bool
) -> None:
    local = server.ensure_up(home)
    engine.images.build(path=str(IMAGE), rm=True, forcerm=True, tag=f"t-{run_id}/gone:{killed}")
    account = Account(local, engine, f"t-{run_id}/gone:{killed}")
    account.create("hello")
    account.invoke("hello", {})
    assert account.containers()
    if killed:
        os.kill(local.pid, signal.SIGKILL)
        until(lambda: lock_holder(StateFiles(home)) is None, "the server is gone")

    server.down(home)
    engine.images.remove(f"t-{run_id}/gone:{killed}", noprune=True)

    assert account.containers() == []
