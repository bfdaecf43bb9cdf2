"""Finding and asking the Docker engine.

`connect` gives the SDK's client. `image_exists` and `ping` speak HTTP over the socket with the
standard library alone: the SDK takes a fifth of a second to import, and a run in which nothing
is to be done must not pay for it.
"""

from __future__ import annotations

import http.client
import os
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from lambdaimg.calls import Call, CallLog
from lambdaimg.container.endpoint import Endpoint, Tls, resolve
from lambdaimg.errors import NoEngineError

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.tls import TLSConfig

LOOK_TIMEOUT_S = 5.0
"""For a ping or a look at one image; a busy engine answers these within milliseconds."""

REQUEST_TIMEOUT_S = 600.0
"""For everything else: the longest silence within a build step or a push."""

_HINTS = {
    FileNotFoundError: "Start Docker (for example `systemctl start docker`, or Docker Desktop), "
    "or set DOCKER_HOST to the engine's address.",
    PermissionError: "Run as root, or add your user to the group that owns the socket "
    "(usually `docker`) and log in again.",
    ConnectionRefusedError: "The engine has stopped: start it, or set DOCKER_HOST to the address "
    "of one that runs.",
    TimeoutError: "The engine is there but does not answer: restart it, or set DOCKER_HOST to "
    "the address of another.",
    socket.gaierror: "Check the host name in DOCKER_HOST or in the Docker context.",
    ssl.SSLError: "Check DOCKER_TLS_VERIFY and the certificates in DOCKER_CERT_PATH.",
}
_SSH_HINT = (
    "Check that `ssh HOST docker version` works there without a password; the ssh command has to "
    "be installed here, and the docker command there."
)
_DEFAULT_HINT = "Start Docker, or set DOCKER_HOST to the engine's address."


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """What an engine says of itself in its answer to a ping."""

    api_version: str
    os_type: str


@dataclass(frozen=True, slots=True)
class LocalImage:
    """An image that the engine holds.

    Attributes:
        id: `sha256:...`.
        size: bytes, unpacked.
        platform: `linux/amd64` and the like, with the variant where there is one.
        tags: `name:tag` of each name it has.
        layers: diff IDs, lowest first.
        labels: its labels.
    """

    id: str
    size: int
    platform: str
    tags: tuple[str, ...]
    layers: tuple[str, ...]
    labels: Mapping[str, str] = field(default_factory=dict)


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.settimeout(self.timeout)
            sock.connect(self._path)
        except BaseException:
            sock.close()
            raise
        self.sock = sock


def endpoint(host: str | None = None) -> Endpoint:
    """The engine that `host`, the environment or the current Docker context name."""
    return resolve(host, os.environ, Path.home())


def connect(host: str | None = None, *, timeout: float = REQUEST_TIMEOUT_S) -> DockerClient:
    """A client of the engine, after one quick ping.

    Args:
        host: address as in `DOCKER_HOST`; None takes the environment and Docker's contexts.
        timeout: seconds that a request may be silent.

    Raises:
        NoEngineError: no engine answers, permission is denied, or its API is too old.
    """
    where = endpoint(host)
    info = ping(where)
    if info and info.os_type != "linux":
        raise NoEngineError(
            f"The Docker engine at {where.url} runs {info.os_type} containers; Lambda's are Linux.",
            hint="Switch it to Linux containers, or set DOCKER_HOST to another engine.",
        )
    import docker
    from docker.errors import DockerException

    try:
        client = docker.DockerClient(
            base_url="unix:///ssh" if where.scheme == "ssh" else where.url,
            version=info.api_version if info else None,
            timeout=int(timeout),
            tls=_sdk_tls(where),
        )
        if where.scheme == "ssh":
            _over_ssh(client, where.url, timeout)
        if where.tls:
            # requests would put REQUESTS_CA_BUNDLE in place of the engine's own authority.
            client.api.trust_env = False
            if not where.tls.verify:
                import urllib3

                urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        if info is None:
            client.ping()
    except (DockerException, OSError) as exc:
        raise _no_engine(where, exc) from exc
    return client


def watch(client: DockerClient, calls: CallLog) -> None:
    """Writes every call of a client down."""
    api: Any = client.api

    def answered(response: Any, **_more: Any) -> None:
        name = f"{response.request.method} {urlsplit(response.url).path}"
        calls.add(Call(name, str(response.status_code), response.elapsed.total_seconds()))

    api.hooks["response"].append(answered)


def ping(where: Endpoint) -> EngineInfo | None:
    """Ask the engine for its version, with the standard library alone.

    Returns:
        None where only the SDK can speak to it (named pipes).

    Raises:
        NoEngineError: nothing answers, or what answers is no Docker engine.
    """
    connection = _plain_connection(where)
    if connection is None:
        return None
    try:
        connection.request("GET", "/_ping")
        response = connection.getresponse()
        response.read()
    except (OSError, http.client.HTTPException) as exc:
        raise _no_engine(where, exc, _said(connection)) from exc
    finally:
        connection.close()
    version = response.getheader("Api-Version")
    if response.status != 200 or not version:
        raise NoEngineError(
            f"What answers at {where.url} ({where.source}) is no Docker engine.",
            hint=_DEFAULT_HINT,
        )
    return EngineInfo(version, response.getheader("OSType") or "linux")


