"""ARNs of resources that are named and not looked up. Pure."""

from __future__ import annotations

PARTITIONS = (
    ("cn-", "aws-cn"),
    ("us-gov-", "aws-us-gov"),
    ("us-iso-", "aws-iso"),
    ("us-isob-", "aws-iso-b"),
    ("eu-isoe-", "aws-iso-e"),
    ("us-isof-", "aws-iso-f"),
    ("eusc-", "aws-eusc"),
)


def partition_of(region: str) -> str:
    """The partition of a region, such as `aws-cn` of `cn-north-1`."""
    return next((name for prefix, name in PARTITIONS if region.startswith(prefix)), "aws")


def queue_arn(region: str, account: str, name: str) -> str:
    """The ARN of a queue."""
    return f"arn:{partition_of(region)}:sqs:{region}:{account}:{name}"


def role_arn(region: str, account: str, name: str) -> str:
    """The ARN of a role without a path; roles have no region of their own."""
    return f"arn:{partition_of(region)}:iam::{account}:role/{name}"
