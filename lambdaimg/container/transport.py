"""HTTP to a registry with the standard library: kept connections, TLS, proxies, authentication.

Authentication is that of the OCI distribution specification: a 401 names the scheme. Basic (as
Amazon ECR asks) is sent from the start where credentials are given; Bearer tokens are fetched
from the realm that the registry names, once per scope. Credentials go to the registry and its
realm alone, never to the storage that it redirects to.
"""

from __future__ import annotations

import base64
import http.client
import json
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode, urljoin, urlsplit

USER_AGENT = "lambdaimg"
TIMEOUT_S = 60.0
REDIRECTS = 5

_LOOPBACK = re.compile(r"(localhost|127(\.\d+){3}|\[::1\])(:\d+)?")
_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')

Body = bytes | Callable[[], Iterator[bytes]] | None


@dataclass(frozen=True, slots=True)
class RegistryAuth:
    """Credentials of a registry, as an ECR authorization token gives them (user `AWS`)."""

    username: str
    password: str = field(repr=False)

    @property
    def basic(self) -> str:
        """Value of the `Authorization` header."""
        return "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode()


@dataclass(frozen=True, slots=True)
class Response:
    """An answer, read to its end. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str

    def errors(self) -> list[tuple[str, str]]:
        """Code and message of each error in the body (OCI distribution specification)."""
        try:
            found = json.loads(self.body)["errors"]
            return [(str(e.get("code", "")), str(e.get("message", ""))) for e in found]
        except (ValueError, KeyError, TypeError, AttributeError):
            return []


def registry_scheme(host: str) -> str:
    """`http` for a registry on this machine, `https` for any other, as the engine does it."""
    return "http" if _LOOPBACK.fullmatch(host) else "https"


class Transport:
    """Requests to one registry; safe to use from several threads.

    Args:
        host: `host` or `host:port`.
        auth: None for anonymous requests.
        ca_bundle: PEM file in place of the system's authorities.
        scheme: `http` or `https`; None decides by `registry_scheme`.
        timeout: seconds that a connection may be silent.
    """

    def __init__(
        self,
        host: str,
        auth: RegistryAuth | None = None,
        *,
        ca_bundle: Path | None = None,
        scheme: str | None = None,
        timeout: float = TIMEOUT_S,
    ) -> None:
        self.host = host
        self.base = f"{scheme or registry_scheme(host)}://{host}"
        self._auth = auth
        self._ca_bundle = ca_bundle
        self._timeout = timeout
        self._lock = threading.Lock()
        self._idle: dict[tuple[str, str], list[http.client.HTTPConnection]] = {}
        self._tls: ssl.SSLContext | None = None
        self._bearer: dict[str, str] = {}

    def close(self) -> None:
        """Close the connections that are kept."""
        with self._lock:
            idle, self._idle = self._idle, {}
        for connection in (c for kept in idle.values() for c in kept):
            connection.close()

    def request(
        self,
        method: str,
        url: str,
        *,
        scope: str,
        headers: Mapping[str, str] | None = None,
        body: Body = None,
        length: int | None = None,
    ) -> Response:
        """One request with its authentication and redirects.

        Args:
            method: of HTTP.
            url: absolute, or a path of the registry.
            scope: what a Bearer token must allow, as in `repository:name:pull,push`.
            headers: besides those that are always sent.
            body: bytes, or a function that gives them in pieces each time it is called.
            length: bytes of a body given by a function.

        Raises:
            OSError, http.client.HTTPException: the connection failed.
        """
        url = urljoin(self.base, url)
        response = self._send(method, url, self._headers(url, scope, headers, length), body)
        if response.status == 401 and self._same_site(url) and self._login(response, scope):
            response = self._send(method, url, self._headers(url, scope, headers, length), body)
        redirects = 0
        while (
            response.status in (301, 302, 303, 307, 308)
            and method in ("GET", "HEAD")
            and "location" in response.headers
            and redirects < REDIRECTS
        ):
            redirects += 1
            url = urljoin(url, response.headers["location"])
            response = self._send(method, url, self._headers(url, scope, headers, length), body)
        return response

    def _same_site(self, url: str) -> bool:
        ours, theirs = urlsplit(self.base), urlsplit(url)
        return (ours.scheme, ours.netloc) == (theirs.scheme, theirs.netloc)

    def _headers(
        self, url: str, scope: str, given: Mapping[str, str] | None, length: int | None
    ) -> dict[str, str]:
        headers = {"User-Agent": USER_AGENT, **(given or {})}
        if length is not None:
            headers["Content-Length"] = str(length)
        if self._same_site(url):
            authorization = self._bearer.get(scope) or (self._auth.basic if self._auth else None)
            if authorization:
                headers["Authorization"] = authorization
        return headers

    def _login(self, response: Response, scope: str) -> bool:
        """Fetch a token as a 401 asks for; whether there is something new to try with."""
        kind, _, rest = response.headers.get("www-authenticate", "").partition(" ")
        if kind.lower() != "bearer":
            return False
        asked = dict(_CHALLENGE.findall(rest))
        realm = asked.get("realm", "")
        if not realm.startswith(("https://", "http://")):
            return False
        query = urlencode({"service": asked.get("service", ""), "scope": scope})
        headers = {"User-Agent": USER_AGENT}
        if self._auth and (realm.startswith("https://") or self.base.startswith("http://")):
            headers["Authorization"] = self._auth.basic
        url = f"{realm}{'&' if '?' in realm else '?'}{query}"
        answer = self._send("GET", url, headers, None)
        try:
            facts = json.loads(answer.body)
            token = facts.get("token") or facts.get("access_token")
        except (ValueError, AttributeError):
            token = None
        if answer.status != 200 or not token:
            return False
        self._bearer[scope] = f"Bearer {token}"
        return True

    def _send(self, method: str, url: str, headers: dict[str, str], body: Body) -> Response:
        """One exchange; a kept connection that the registry closed meanwhile is replaced."""
        while True:
            connection, kept = self._take(url)
            try:
                response = self._exchange(connection, method, url, headers, body)
            except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
                connection.close()
                if not kept:
                    raise
            except BaseException:
                connection.close()
                raise
            else:
                return response

    def _exchange(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        url: str,
        headers: dict[str, str],
        body: Body,
    ) -> Response:
        parts = urlsplit(url)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        content = body() if callable(body) else body
        connection.request(method, path, body=content, headers=headers)
        answer = connection.getresponse()
        found = {name.lower(): value for name, value in answer.getheaders()}
        response = Response(answer.status, found, answer.read(), url)
        if answer.will_close:
            connection.close()
        else:
            with self._lock:
                self._idle.setdefault((parts.scheme, parts.netloc), []).append(connection)
        return response

    def _take(self, url: str) -> tuple[http.client.HTTPConnection, bool]:
        """A connection for a URL, and whether it was kept from an earlier request."""
        parts = urlsplit(url)
        with self._lock:
            idle = self._idle.get((parts.scheme, parts.netloc))
            if idle:
                return idle.pop(), True
        return self._connect(parts.scheme, parts.netloc), False

    def _connect(self, scheme: str, netloc: str) -> http.client.HTTPConnection:
        proxy = None if _LOOPBACK.fullmatch(netloc) else _proxy_for(scheme, netloc)
        near = proxy or netloc
        connection: http.client.HTTPConnection
        if scheme == "https":
            with self._lock:
                self._tls = self._tls or ssl.create_default_context(
                    cafile=str(self._ca_bundle) if self._ca_bundle else None
                )
            connection = http.client.HTTPSConnection(near, timeout=self._timeout, context=self._tls)
        else:
            connection = http.client.HTTPConnection(near, timeout=self._timeout)
        if proxy:
            connection.set_tunnel(netloc)
        connection.connect()
        # Heads and bodies go out in two writes: without this they wait for each other's ACK.
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection


def _proxy_for(scheme: str, netloc: str) -> str | None:
    """Host and port of the proxy that the environment names for a URL, or None."""
    from urllib.request import getproxies, proxy_bypass

    proxy = getproxies().get(scheme)
    if not proxy or proxy_bypass(netloc):
        return None
    return urlsplit(proxy if "://" in proxy else f"http://{proxy}").netloc.rpartition("@")[2]
