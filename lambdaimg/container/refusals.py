"""What registries say when they refuse, as the kit's errors; one table for both ways in.

The engine passes a registry's words on in the stream of a push, as 'denied: ...'; the registry
client sees the codes of the OCI distribution specification. Amazon ECR's own words are known
from its documentation and from issue threads (aws/containers-roadmap#862 and #2380,
aws/aws-cli#2351).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from lambdaimg.errors import LambdaimgError, PushError, ResourceGoneError


@dataclass(frozen=True, slots=True)
class Refusal:
    """Words that are looked for (a regular expression), and what to make of them."""

    words: re.Pattern[str]
    error: type[LambdaimgError]
    what: str
    hint: str
    reason: str


def _refusal(
    words: str, what: str, hint: str, reason: str, error: type[LambdaimgError] = PushError
) -> Refusal:
    return Refusal(re.compile(words, re.IGNORECASE), error, what, hint, reason)


IMMUTABLE = "immutable"
"""`reason` in the details of an error where the tag exists and must not change."""

BLOB = "blob"
"""`reason` where a manifest names a layer that the registry does not have."""

TABLE: tuple[Refusal, ...] = (
    _refusal(
        r"blob.unknown|layers? .*(not found|could not be found|does not exist|do not exist)",
        "The registry of {repository} lacks a layer of the image: {why}.",
        "Push the image again.",
        BLOB,
    ),
    _refusal(
        r"name.unknown|repository .*does not exist|repository name not known",
        "The repository {repository} does not exist.",
        "Create it with `lambdaimg ecr-repo`.",
        "repository",
        ResourceGoneError,
    ),
    _refusal(
        r"immutable",
        "The tag exists in {repository} already, for another image, and tags are immutable there.",
        "Choose another tag, or allow tags to be overwritten in the repository's settings.",
        IMMUTABLE,
    ),
    _refusal(
        r"token has expired|expired token",
        "The registry's login for {repository} has expired.",
        "Run again: each run logs in anew.",
        "login",
    ),
    _refusal(
        r"no basic auth credentials|authentication required|unauthorized|\b401\b",
        "The registry does not accept the login for {repository}.",
        "Check that the credentials are those of the account that owns the repository.",
        "login",
    ),
    _refusal(
        r"denied|forbidden|not authorized|\b403\b",
        "The registry refuses access to {repository}: {why}.",
        "The push needs ecr:BatchCheckLayerAvailability, ecr:InitiateLayerUpload, "
        "ecr:UploadLayerPart, ecr:CompleteLayerUpload, ecr:PutImage and ecr:BatchGetImage.",
        "denied",
    ),
    _refusal(
        r"toomanyrequests|too many requests|rate exceeded|\b429\b",
        "The registry answers no more requests for {repository} for now.",
        "Wait a minute and run again.",
        "throttled",
    ),
    _refusal(
        r"no such host|cannot resolve|name or service not known|name resolution",
        "The registry of {repository} cannot be found: {why}.",
        "Check the region and the network's name servers (of the Docker engine too).",
        "network",
    ),
    _refusal(
        r"certificate|x509",
        "The registry of {repository} shows a certificate that is not trusted: {why}.",
        "Behind an intercepting proxy, give its CA to the Docker engine and set AWS_CA_BUNDLE.",
        "certificate",
    ),
    _refusal(
        r"server gave HTTP response to HTTPS client",
        "The registry of {repository} speaks plain HTTP, which the Docker engine allows for "
        "this machine alone.",
        "Use localhost as its name, or add it to insecure-registries in the engine's daemon.json.",
        "scheme",
    ),
    _refusal(
        r"connection refused|i/o timeout|timed out|connection reset|broken pipe|\bEOF\b|"
        r"network is unreachable|handshake timeout|remote end closed",
        "The registry of {repository} cannot be reached: {why}.",
        "Check the network and the proxy settings of the Docker engine, and run again.",
        "network",
    ),
    _refusal(
        r"unsupported media type|manifest invalid|manifest_invalid",
        "The registry of {repository} does not take the image's manifest: {why}.",
        "Build the image for one platform, without attestations (`--provenance=false`).",
        "manifest",
    ),
)


def refusal(why: str, repository: str) -> LambdaimgError:
    """The error for a registry's (or the network's) words.

    Args:
        why: what was said.
        repository: `host/name`, for the sentence.
    """
    why = " ".join(why.split()).rstrip(".")
    row = next((row for row in TABLE if row.words.search(why)), None)
    if row is None:
        return PushError(f"The push to {repository} failed: {why}.", "Run again.", said=why)
    message = row.what.format(repository=repository, why=why)
    return row.error(message, row.hint, reason=row.reason, said=why)
