"""Where ECR's names lead on this machine."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdaimg.local.registry import local_repository_uri

ENDPOINT = "http://127.0.0.1:14566"


@pytest.mark.parametrize(
    ("uri", "local"),
    [
        ("000000000000.dkr.ecr.us-east-1.amazonaws.com/hello", "localhost:14566/hello"),
        ("000000000000.dkr.ecr.us-east-1.amazonaws.com/a/b-c/d", "localhost:14566/a/b-c/d"),
        ("123456789012.dkr.ecr.eu-west-3.amazonaws.com/x:tag", "localhost:14566/x:tag"),
        ("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn/x", "localhost:14566/x"),
        ("123456789012.dkr-ecr.us-east-1.on.aws/x@sha256:00", "localhost:14566/x@sha256:00"),
        ("123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com/x", "localhost:14566/x"),
        ("https://000000000000.dkr.ecr.us-east-1.amazonaws.com", "http://localhost:14566"),
    ],
)
def test_ecr_names_lead_to_the_local_registry(uri: str, local: str) -> None:
    assert local_repository_uri(uri, ENDPOINT) == local


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "hello",
        "localhost:14566/hello",
        "public.ecr.aws/lambda/python:3.13",
        "docker.io/library/debian:trixie-slim",
        "1234.dkr.ecr.us-east-1.amazonaws.com/short-account",
        "000000000000.dkr.ecr.us-east-1.amazonaws.com.example.org/x",
        "evil.example/000000000000.dkr.ecr.us-east-1.amazonaws.com/x",
        "000000000000.dkr.ecr.us-east-1.amazonaws.com:443/x",
    ],
)
def test_anything_else_stays_as_it_is(uri: str) -> None:
    assert local_repository_uri(uri, ENDPOINT) == uri


def test_an_endpoint_without_a_port_leaves_the_name() -> None:
    uri = "000000000000.dkr.ecr.us-east-1.amazonaws.com/hello"
    assert local_repository_uri(uri, "https://example.org") == uri


@given(st.text())
def test_doing_it_twice_changes_nothing(uri: str) -> None:
    once = local_repository_uri(uri, ENDPOINT)
    assert local_repository_uri(once, ENDPOINT) == once
