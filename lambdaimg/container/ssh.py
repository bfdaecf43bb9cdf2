"""An engine on another machine, over the system's `ssh`: no package for it is needed.

Each connection is an `ssh` that runs `docker system dial-stdio` there, as the `docker` command
does it (docker/cli); its standard input and output are one end of a socket pair.
"""

from __future__ import annotations

import http.client
import socket
import subprocess
import threading
from typing import Any
from urllib.parse import urlsplit

CONNECT_TIMEOUT_S = 30
END_S = 2
THERE = ("docker", "system", "dial-stdio")


def words(url: str) -> list[str]:
    """The command that connects to `ssh://[user@]host[:port]`."""
    parts = urlsplit(url)
    command = ["ssh", "-T", "-o", f"ConnectTimeout={CONNECT_TIMEOUT_S}"]
    command += ["-l", parts.username] if parts.username else []
    command += ["-p", str(parts.port)] if parts.port else []
    return [*command, "--", parts.hostname or "localhost", *THERE]


class Process(threading.Thread):
    """An `ssh` that ends with its socket; keeps what it says of its failure."""

    def __init__(self, command: list[str], end: int) -> None:
        super().__init__(name="lambdaimg-ssh", daemon=True)
        self._process = subprocess.Popen(
            command, stdin=end, stdout=end, stderr=subprocess.PIPE, start_new_session=True
        )
        self._said = b""

    def run(self) -> None:
        """Wait for its end."""
        _, self._said = self._process.communicate()

    def said(self) -> str:
        """The last line that it has said; '' where it goes on."""
        self.join(END_S)
        if self.is_alive():
            return ""
        lines = self._said.decode("utf-8", "replace").strip().splitlines()
        return lines[-1].strip() if lines else f"ssh ended with {self._process.returncode}"


class SshConnection(http.client.HTTPConnection):
    """One connection to the engine at `url`.

    Args:
        url: `ssh://[user@]host[:port]`.
        timeout: seconds that it may be silent.
    """

    def __init__(self, url: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._url = url
        self._process: Process | None = None

    def connect(self) -> None:
        """Raises: OSError: there is no `ssh` command."""
        self.sock, self._process = dial(self._url, self.timeout)

    def said(self) -> str:
        """What `ssh` has said of its failure; '' where it has not failed."""
        return self._process.said() if self._process else ""


def dial(url: str, timeout: float | None) -> tuple[socket.socket, Process]:
    """A socket to the engine at `url`, and the `ssh` behind it.

    Args:
        timeout: seconds that it may be silent.

    Raises:
        OSError: there is no `ssh` command.
    """
    ours, theirs = socket.socketpair()
    ours.settimeout(timeout)
    try:
        with theirs:
            process = Process(words(url), theirs.fileno())
    except OSError:
        ours.close()
        raise
    process.start()
    return ours, process


def adapter(url: str, timeout: float) -> Any:
    """What carries the SDK's requests to the engine at `url`, in place of its Unix socket's."""
    from docker.transport import UnixHTTPAdapter
    from urllib3.connection import HTTPConnection
    from urllib3.connectionpool import HTTPConnectionPool

    class Connection(HTTPConnection):
        def connect(self) -> None:
            self.sock, _ = dial(url, timeout)

    class Pool(HTTPConnectionPool):
        ConnectionCls = Connection

    class Adapter(UnixHTTPAdapter):  # type: ignore[misc, unused-ignore]
        def get_connection(self, url: Any, proxies: Any = None) -> Any:
            with self.pools.lock:
                if self.pools.get(url) is None:
                    self.pools[url] = Pool("localhost", timeout=timeout)
                return self.pools[url]

    return Adapter("http+unix:///ssh", int(timeout))
