"""How a container reaches the embedded AWS, which listens on loopback alone.

Containers call `host.docker.internal`, which on a Linux engine is the bridge network's gateway:
an address of this machine that only containers (and this machine) reach. There a relay passes
connections on to loopback. Docker Desktop takes the name to the host's loopback by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging

from lambdaimg.emulator.bridge import gateway_of
from lambdaimg.emulator.engine import Engine, EngineError, dial_unix

log = logging.getLogger(__name__)

_CHUNK = 1 << 16


def engine_socket(docker_host: str | None) -> str | None:
    """Path of the engine's socket on this machine; None for an engine elsewhere."""
    where = docker_host or "unix:///var/run/docker.sock"
    return where.removeprefix("unix://") if where.startswith("unix://") else None


def bridge_gateway(docker_host: str | None) -> str | None:
    """Gateway of the engine's default bridge network; None where that cannot be known.

    Only an engine on a local socket has its bridge on this machine.
    """
    path = engine_socket(docker_host)
    if path is None:
        return None
    try:
        return gateway_of(Engine(dial_unix(path)).get("/networks/bridge"))
    except (EngineError, OSError, ValueError, AttributeError):
        return None


class BridgeRelay:
    """Passes connections from the bridge's gateway address on to loopback.

    `ensure` may be called again at any time: an engine that was not there at the start, or came
    back with another bridge, is served from then on.
    """

    def __init__(self, port: int, docker_host: str | None) -> None:
        self._port = port
        self._docker_host = docker_host
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.address: str | None = None
        self._lock = asyncio.Lock()

    async def ensure(self) -> str | None:
        """Listen on the gateway's address if there is one here; the address listened on."""
        async with self._lock:
            address = await asyncio.to_thread(bridge_gateway, self._docker_host)
            if address == self.address or address is None:
                return self.address
            await self._stop()
            try:
                self._server = await asyncio.start_server(self._accept, address, self._port)
            except OSError as error:
                # Docker Desktop's and a rootless engine's bridges are not on this machine.
                if error.errno != errno.EADDRNOTAVAIL:
                    log.warning("containers cannot reach this server at %s: %s", address, error)
                return None
            self.address = address
            return address

    async def close(self) -> None:
        """Stop listening."""
        async with self._lock:
            await self._stop()

    async def _stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        self._server = None
        self.address = None

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # The event loop refers to tasks weakly: one that nobody holds may vanish while it waits.
        task = asyncio.get_running_loop().create_task(self._relay(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", self._port)
        except OSError:
            writer.close()
            return
        try:
            async with asyncio.TaskGroup() as ways:
                ways.create_task(_pump(reader, inner_writer))
                ways.create_task(_pump(inner_reader, writer))
        finally:
            writer.close()
            inner_writer.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while chunk := await reader.read(_CHUNK):
            writer.write(chunk)
            await writer.drain()
        writer.write_eof()
