"""The one translation of what the Docker SDK and its HTTP library raise.

`TABLE` names every exception class of `docker.errors` (a test holds it to that) and the base
classes of requests; the most derived entry wins. Nothing here imports the SDK: classes are
looked up by their qualified names, so that a run without Docker does not load it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from lambdaimg.errors import (
    BuildError,
    DockerError,
    LambdaimgError,
    NoEngineError,
    ProjectError,
    PushError,
)


@dataclass(frozen=True, slots=True)
class Translation:
    """What an exception class becomes: an error class, a sentence and a hint.

    `what` may use `{doing}` (what the kit was at) and `{why}` (the engine's own words).
    """

    error: type[LambdaimgError]
    what: str
    hint: str = ""


_FAILED = "Docker failed while {doing}: {why}."
_START = "Start Docker, or set DOCKER_HOST to the engine's address."
_CONTEXT = "See `docker context ls`, or unset DOCKER_CONTEXT, or set DOCKER_HOST."
_REPORT = "Run again with --debug for the whole call; `docker info` tells the engine's own state."

TABLE: dict[str, Translation] = {
    "docker.errors.DockerException": Translation(DockerError, _FAILED, _REPORT),
    "docker.errors.APIError": Translation(DockerError, _FAILED, _REPORT),
    "docker.errors.NotFound": Translation(
        DockerError, "Docker does not have what is needed for {doing}: {why}.", "Build it again."
    ),
    "docker.errors.ImageNotFound": Translation(
        DockerError,
        "Docker does not have the image needed for {doing}: {why}.",
        "Build it again with `lambdaimg image`.",
    ),
    "docker.errors.InvalidVersion": Translation(
        NoEngineError,
        "The Docker engine is too old or too new for {doing}: {why}.",
        "Update the Docker engine, or the Python package docker.",
    ),
    "docker.errors.InvalidRepository": Translation(
        PushError, "The repository's name is not one that Docker takes: {why}.", "Check REPO_NAME."
    ),
    "docker.errors.InvalidConfigFile": Translation(
        DockerError,
        "Docker's configuration file cannot be read: {why}.",
        "Mend ~/.docker/config.json (or the file below DOCKER_CONFIG).",
    ),
    "docker.errors.InvalidArgument": Translation(DockerError, _FAILED, _REPORT),
    "docker.errors.DeprecatedMethod": Translation(DockerError, _FAILED, _REPORT),
    "docker.errors.TLSParameterError": Translation(
        NoEngineError,
        "The TLS settings of the Docker engine do not fit: {why}.",
        "Check DOCKER_TLS_VERIFY and the files ca.pem, cert.pem and key.pem in DOCKER_CERT_PATH.",
    ),
    "docker.errors.NullResource": Translation(DockerError, _FAILED, _REPORT),
    "docker.errors.ContainerError": Translation(
        DockerError, "A container failed while {doing}: {why}."
    ),
    "docker.errors.StreamParseError": Translation(
        DockerError, "Docker's answer while {doing} was cut short or damaged.", "Run again."
    ),
    "docker.errors.BuildError": Translation(BuildError, "The build failed: {why}."),
    "docker.errors.ImageLoadError": Translation(DockerError, _FAILED, _REPORT),
    "docker.errors.MissingContextParameter": Translation(NoEngineError, _FAILED, _CONTEXT),
    "docker.errors.ContextAlreadyExists": Translation(NoEngineError, _FAILED, _CONTEXT),
    "docker.errors.ContextException": Translation(
        NoEngineError, "The Docker context cannot be used: {why}.", _CONTEXT
    ),
    "docker.errors.ContextNotFound": Translation(
        NoEngineError, "There is no such Docker context: {why}.", _CONTEXT
    ),
    "docker.credentials.errors.StoreError": Translation(
        DockerError,
        "Docker's credential helper failed while {doing}: {why}.",
        "Mend or remove credsStore and credHelpers in ~/.docker/config.json.",
    ),
    "requests.exceptions.RequestException": Translation(DockerError, _FAILED, _REPORT),
    "requests.exceptions.ConnectionError": Translation(
        NoEngineError, "The connection to the Docker engine broke while {doing}: {why}.", _START
    ),
    "requests.exceptions.Timeout": Translation(
        DockerError,
        "The Docker engine did not answer in time while {doing}.",
        "Look at the engine's load and disk; restart it if it hangs.",
    ),
    "requests.exceptions.ChunkedEncodingError": Translation(
        NoEngineError, "The Docker engine broke off while {doing}.", _START
    ),
    "urllib3.exceptions.ProxySchemeUnsupported": Translation(
        NoEngineError,
        "The proxy for the Docker engine is of a kind that cannot be used: {why}.",
        "Check HTTP_PROXY and HTTPS_PROXY, or name the engine's host in NO_PROXY.",
    ),
    "urllib3.exceptions.HTTPError": Translation(
        NoEngineError, "The connection to the Docker engine broke while {doing}: {why}.", _START
    ),
}

# The engine's own words that tell more than the class of the exception: (part of the text in
# lower case, sentence, hint).
WORDS: tuple[tuple[str, Translation], ...] = (
    (
        "no space left on device",
        Translation(
            DockerError,
            "The Docker engine's disk is full ({doing}).",
            "Free space, for example with `docker system df` and `docker image prune`.",
        ),
    ),
    (
        "invalid reference format",
        Translation(
            ProjectError,
            "The image or repository name is not one that Docker takes: {why}.",
            "Use lower-case letters, digits, dots, dashes and slashes.",
        ),
    ),
    (
        "permission denied while trying to connect",
        Translation(
            NoEngineError,
            "The Docker engine refuses access while {doing}.",
            "Run as root, or add your user to the group `docker` and log in again.",
        ),
    ),
)


def translate(exc: BaseException, doing: str) -> LambdaimgError:
    """The kit's error for an exception of the Docker SDK, requests or urllib3.

    Args:
        exc: what was raised.
        doing: what the kit was at, as in 'building the image'.
    """
    why = explanation(exc)
    found = next((t for text, t in WORDS if text in why.lower()), None) or _by_class(type(exc))
    status = getattr(getattr(exc, "response", None), "status_code", None)
    details = {"type": type(exc).__name__, "doing": doing}
    if status is not None:
        details["status"] = status
    return found.error(found.what.format(doing=doing, why=why), hint=found.hint, **details)


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Turn the Docker SDK's exceptions within the block into the kit's.

    Only exceptions of the SDK, requests and urllib3 are touched.
    """
    try:
        yield
    except LambdaimgError:
        raise
    except Exception as exc:
        if not is_foreign(exc):
            raise
        raise translate(exc, doing) from exc


def is_foreign(exc: BaseException) -> bool:
    """Whether the table speaks of this exception's class or of one it derives from."""
    return any(_name(cls) in TABLE for cls in type(exc).__mro__)


def explanation(exc: BaseException) -> str:
    """The engine's own words in an exception, on one line, without a full stop at the end."""
    text = getattr(exc, "explanation", None) or getattr(exc, "msg", None) or str(_innermost(exc))
    if isinstance(text, bytes):
        text = text.decode(errors="replace")
    return " ".join(str(text).split()).rstrip(".") or type(exc).__name__


def _innermost(exc: BaseException) -> BaseException:
    """The exception that others carry among their arguments, as requests and urllib3 do."""
    inner = next((each for each in exc.args if isinstance(each, BaseException)), None)
    return exc if inner is None else _innermost(inner)


def _by_class(cls: type[BaseException]) -> Translation:
    return next(
        (TABLE[_name(base)] for base in cls.__mro__ if _name(base) in TABLE),
        TABLE["docker.errors.DockerException"],
    )


def _name(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"
