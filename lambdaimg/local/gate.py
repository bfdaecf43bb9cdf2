"""Keeps web pages out of the embedded AWS.

MiniStack answers anybody, and tells browsers that every page may read its answers. On a
developer's machine that would let a page that is open in a browser make functions, which are
containers. Programs send no `Origin`; and a name that was pointed at loopback by its owner (DNS
rebinding) shows in `Host`.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

_SUFFIXES = ("localhost", "host.docker.internal", "gateway.docker.internal", "amazonaws.com",
             "amazonaws.com.cn", "on.aws")  # fmt: skip

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


def _host_name(netloc: str) -> str:
    try:
        return (urlsplit(f"//{netloc}").hostname or "").rstrip(".")
    except ValueError:
        return "?"


def host_allowed(host: str) -> bool:
    """Whether a `Host` header is one by which programs call this server.

    An address, one of the served names or a name below one of them. Absent is allowed:
    no browser leaves it out.
    """
    if not host:
        return True
    name = _host_name(host)
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return any(name == suffix or name.endswith("." + suffix) for suffix in _SUFFIXES)
    return True


def origin_allowed(origin: str) -> bool:
    """Whether an `Origin` header is absent or names a page of this machine."""
    if not origin:
        return True
    name = _host_name(urlsplit(origin).netloc) if "://" in origin else "?"
    return name in {"localhost", "127.0.0.1", "::1"} or name.endswith(".localhost")


def _header(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> str:
    return next((value.decode("latin-1") for key, value in headers if key.lower() == name), "")


class Gate:
    """An ASGI application in front of another: refuses what a web page sends."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 403."""
        if scope["type"] == "http":
            headers = scope["headers"]
            if not (
                host_allowed(_header(headers, b"host"))
                and origin_allowed(_header(headers, b"origin"))
            ):
                body = b"The embedded AWS takes no requests from web pages.\n"
                await send(
                    {
                        "type": "http.response.start",
                        "status": 403,
                        "headers": [(b"content-length", str(len(body)).encode())],
                    }
                )
                await send({"type": "http.response.body", "body": body})
                return
        await self._app(scope, receive, send)
