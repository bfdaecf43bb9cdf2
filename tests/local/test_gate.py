"""Web pages cannot drive the embedded AWS; programs can."""

from __future__ import annotations

import http.client

import pytest

from lambdaimg.local.gate import host_allowed, origin_allowed
from lambdaimg.local.server import LocalAws


@pytest.mark.parametrize(
    "host",
    [
        "",
        "127.0.0.1:14566",
        "172.17.0.1:14566",
        "[::1]:14566",
        "localhost",
        "localhost:14566",
        "bucket.localhost:14566",
        "host.docker.internal:14566",
        "000000000000.dkr.ecr.us-east-1.amazonaws.com",
        "bucket.s3.amazonaws.com.cn",
    ],
)
def test_names_of_this_server_are_allowed(host: str) -> None:
    assert host_allowed(host)


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:14566", "localhost.evil.example", "notlocalhost", "[::1"]
)
def test_other_names_are_not(host: str) -> None:
    assert not host_allowed(host)


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("", True),
        ("http://localhost:3000", True),
        ("http://127.0.0.1:8080", True),
        ("http://app.localhost", True),
        ("https://evil.example", False),
        ("http://localhost.evil.example", False),
        ("null", False),
        ("https://", False),
    ],
)
def test_pages_of_this_machine_alone_are_allowed(origin: str, allowed: bool) -> None:
    assert origin_allowed(origin) is allowed


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Origin": "http://localhost:3000"}, 200),
        ({"Origin": "https://evil.example"}, 403),
        ({"Host": "evil.example"}, 403),
    ],
)
def test_the_server_keeps_to_it(local_aws: LocalAws, headers: dict[str, str], status: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", local_aws.port, timeout=30)
    connection.request("GET", "/_ministack/health", headers=headers)
    assert connection.getresponse().status == status
    connection.close()
