"""Whether the engine holds an image: one request over a bare socket.

The one question that a run with nothing to do has for the engine. `http.client` and `ssl` take
twice as long to import as that whole run has, so they are left to `engine`.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path

from lambdaimg.container.endpoint import Endpoint, resolve

TIMEOUT_S = 5.0
HEAD_BYTES = 256
ANSWERS = {b"200": True, b"404": False}


def image_exists(image: str) -> bool | None:
    """Whether the engine holds an image, by ID or name.

    Returns:
        None where it cannot be told: an engine that only the SDK can speak to, or an error of
        the engine's.

    Raises:
        NoEngineError: nothing answers.
    """
    where = resolve(None, os.environ, Path.home())
    try:
        status = _status(where, image)
    except OSError:
        status = b""
    if status in ANSWERS:
        return ANSWERS[status]
    from lambdaimg.container import engine

    return engine.image_exists(image)


def _status(where: Endpoint, image: str) -> bytes:
    """The status of the answer; empty where a bare socket is not enough.

    An identifier or a name of an image has no character that a path would have to escape; what
    has one is no image's, and is left to `engine`.
    """
    plain = where.tls is None and where.scheme in ("tcp", "http")
    if not image.isascii() or not image.isprintable() or set(image) & set(" %?#\\"):
        return b""
    if where.socket_path is not None:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        address: str | tuple[str, int] = where.socket_path
    elif plain and where.address is not None:
        connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        address = where.address
    else:
        return b""
    with connection:
        connection.settimeout(TIMEOUT_S)
        connection.connect(address)
        connection.sendall(f"GET /images/{image}/json HTTP/1.0\r\nHost: docker\r\n\r\n".encode())
        head = connection.recv(HEAD_BYTES)
    words = head.split(maxsplit=2)
    return words[1] if len(words) > 1 else b""
