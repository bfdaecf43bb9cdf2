"""Plain sockets to the Docker engine, for what speaks the engine's API without the SDK.

A Unix socket and an unencrypted TCP connection are given as they are. TLS and Windows' named
pipes are no sockets that an event loop can wait for: threads carry their bytes to a pair.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
from collections.abc import Callable
from typing import Any

from lambdaimg.container.endpoint import Endpoint
from lambdaimg.container.engine import tls_context
from lambdaimg.errors import NoEngineError

TIMEOUT_S = 60.0
PIECE = 1 << 16
LOOPBACK = ("localhost", "127.0.0.1", "::1")

Dial = Callable[[], socket.socket]


def dialer(where: Endpoint) -> Dial:
    """What opens connections to an engine of this machine.

    Raises:
        NoEngineError: the engine is on another machine, from which containers could not call
            back.
    """
    path, address = where.socket_path, where.address
    if path is not None:
        return lambda: _connected(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM), path)
    if where.scheme == "npipe":
        return lambda: _carried_pipe(where.url.removeprefix("npipe://"))
    if address is None or address[0] not in LOOPBACK:
        raise NoEngineError(
            f"The Docker engine at {where.url} ({where.source}) is on another machine: functions "
            "that run there cannot call back to this one.",
            hint="Set DOCKER_HOST to an engine of this machine.",
        )
    host, port = address
    if where.tls is None and where.scheme != "https":
        return lambda: socket.create_connection((host, port), TIMEOUT_S)
    context = tls_context(where.tls)

    def dial() -> socket.socket:
        plain = socket.create_connection((host, port), TIMEOUT_S)
        try:
            secure = context.wrap_socket(plain, server_hostname=host)
        except BaseException:
            plain.close()
            raise
        near, inner = socket.socketpair()
        near.settimeout(TIMEOUT_S)
        threading.Thread(target=_carry_tls, args=(inner, secure), daemon=True).start()
        return near

    return dial


def _connected(sock: socket.socket, path: str) -> socket.socket:
    try:
        sock.settimeout(TIMEOUT_S)
        sock.connect(path)
    except BaseException:
        sock.close()
        raise
    return sock


def _carry_tls(inner: socket.socket, secure: ssl.SSLSocket) -> None:
    """Both directions in one thread: TLS takes no reader and writer at the same time."""
    with contextlib.suppress(OSError), inner, secure:
        while True:
            ready = [secure] if secure.pending() else select.select([inner, secure], [], [])[0]
            for source in ready:
                piece = source.recv(PIECE)
                if not piece:
                    return
                (secure if source is inner else inner).sendall(piece)


def _carried_pipe(path: str) -> socket.socket:
    from docker.transport import NpipeSocket

    pipe = NpipeSocket()
    pipe.settimeout(None)
    pipe.connect(path.replace("/", "\\"))
    near, inner = socket.socketpair()
    near.settimeout(TIMEOUT_S)
    for source, sink in ((inner, pipe), (pipe, inner)):
        threading.Thread(target=_carry_pipe, args=(source, sink), daemon=True).start()
    return near


def _carry_pipe(source: Any, sink: Any) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(PIECE):
            sink.sendall(piece)
    # Closing both here ends the other direction too.
    for end in (source, sink):
        with contextlib.suppress(OSError):
            end.close()
