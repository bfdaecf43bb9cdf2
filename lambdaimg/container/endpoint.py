"""Which Docker engine is meant: the same answer that the `docker` command comes to.

Order (docker/cli): an explicit host, `DOCKER_HOST`, `DOCKER_CONTEXT`, the current context of
`config.json`, the default socket. A context is a folder named by the SHA-256 of its name, with
`meta.json` below `contexts/meta` and TLS files below `contexts/tls`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lambdaimg.errors import NoEngineError

DEFAULT_HOST = "unix:///var/run/docker.sock"
SCHEMES = ("unix", "tcp", "http", "https", "ssh", "npipe")
_HOST_AND_PORT = re.compile(r"([\w.-]+|\[[0-9a-fA-F:]+\])?:\d+")


@dataclass(frozen=True, slots=True)
class Tls:
    """TLS material of an engine: files may be absent; `verify` checks the engine's certificate."""

    ca: Path | None
    cert: Path | None
    key: Path | None
    verify: bool


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An engine's address.

    Attributes:
        url: as in `DOCKER_HOST`, e.g. `unix:///var/run/docker.sock` or `tcp://host:2376`.
        tls: None for a plain connection.
        source: where the address comes from, for messages.
    """

    url: str
    tls: Tls | None
    source: str

    @property
    def scheme(self) -> str:
        """`unix`, `tcp`, `http`, `https`, `ssh` or `npipe`."""
        return self.url.partition("://")[0]

    @property
    def socket_path(self) -> str | None:
        """Path of the Unix socket, None for other kinds."""
        return self.url.removeprefix("unix://") if self.scheme == "unix" else None

    @property
    def address(self) -> tuple[str, int] | None:
        """Host and port of a TCP engine, None for other kinds."""
        if self.scheme not in ("tcp", "http", "https"):
            return None
        from urllib.parse import urlsplit

        parts = urlsplit(self.url)
        secure = self.tls is not None or self.scheme == "https"
        return parts.hostname or "localhost", parts.port or (2376 if secure else 2375)


def resolve(host: str | None, environ: Mapping[str, str], home: Path) -> Endpoint:
    """The engine that is meant.

    Args:
        host: an explicit address that wins over everything, or None.
        environ: the environment (`DOCKER_HOST`, `DOCKER_CONTEXT`, `DOCKER_CONFIG`,
            `DOCKER_TLS_VERIFY`, `DOCKER_CERT_PATH`).
        home: the home folder, for `.docker`.

    Raises:
        NoEngineError: the context named does not exist or is damaged, or the address is of an
            unknown kind.
    """
    config_folder = Path(environ.get("DOCKER_CONFIG") or home / ".docker")
    if host:
        return _from_url(host, "the address given", environ, config_folder)
    if environ.get("DOCKER_HOST"):
        return _from_url(environ["DOCKER_HOST"], "DOCKER_HOST", environ, config_folder)
    name = environ.get("DOCKER_CONTEXT") or _current_context(config_folder)
    if name and name != "default":
        return _from_context(name, config_folder)
    return _from_url(DEFAULT_HOST, "the default socket", environ, config_folder)


def _from_url(url: str, source: str, environ: Mapping[str, str], config: Path) -> Endpoint:
    if "://" not in url and not url.startswith("/") and not _HOST_AND_PORT.fullmatch(url):
        raise NoEngineError(
            f"{source} names no address of a Docker engine: {url}",
            hint=f"Addresses begin with one of {', '.join(f'{s}://' for s in SCHEMES)}.",
        )
    if "://" not in url:
        url = f"unix://{url}" if url.startswith("/") else f"tcp://{url}"
    scheme = url.partition("://")[0]
    if scheme not in SCHEMES:
        raise NoEngineError(
            f"{source} names a Docker engine of an unknown kind: {url}",
            hint=f"Addresses begin with one of {', '.join(f'{s}://' for s in SCHEMES)}.",
        )
    if scheme not in ("unix", "npipe") and not _has_port(url):
        raise NoEngineError(
            f"{source} names no address of a Docker engine: {url}",
            hint="A port is a number up to 65535, and an IPv6 address stands in brackets.",
        )
    verify = bool(environ.get("DOCKER_TLS_VERIFY"))
    cert_path = environ.get("DOCKER_CERT_PATH")
    tls = None
    if scheme in ("tcp", "https") and (verify or cert_path):
        tls = _tls_files(Path(cert_path) if cert_path else config, verify)
    return Endpoint(url.rstrip("/") if scheme != "unix" else url, tls, source)


def _has_port(url: str) -> bool:
    """Whether what a URL has for a port, if anything, is one."""
    from urllib.parse import urlsplit

    try:
        return urlsplit(url).port != 0
    except ValueError:
        return False


def _tls_files(folder: Path, verify: bool) -> Tls:
    files = {name: folder / f"{name}.pem" for name in ("ca", "cert", "key")}
    found = {name: path if path.is_file() else None for name, path in files.items()}
    return Tls(found["ca"], found["cert"], found["key"], verify)


def _current_context(config_folder: Path) -> str:
    try:
        config = json.loads((config_folder / "config.json").read_bytes())
    except (OSError, ValueError):
        return ""  # as the docker command: no readable configuration means the default
    name = config.get("currentContext") if isinstance(config, dict) else None
    return name if isinstance(name, str) else ""


def _from_context(name: str, config_folder: Path) -> Endpoint:
    key = hashlib.sha256(name.encode()).hexdigest()
    meta_file = config_folder / "contexts" / "meta" / key / "meta.json"
    hint = "See `docker context ls`, or unset DOCKER_CONTEXT, or set DOCKER_HOST."
    try:
        meta: Any = json.loads(meta_file.read_bytes())
        docker = meta["Endpoints"]["docker"]
        url = docker.get("Host") or DEFAULT_HOST
        verify = not docker.get("SkipTLSVerify", False)
    except FileNotFoundError:
        raise NoEngineError(f"There is no Docker context named {name!r}.", hint=hint) from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as exc:
        raise NoEngineError(f"The Docker context {name!r} cannot be read: {exc}", hint) from exc
    folder = config_folder / "contexts" / "tls" / key / "docker"
    endpoint = _from_url(url, f"the Docker context {name!r}", {}, config_folder)
    if folder.is_dir() and endpoint.scheme in ("tcp", "https"):
        return Endpoint(endpoint.url, _tls_files(folder, verify), endpoint.source)
    return endpoint
