"""The floor: one process with the fewest calls of boto3 and the Docker SDK that do the job.

Nothing is looked at first, nothing is remembered but an ARN, and nothing is told.
"""

from __future__ import annotations

import base64
import json
import sys
import time
from pathlib import Path
from typing import Any

import boto3

NAME = Path.cwd().name
ROLE, QUEUE = f"{NAME}-role", f"{NAME}-queue"
ARN = Path(".floor-role")
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "lambda.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}


def arns() -> list[str]:
    """The ARNs of the policies file."""
    return [x for x in Path("policies").read_text().splitlines() if x.startswith("arn:")]


def pushed() -> str:
    """Builds and pushes; the image's address by digest."""
    import docker

    engine: Any = docker.from_env()
    engine.images.build(path=".", tag=NAME)
    ecr = boto3.client("ecr")
    token = ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]
    user, _, password = base64.b64decode(token).decode().partition(":")
    repository = f"localhost:{ecr.meta.endpoint_url.rpartition(':')[2]}/{NAME}"
    engine.api.tag(NAME, repository, "latest")
    digest = ""
    auth = {"username": user, "password": password}
    for line in engine.api.push(repository, "latest", auth_config=auth, stream=True, decode=True):
        digest = (line.get("aux") or {}).get("Digest") or digest
    return f"{repository}@{digest}"


def wait_for_function(client: Any) -> None:
    """Waits until the function is active and no change is under way."""
    while True:
        now = client.get_function_configuration(FunctionName=NAME)
        if now["State"] == "Active" and now["LastUpdateStatus"] == "Successful":
            return
        time.sleep(0.05)


def first() -> None:
    """Everything up to an active function."""
    boto3.client("ecr").create_repository(repositoryName=NAME)
    iam = boto3.client("iam")
    role = iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument=json.dumps(TRUST))
    ARN.write_text(role["Role"]["Arn"])
    policies()
    client = boto3.client("lambda")
    client.create_function(
        FunctionName=NAME,
        PackageType="Image",
        Role=ARN.read_text(),
        Code={"ImageUri": pushed()},
    )
    wait_for_function(client)


def noop() -> None:
    """The one look that tells whether the function is there."""
    boto3.client("lambda").get_function(FunctionName=NAME)


def change() -> None:
    """The new code, live."""
    client = boto3.client("lambda")
    client.update_function_code(FunctionName=NAME, ImageUri=pushed())
    wait_for_function(client)


def policies() -> None:
    """Every policy attached."""
    iam = boto3.client("iam")
    for arn in arns():
        iam.attach_role_policy(RoleName=ROLE, PolicyArn=arn)


def trigger() -> None:
    """The policy that it needs, the queue, and its mapping, enabled."""
    policies()
    sqs, client = boto3.client("sqs"), boto3.client("lambda")
    url = sqs.create_queue(QueueName=QUEUE, Attributes={"VisibilityTimeout": "60"})["QueueUrl"]
    asked = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    mapping = client.create_event_source_mapping(
        FunctionName=NAME, EventSourceArn=asked["Attributes"]["QueueArn"], BatchSize=10
    )
    while mapping["State"] != "Enabled":
        time.sleep(0.05)
        mapping = client.get_event_source_mapping(UUID=mapping["UUID"])


if __name__ == "__main__":
    globals()[sys.argv[1]]()
