"""What a call of the Docker Engine API, or of a registry, is called: method and path."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

from tests.support.proxy import name_of_aws_call

_VERSION = re.compile(r"^/v\d+\.\d+(?=/)")
_IMAGE = re.compile(r"^/images/(?P<name>.+?)(?P<verb>/(?:json|push|tag|history|get))?$")
_REGISTRY = re.compile(r"^/v2/(?P<name>.+)/(?P<kind>manifests|blobs)(?P<upload>/uploads)?(?:/|$)")


def name_of_docker_call(
    method: str, target: str, headers: Mapping[str, str], form: bytes
) -> tuple[str, str]:
    """`docker` and the call, such as `POST /images/NAME/push`."""
    path = _VERSION.sub("", unquote(urlsplit(target).path))
    if match := _IMAGE.match(path):
        path = f"/images/NAME{match['verb'] or ''}"
    return "docker", f"{method} {path}"


def name_of_any_call(
    method: str, target: str, headers: Mapping[str, str], form: bytes
) -> tuple[str, str]:
    """The name of an AWS call; a registry's, which nobody signs, is `registry` and the call."""
    if match := _REGISTRY.match(unquote(urlsplit(target).path)):
        return "registry", f"{method} {match['kind']}{match['upload'] or ''}"
    return name_of_aws_call(method, target, headers, form)
