"""ARNs, identities, tags, clients: the small parts."""

from __future__ import annotations

import http.server
import json
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from lambdaimg.aws import identity, tags
from lambdaimg.aws.arns import partition_of, queue_arn, role_arn
from lambdaimg.aws.clients import Access, Clients
from lambdaimg.aws.permissions import principal
from lambdaimg.calls import KEPT, Call, CallLog, describe
from lambdaimg.context import Context
from lambdaimg.errors import AwsError, CredentialsError, SettingsError
from lambdaimg.settings import Settings
from tests.support.endpoint import AwsEndpoint
from tests.support.waiting import until


@pytest.mark.parametrize(
    ("region", "partition"),
    [
        ("us-east-1", "aws"),
        ("cn-north-1", "aws-cn"),
        ("us-gov-west-1", "aws-us-gov"),
        ("us-iso-east-1", "aws-iso"),
        ("us-isob-east-1", "aws-iso-b"),
        ("eusc-de-east-1", "aws-eusc"),
    ],
)
def test_partitions(region: str, partition: str) -> None:
    import boto3

    assert partition_of(region) == partition
    assert boto3.session.Session().get_partition_for_region(region) == partition


def test_arns() -> None:
    assert (
        queue_arn("cn-north-1", "123456789012", "q") == "arn:aws-cn:sqs:cn-north-1:123456789012:q"
    )
    assert role_arn("us-east-1", "123456789012", "r") == "arn:aws:iam::123456789012:role/r"


# --- identity -------------------------------------------------------------------------------------


def test_an_account_is_remembered_by_the_way_to_its_key(tmp_path: Path) -> None:
    way = identity.way("work", "", {})
    key = identity.key_hash("AKIAEXAMPLE")
    identity.remember(tmp_path, way, key, "123456789012")
    assert identity.recall(tmp_path, way) == (key, "123456789012")
    assert identity.recall(tmp_path, identity.way("home", "", {})) is None
    other = identity.way("work", "", {"AWS_ACCESS_KEY_ID": "AKIAOTHER"})
    assert identity.recall(tmp_path, other) is None
    text = (tmp_path / identity.FILE_NAME).read_text()
    assert "AKIAEXAMPLE" not in text
    assert stat.S_IMODE((tmp_path / identity.FILE_NAME).stat().st_mode) == 0o600


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(st.binary(max_size=60) | JSON.map(lambda value: json.dumps({"w": value}).encode()))
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_damaged_memory_of_identities_is_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / identity.FILE_NAME).write_bytes(content)
    found = identity.recall(tmp_path, "w")
    assert found is None or (len(found[1]) == 12 and isinstance(found[0], str))
    identity.remember(tmp_path, "v", "key", "123456789012")
    assert identity.recall(tmp_path, "v") == ("key", "123456789012")


# --- tags -----------------------------------------------------------------------------------------


def test_what_the_kit_made_is_told_by_its_tag() -> None:
    made = tags.made_by({"team": "a"})
    assert tags.is_ours(made)
    assert not tags.is_ours({tags.MADE_BY: "somebody"})
    assert tags.from_list(tags.as_list(made)) == made


def test_differences_of_tags() -> None:
    found = tags.differences({"a": "1", "c": "3"}, {"a": "1", "b": "2", "c": "4"})
    assert [(d.attribute, d.have, d.want) for d in found] == [
        ("tag b", "", "2"),
        ("tag c", "3", "4"),
    ]


@given(st.text(min_size=1), st.text(min_size=1))
def test_tags_of_policies_fit_and_differ(one: str, two: str) -> None:
    assert len(tags.policy_tag(one)) <= 128
    assert (tags.policy_tag(one) == tags.policy_tag(two)) is (one == two)
    assert tags.is_policy_tag(tags.policy_tag(one))


# --- clients --------------------------------------------------------------------------------------


class Page(http.server.BaseHTTPRequestHandler):
    """A network that asks for a login."""

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_POST(self) -> None:
        body = b"<html>Log in</html>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def portal() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


KEYS = ("123456789012", "local-secret")


