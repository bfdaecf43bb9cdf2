"""What an AWS call is called: service and operation, read from the request as it is on the wire.

The service stands in the signature's scope. The operation stands in the header X-Amz-Target (JSON
protocols), in the form's Action (query protocol) or in method and path (REST protocols), for
which the patterns of botocore's own service descriptions are matched.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

_SCOPE = re.compile(r"Credential=[^/]+/\d{8}/[^/]*/([^/]+)/aws4_request")
_RPC = re.compile(r"/service/[^/]+/operation/([^/?]+)$")
FORM = "application/x-www-form-urlencoded"
UNKNOWN = "?"


@dataclass(frozen=True)
class _Pattern:
    operation: str
    method: str
    path: re.Pattern[str]
    query: frozenset[str]
    literal: int


def service_of(authorization: str, query: str = "") -> str:
    """The signing name, such as `lambda`; empty for a request that is not signed."""
    credential = parse_qs(query).get("X-Amz-Credential", [""])[0]
    found = _SCOPE.search(authorization or f"Credential={credential}")
    return found[1] if found else ""


def operation_of(
    service: str, method: str, target: str, headers: Mapping[str, str], form: bytes = b""
) -> str:
    """The operation's name, such as `CreateFunction`; `UNKNOWN` where nothing tells it.

    Args:
        service: what `service_of` gave.
        method: the HTTP method.
        target: path and query.
        headers: names in lower case.
        form: the body, where it is a form.
    """
    if "x-amz-target" in headers:
        return headers["x-amz-target"].rpartition(".")[2]
    if form:
        action = parse_qs(form.decode("utf-8", "replace")).get("Action")
        if action:
            return action[0]
    parts = urlsplit(target)
    if found := _RPC.search(parts.path):
        return found[1]
    given = frozenset(parse_qs(parts.query, keep_blank_values=True))
    # The only operations of S3 that share method and path; a header tells them apart.
    copies = "x-amz-copy-source" in headers
    fitting = [
        pattern
        for pattern in _patterns(service)
        if pattern.method == method
        and pattern.query <= given
        and pattern.path.fullmatch(parts.path)
        and (service != "s3" or copies == ("Copy" in pattern.operation))
    ]
    best = max(fitting, key=lambda p: (len(p.query), p.literal), default=None)
    return best.operation if best else UNKNOWN


@functools.cache
def protocol_of(service: str) -> str:
    """The wire protocol in botocore's terms, such as `json`, `query`, `rest-json`, `rest-xml`."""
    return str(_model(service).metadata["protocol"])


@functools.cache
def _patterns(service: str) -> tuple[_Pattern, ...]:
    model = _model(service)
    if model is None:
        return ()
    patterns = []
    for name in model.operation_names:
        operation = model.operation_model(name)
        if operation.deprecated:
            continue
        http = operation.http
        path, _, query = http["requestUri"].partition("?")
        regex, literal = _regex(path)
        keys = frozenset(parse_qs(query, keep_blank_values=True)) if query else frozenset()
        patterns.append(_Pattern(name, http["method"], regex, keys, literal))
    return tuple(patterns)


def _regex(path: str) -> tuple[re.Pattern[str], int]:
    """A path template as a pattern, and how much of it is literal."""
    pieces = re.split(r"(\{[^}]+\})", path)
    text, literal = "", 0
    for piece in pieces:
        if piece.startswith("{"):
            text += ".+" if piece.endswith("+}") else "[^/]+"
        else:
            text += re.escape(piece)
            literal += len(piece)
    return re.compile(text.rstrip("/") + "/?"), literal


@functools.cache
def _model(service: str):  # type: ignore[no-untyped-def]
    import botocore.exceptions
    import botocore.session

    try:
        return botocore.session.get_session().get_service_model(service)
    except botocore.exceptions.UnknownServiceError:
        return None
