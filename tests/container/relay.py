"""A relay from a TCP port of this machine to another address, with TLS where asked for."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType


class Relay:
    """Takes connections on a free port and passes their bytes on.

    Args:
        dial: makes the connection that each is passed on to.
        certificates: folder with cert.pem and key.pem; None for plain TCP.
    """

    def __init__(self, dial: Callable[[], socket.socket], certificates: Path | None = None) -> None:
        self._dial = dial
        self._tls: ssl.SSLContext | None = None
        if certificates:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.load_cert_chain(certificates / "cert.pem", certificates / "key.pem")
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]

    def __enter__(self) -> Relay:
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.close()

    def _serve(self) -> None:
        while True:
            try:
                near, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._connection, args=(near,), daemon=True).start()

    def _connection(self, near: socket.socket) -> None:
        with contextlib.suppress(OSError), contextlib.closing(near):
            if self._tls:
                near = self._tls.wrap_socket(near, server_side=True)
            with contextlib.closing(self._dial()) as far:
                back = threading.Thread(target=_pump, args=(far, near), daemon=True)
                back.start()
                _pump(near, far)
                back.join()


def unix(path: str) -> Callable[[], socket.socket]:
    """Dials a Unix socket."""

    def dial() -> socket.socket:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.connect(path)
        return sock

    return dial


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(65536):
            sink.sendall(piece)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
