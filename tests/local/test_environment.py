"""Nothing of the user's AWS settings reaches the server or a client of it."""

from __future__ import annotations

import os
from pathlib import Path

import boto3
import pytest

from lambdaimg.local.environment import laid_over, server_environment
from lambdaimg.local.server import LocalAws, environment

OUTER = {
    "PATH": "/bin",
    "HOME": "/home/me",
    "AWS_PROFILE": "production",
    "AWS_ENDPOINT_URL": "https://elsewhere.example",
    "AWS_ENDPOINT_URL_SQS": "https://elsewhere.example",
    "AWS_SESSION_TOKEN": "real",
    "AWS_ROLE_ARN": "arn:aws:iam::111122223333:role/real",
    "LAMBDA_EXECUTOR": "local",
    "PERSIST_STATE": "1",
    "SERVICES": "ec2",
    "DOCKER_HOST": "unix:///run/outer.sock",
}


def test_the_server_gets_few_variables_and_its_own() -> None:
    env = server_environment(
        OUTER, port=5, account="111122223333", region="eu-west-1", docker_host=None
    )

    assert env["PATH"] == "/bin"
    assert env["DOCKER_HOST"] == "unix:///run/outer.sock"
    assert env["LAMBDA_EXECUTOR"] == "docker"
    assert env["PERSIST_STATE"] == "0"
    assert "ec2" not in env["SERVICES"].split(",")
    assert {name: value for name, value in env.items() if name.startswith("AWS_")} == {
        "AWS_ACCESS_KEY_ID": "111122223333",
        "AWS_SECRET_ACCESS_KEY": "local",
    }


def test_the_engine_named_wins() -> None:
    env = server_environment(
        OUTER, port=5, account="0" * 12, region="eu-west-1", docker_host="unix:///run/x.sock"
    )
    assert env["DOCKER_HOST"] == "unix:///run/x.sock"


def test_a_client_reads_nothing_of_the_users_account(
    local_aws: LocalAws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    profiles = tmp_path / "config"
    profiles.write_text("[profile production]\nrole_arn = real\nregion = eu-north-1\n")
    env = laid_over(
        {**os.environ, **OUTER, "AWS_CONFIG_FILE": str(profiles)}, environment(local_aws)
    )
    for name in os.environ.keys() - env.keys():
        monkeypatch.delenv(name)
    for name, value in env.items():
        monkeypatch.setenv(name, value)

    session = boto3.Session()
    identity = session.client("sts").get_caller_identity()

    assert identity["Account"] == local_aws.account
    assert session.region_name == local_aws.region
    assert session.client("sqs").meta.endpoint_url == local_aws.endpoint