def image_exists(image_id: str, host: str | None = None) -> bool | None:
    """Whether the engine holds an image, without importing the Docker SDK.

    Args:
        image_id: ID or name.
        host: as in `connect`.

    Returns:
        None where it cannot be told this way (named pipes, an engine's error): use `local_image`.

    Raises:
        NoEngineError: nothing answers.
    """
    where = endpoint(host)
    connection = _plain_connection(where)
    if connection is None:
        return None
    try:
        connection.request("GET", f"/images/{quote(image_id, safe='/:@')}/json")
        response = connection.getresponse()
        response.read()
    except (OSError, http.client.HTTPException) as exc:
        raise _no_engine(where, exc, _said(connection)) from exc
    finally:
        connection.close()
    return {200: True, 404: False}.get(response.status)


def local_image(client: DockerClient, ref: str) -> LocalImage | None:
    """What the engine holds under an ID or name; None where there is nothing.

    Raises:
        DockerError: the engine failed.
    """
    from docker.errors import ImageNotFound

    from lambdaimg.container.errors import translated

    with translated(f"looking for the image {ref}"):
        try:
            facts = client.images.get(ref).attrs
        except ImageNotFound:
            return None
    variant = f"/{facts['Variant']}" if facts.get("Variant") else ""
    return LocalImage(
        id=facts["Id"],
        size=facts.get("Size") or facts.get("VirtualSize") or 0,
        platform=f"{facts.get('Os') or 'linux'}/{facts.get('Architecture') or '?'}{variant}",
        tags=tuple(facts.get("RepoTags") or ()),
        layers=tuple((facts.get("RootFS") or {}).get("Layers") or ()),
        labels=(facts.get("Config") or {}).get("Labels") or {},
    )


def _plain_connection(where: Endpoint) -> http.client.HTTPConnection | None:
    """An unopened connection to the engine, None where only the SDK can make one.

    Raises:
        NoEngineError: the TLS files cannot be used.
    """
    if where.socket_path is not None:
        return _UnixConnection(where.socket_path, LOOK_TIMEOUT_S)
    if where.scheme == "ssh":
        from lambdaimg.container.ssh import CONNECT_TIMEOUT_S, SshConnection

        return SshConnection(where.url, CONNECT_TIMEOUT_S)
    if where.address is None:
        return None
    host, port = where.address
    if where.tls is None and where.scheme != "https":
        return http.client.HTTPConnection(host, port, timeout=LOOK_TIMEOUT_S)
    try:
        context = tls_context(where.tls)
    except (OSError, ValueError) as exc:
        raise _no_engine(where, exc) from exc
    return http.client.HTTPSConnection(host, port, timeout=LOOK_TIMEOUT_S, context=context)


def tls_context(tls: Tls | None) -> ssl.SSLContext:
    """What an engine's TLS files mean. Raises: OSError, ValueError for files of no use."""
    context = ssl.create_default_context(cafile=str(tls.ca) if tls and tls.ca else None)
    if tls and tls.cert and tls.key:
        context.load_cert_chain(tls.cert, tls.key)
    if tls and not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _sdk_tls(where: Endpoint) -> TLSConfig | bool:
    """The endpoint's TLS as the SDK takes it."""
    if where.tls is None:
        return where.scheme == "https"
    from docker.tls import TLSConfig

    tls = where.tls
    return TLSConfig(
        client_cert=(str(tls.cert), str(tls.key)) if tls.cert and tls.key else None,
        ca_cert=str(tls.ca) if tls.ca else None,
        verify=tls.verify,
    )


def _over_ssh(client: DockerClient, url: str, timeout: float) -> None:
    """The SDK itself would want a package for it; see `lambdaimg.container.ssh`."""
    from lambdaimg.container.ssh import adapter

    api: Any = client.api
    api.close()
    api._custom_adapter = adapter(url, timeout)
    api.mount("http+docker://", api._custom_adapter)


def _said(connection: http.client.HTTPConnection) -> str:
    """What the program that makes a connection says of its failure."""
    said = getattr(connection, "said", None)
    return str(said()) if said else ""


def _no_engine(where: Endpoint, exc: BaseException, said: str = "") -> NoEngineError:
    """The one sentence for an engine that cannot be reached, from the innermost cause."""
    cause = _root_cause(exc)
    hint = next((h for kind, h in _HINTS.items() if isinstance(cause, kind)), _DEFAULT_HINT)
    if where.scheme == "ssh":
        hint = _SSH_HINT
    reason = (
        said.rstrip(".") or getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
    )
    verb = "refuses access" if isinstance(cause, PermissionError) else "does not answer"
    return NoEngineError(
        f"The Docker engine at {where.url} ({where.source}) {verb}: {reason}.",
        hint=hint,
        host=where.url,
    )


def _root_cause(exc: BaseException) -> BaseException:
    """The operating system's own error, wherever in the chain (or the arguments) it hides."""
    seen: set[int] = set()
    best, pending = exc, [exc]
    while pending:
        current = pending.pop()
        if id(current) in seen:
            continue
        seen.add(id(current))
        if isinstance(current, tuple(_HINTS)):
            return current
        nested = (current.__cause__, current.__context__, getattr(current, "reason", None))
        pending += [e for e in (*nested, *current.args) if isinstance(e, BaseException)]
    return best
