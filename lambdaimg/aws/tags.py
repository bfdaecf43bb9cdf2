"""The tags by which the kit knows its own resources from anywhere. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

from lambdaimg.make.target import Difference

MADE_BY = "lambdaimg:made-by"
MADE_BY_VALUE = "lambdaimg"
POLICY_PREFIX = "lambdaimg:policy:"
ENVIRONMENT_PREFIX = "lambdaimg:environment"
# IAM, Lambda, SQS and ECR all take 256 characters in a tag's value.
MAX_VALUE = 256


def made_by(extra: Mapping[str, str]) -> dict[str, str]:
    """The tags of a resource that the kit makes: the user's own and the kit's mark."""
    return {**extra, MADE_BY: MADE_BY_VALUE}


def is_ours(tags: Mapping[str, str]) -> bool:
    """Whether the kit made the resource that has these tags."""
    return tags.get(MADE_BY) == MADE_BY_VALUE


def as_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Tags in the shape that IAM and ECR take."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def from_list(tags: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Tags out of the shape that IAM and ECR give."""
    return {tag["Key"]: tag["Value"] for tag in tags}


def differences(have: Mapping[str, str], want: Mapping[str, str]) -> list[Difference]:
    """The tags that are wanted and not there, or there with another value."""
    return [
        Difference(f"tag {key}", have.get(key, ""), value)
        for key, value in want.items()
        if have.get(key) != value
    ]


def policy_tag(arn: str) -> str:
    """The key of the tag that says that the kit attached this policy to a role."""
    return POLICY_PREFIX + hashlib.sha256(arn.encode()).hexdigest()[:16]


def is_policy_tag(key: str) -> bool:
    """Whether a tag is one of those that `policy_tag` names."""
    return key.startswith(POLICY_PREFIX)


def environment_tags(names: Iterable[str]) -> dict[str, str]:
    """Tags that list the environment variables which the kit set on a function."""
    lines: list[str] = [""]
    for name in sorted(names):
        joined = f"{lines[-1]} {name}".strip()
        if len(joined) <= MAX_VALUE:
            lines[-1] = joined
        else:
            lines.append(name[:MAX_VALUE])
    return {f"{ENVIRONMENT_PREFIX}:{n}": line for n, line in enumerate(lines) if line}


def is_environment_tag(key: str) -> bool:
    """Whether a tag is one of those that list environment variables."""
    return key.startswith(f"{ENVIRONMENT_PREFIX}:")


def environment_names(tags: Mapping[str, str]) -> set[str]:
    """The variables that `environment_tags` listed."""
    return {
        name for key, value in tags.items() if is_environment_tag(key) for name in value.split()
    }