def test_a_web_page_is_not_taken_for_an_answer(portal: str) -> None:
    clients = Clients(Access("us-east-1", endpoint=portal, credentials=KEYS))
    with pytest.raises(AwsError, match="web page"):
        clients.client("ecr").describe_repositories()


def test_every_call_is_written_down_without_its_values(moto_server: AwsEndpoint) -> None:
    calls = CallLog()
    clients = Clients(Access("us-east-1", endpoint=moto_server.url, credentials=KEYS), calls)
    clients.client("sqs").create_queue(QueueName="q", Attributes={"VisibilityTimeout": "31"})
    with pytest.raises(Exception, match="NoSuchEntity"):
        clients.client("iam").get_role(RoleName="nobody")
    first, second = calls.lines()
    assert "sqs.CreateQueue  200" in first
    assert "QueueName=q" in first
    assert "31" not in first.replace("ms", "")
    assert "iam.GetRole  404 NoSuchEntity" in second
    assert "local-secret" not in first + second


def test_a_call_that_was_never_answered_is_written_down() -> None:
    calls = CallLog()
    access = Access("us-east-1", endpoint="http://127.0.0.1:9", credentials=KEYS)
    client = Clients(access, calls).client("sts", retries=False)
    with pytest.raises(Exception, match="connect"):
        client.get_caller_identity()
    assert "sts.GetCallerIdentity  EndpointConnectionError" in calls.lines()[0]


def test_the_log_of_calls_is_bounded() -> None:
    calls = CallLog()
    for number in range(KEPT + 5):
        calls.add(Call(f"call {number}", "200", 0.001))
    assert len(calls.lines()) == KEPT
    assert calls.lines()[0].endswith("call 5  200")


def test_only_names_are_told_of_parameters() -> None:
    told = describe({"FunctionName": "f", "Environment": {"Variables": {"A": "hunter2"}}})
    assert told == "Environment=... FunctionName=f"


def test_no_credentials_and_no_such_region(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CredentialsError, match="no AWS credentials"):
        Clients(Access("us-east-1")).client("sqs")
    with pytest.raises(SettingsError) as caught:
        Clients(Access("eu-wset-1", credentials=KEYS)).client("sqs")
    assert caught.value.hint == "Did you mean eu-west-1?"


# --- permissions ----------------------------------------------------------------------------------


def test_for_whom_the_simulator_is_asked(moto_server: AwsEndpoint) -> None:
    iam = moto_server.client("iam")
    user = "arn:aws:iam::123456789012:user/u"
    assert principal(user, iam) == user
    trust = json.dumps({"Version": "2012-10-17", "Statement": []})
    iam.create_role(RoleName="r", Path="/team/", AssumeRolePolicyDocument=trust)
    session = "arn:aws:sts::123456789012:assumed-role/r/me"
    assert principal(session, iam) == "arn:aws:iam::123456789012:role/team/r"
    other = "arn:aws-cn:sts::123456789012:assumed-role/gone/me"
    assert principal(other, iam) == "arn:aws-cn:iam::123456789012:role/gone"


def made_beside(context: Context) -> None:
    """Lets the context make clients beside, and waits for the end of that."""
    context.make_clients("ecr", "lambda")
    until(lambda: all(t.name != "clients" for t in threading.enumerate()), "the clients are made")


def test_clients_made_beside_are_the_ones_that_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIA")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    context = Context(Path("/nonexistent"), Settings(region="eu-west-1"))
    made_beside(context)

    def refuse(*_: object, **__: object) -> None:
        pytest.fail("a client is made twice")

    monkeypatch.setattr(context.clients.session, "create_client", refuse)
    assert context.aws("ecr").meta.service_model.service_name == "ecr"
    assert context.aws("lambda").meta.region_name == "eu-west-1"


def test_what_goes_wrong_beside_is_met_by_whoever_needs_the_client() -> None:
    context = Context(Path("/nonexistent"), Settings(region="eu-west-1"))
    made_beside(context)
    with pytest.raises(CredentialsError):
        context.aws("ecr")
