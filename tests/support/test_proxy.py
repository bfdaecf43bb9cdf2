"""The proxy itself: it must count right and pass on faithfully, or the tests that use it lie."""

from __future__ import annotations

import http.client
import http.server
import threading
from collections.abc import Callable, Iterator

import botocore.exceptions
import pytest

from tests.support.endpoint import AwsEndpoint
from tests.support.faults import Answer, AwsFailure, Delay, Drop, Side, throttled
from tests.support.proxy import CountingProxy
from tests.support.wire import operation_of

Counted = Callable[[AwsEndpoint], CountingProxy]


def through(proxy: CountingProxy, endpoint: AwsEndpoint) -> AwsEndpoint:
    return AwsEndpoint(proxy.url, endpoint.account, endpoint.region)


def test_calls_of_every_protocol_are_named(moto_server: AwsEndpoint, counted: Counted) -> None:
    proxy = counted(moto_server)
    aws = through(proxy, moto_server)
    aws.client("sts").get_caller_identity()
    aws.client("iam").list_roles()
    aws.client("ecr").describe_repositories()
    queue = aws.client("sqs").create_queue(QueueName="a")["QueueUrl"]
    aws.client("sqs").send_message(QueueUrl=queue, MessageBody="m")
    aws.client("lambda").list_functions()
    aws.client("events").list_rules()
    aws.client("logs").describe_log_groups()
    aws.client("sns").list_topics()
    s3 = aws.client("s3")
    s3.create_bucket(Bucket="bucket")
    s3.put_object(Bucket="bucket", Key="k/l", Body=b"x" * 300_000)
    s3.get_bucket_notification_configuration(Bucket="bucket")
    assert s3.get_object(Bucket="bucket", Key="k/l")["Body"].read() == b"x" * 300_000
    assert proxy.names() == [
        "sts.GetCallerIdentity",
        "iam.ListRoles",
        "ecr.DescribeRepositories",
        "sqs.CreateQueue",
        "sqs.SendMessage",
        "lambda.ListFunctions",
        "events.ListRules",
        "logs.DescribeLogGroups",
        "sns.ListTopics",
        "s3.CreateBucket",
        "s3.PutObject",
        "s3.GetBucketNotificationConfiguration",
        "s3.GetObject",
    ]


@pytest.mark.parametrize(
    ("method", "path", "operation"),
    [
        ("GET", "/2015-03-31/functions/f", "GetFunction"),
        ("GET", "/2015-03-31/functions/f/configuration", "GetFunctionConfiguration"),
        ("POST", "/2015-03-31/functions", "CreateFunction"),
        ("POST", "/2015-03-31/functions/f/invocations", "Invoke"),
        ("PUT", "/2015-03-31/functions/f/code", "UpdateFunctionCode"),
        ("GET", "/2015-03-31/event-source-mappings/?FunctionName=f", "ListEventSourceMappings"),
        ("GET", "/2015-03-31/functions/f/policy?Qualifier=2", "GetPolicy"),
        ("GET", "/no/such/path", "?"),
    ],
)
def test_lambda_calls_are_named_by_method_and_path(method: str, path: str, operation: str) -> None:
    assert operation_of("lambda", method, path, {}) == operation


@pytest.mark.parametrize("service", ["iam", "sts", "ecr", "lambda", "sqs", "sns", "events", "s3"])
def test_an_injected_aws_error_reads_as_one(
    service: str, moto_server: AwsEndpoint, counted: Counted
) -> None:
    proxy = counted(moto_server)
    client = through(proxy, moto_server).client(service)
    first = {
        "iam": "list_roles",
        "sts": "get_caller_identity",
        "ecr": "describe_repositories",
        "lambda": "list_functions",
        "sqs": "list_queues",
        "sns": "list_topics",
        "events": "list_rules",
        "s3": "list_buckets",
    }[service]
    proxy.inject(f"{service}.*", AwsFailure("AccessDeniedException", "no & never", 403))
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        getattr(client, first)()
    assert caught.value.response["Error"]["Code"] == "AccessDeniedException"
    assert caught.value.response["Error"]["Message"] == "no & never"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    getattr(client, first)()
    assert [call.reached for call in proxy.calls()] == [False, True]


def test_a_call_dropped_before_did_nothing_and_one_dropped_after_did(
    moto_server: AwsEndpoint, counted: Counted
) -> None:
    proxy = counted(moto_server)
    sqs = through(proxy, moto_server).client("sqs")
    proxy.inject("sqs.CreateQueue", Drop(Side.BEFORE))
    proxy.inject("sqs.CreateQueue", Drop(Side.AFTER))
    for name in ("one", "two"):
        with pytest.raises(botocore.exceptions.ConnectionClosedError):
            sqs.create_queue(QueueName=name)
    (left,) = sqs.list_queues()["QueueUrls"]
    assert left.endswith("/two")
    assert [(call.reached, call.status) for call in proxy.calls()] == [
        (False, 0),
        (True, 0),
        (True, 200),
    ]


def test_rules_skip_strike_a_number_of_times_and_heal(
    moto_server: AwsEndpoint, counted: Counted
) -> None:
    proxy = counted(moto_server)
    iam = through(proxy, moto_server).client("iam")
    rule = proxy.inject("iam.ListRoles", throttled(), times=None, skip=1)
    proxy.inject("iam.ListUsers", Answer(503, side=Side.AFTER))
    proxy.inject("*", Delay(0.01))
    iam.list_roles()
    for _ in range(2):
        with pytest.raises(iam.exceptions.ClientError, match="ThrottlingException"):
            iam.list_roles()
    with pytest.raises(iam.exceptions.ClientError) as caught:
        iam.list_users()
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
    proxy.heal()
    iam.list_roles()
    assert rule.struck == 2
    proxy.forget()
    assert proxy.calls() == []


class Echo(http.server.BaseHTTPRequestHandler):
    """Answers a chunked request piece by piece, as it comes."""

    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_POST(self) -> None:
        self.send_response(200)
        self.send_header("X-Host", self.headers["Host"])
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        while size := int(self.rfile.readline(), 16):
            piece = self.rfile.read(size)
            self.rfile.readline()
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        self.rfile.readline()
        self.wfile.write(b"0\r\n\r\n")

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "12345")
        self.end_headers()


@pytest.fixture
def echo() -> Iterator[AwsEndpoint]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Echo) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield AwsEndpoint(f"http://127.0.0.1:{server.server_address[1]}")
        server.shutdown()
        thread.join()


def test_streams_pass_in_both_directions_while_they_are_written(
    echo: AwsEndpoint, counted: Counted
) -> None:
    proxy = counted(echo)
    connection = http.client.HTTPConnection("127.0.0.1", int(proxy.url.rpartition(":")[2]), 30)
    connection.putrequest("POST", "/", skip_host=True)
    connection.putheader("Host", "named.example:99")
    connection.putheader("Transfer-Encoding", "chunked")
    connection.endheaders()
    connection.send(b"5\r\nfirst\r\n")
    connection.send(b"6\r\nsecond\r\n0\r\n\r\n")
    response = connection.getresponse()
    assert response.headers["X-Host"] == "named.example:99"
    assert response.read() == b"firstsecond"
    connection.request("HEAD", "/")
    head = connection.getresponse()
    assert (head.headers["Content-Length"], head.read()) == ("12345", b"")
    connection.close()
    assert [(call.service, call.method) for call in proxy.calls()] == [("", "POST"), ("", "HEAD")]
    assert proxy.names() == []
