"""A layer version, unless one with the same content is there.

The description of a version holds the hash of its content, so that one listing tells.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lambdaimg.aws.errors import is_code
from lambdaimg.context import Context
from lambdaimg.layers.archive import Archive
from lambdaimg.layers.catalog import BASE

PREFIX = "lambdaimg content "


@dataclass(frozen=True)
class Published:
    """A layer version, and whether it was made now."""

    arn: str
    created: bool


def default_name(language: str) -> str:
    """The name of a language's layer."""
    return f"lambdaimg-{language}"


def publish(ctx: Context, name: str, archive: Archive) -> Published:
    """Publishes an archive as a version of a layer, if no version has this content yet."""
    client = ctx.aws("lambda")
    description = PREFIX + archive.content_hash
    for version in versions(client, name):
        if version.get("Description") == description:
            return Published(str(version["LayerVersionArn"]), False)
    answer = client.publish_layer_version(
        LayerName=name,
        Description=description,
        Content={"ZipFile": archive.zipped},
        CompatibleRuntimes=[BASE],
        CompatibleArchitectures=[ctx.settings.architecture],
    )
    return Published(str(answer["LayerVersionArn"]), True)


def versions(client: Any, name: str) -> list[dict[str, Any]]:
    """The versions of a layer, newest first; none where there is no such layer."""
    found: list[dict[str, Any]] = []
    try:
        for page in client.get_paginator("list_layer_versions").paginate(LayerName=name):
            found += page["LayerVersions"]
    except Exception as error:
        if not is_code(error, "ResourceNotFoundException"):
            raise
    return sorted(found, key=lambda version: -int(version["Version"]))
