"""The embedded AWS's own process: MiniStack's application behind hypercorn on loopback.

Order of a start: hold the server's lock; bind the port; serve; write the record; tell the parent
through a pipe. On SIGTERM or SIGINT: stop serving, remove the containers, remove the record, and
end, which lets go of the lock.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.metadata
import os
import signal
import socket
import sys
import time
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lambdaimg import __version__
from lambdaimg.emulator.bridge import DESKTOP_NAME
from lambdaimg.emulator.engine import dial_unix
from lambdaimg.local.bridge import BridgeRelay, engine_socket
from lambdaimg.local.containers import INSTANCE_LABEL, instance_label
from lambdaimg.local.gate import Gate
from lambdaimg.local.images import EngineImages
from lambdaimg.local.state import FORMAT, StateFiles, hold_server_lock, remember_port, write_json

if TYPE_CHECKING:
    from lambdaimg.local.functions import ImageFunctions

PORT_TAKEN = 98
ALREADY_RUNNING = 97

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]


@dataclass(frozen=True)
class Launch:
    """What the parent asks for."""

    home: Path
    port: int
    account: str
    region: str
    docker_host: str | None
    ready_fd: int | None


def tell_parent(launch: Launch, text: str) -> None:
    """Write one line to the parent's pipe; it may be gone."""
    if launch.ready_fd is None:
        return
    with contextlib.suppress(OSError):
        os.write(launch.ready_fd, f"{text}\n".encode())
        os.close(launch.ready_fd)


def run(launch: Launch) -> int:
    """Serve until a signal comes.

    Returns:
        Exit status: 0, or `PORT_TAKEN`, or `ALREADY_RUNNING`.
    """
    files = StateFiles(launch.home)
    if hold_server_lock(files) is None:
        tell_parent(launch, "already running")
        return ALREADY_RUNNING
    files.record.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        listener.bind(("127.0.0.1", launch.port))
        # Two that start at once may both bind: then the second finds out here.
        listener.listen(512)
    except OSError as error:
        sys.stderr.write(f"port {launch.port}: {error}\n")
        tell_parent(launch, "port taken")
        return PORT_TAKEN
    try:
        asyncio.run(_serve(launch, files, listener))
    finally:
        files.record.unlink(missing_ok=True)
    return 0


async def _serve(launch: Launch, files: StateFiles, listener: socket.socket) -> None:
    from hypercorn.asyncio import serve
    from hypercorn.config import Config
    from ministack.app import app

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    relay = BridgeRelay(launch.port, launch.docker_host)
    _activate_at_once()
    functions = _run_functions(launch, relay)

    async def stopped() -> None:
        await stop.wait()
        if functions is not None:
            await asyncio.to_thread(functions.close)

    async def when_started() -> None:
        await relay.ensure()
        remember_port(files, launch.port)
        write_json(files.record, _record(launch))
        tell_parent(launch, "ready")

    config = Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.keep_alive_timeout = 75
    config.graceful_timeout = 2
    config.shutdown_timeout = 12
    config.loglevel = "WARNING"
    try:
        await serve(
            _announcing(Gate(app), when_started),  # type: ignore[arg-type]
            config,
            shutdown_trigger=stopped,
            mode="asgi",
        )
    finally:
        await relay.close()


def _activate_at_once() -> None:
    """Take away MiniStack's half second before a function that was made or changed is active.

    Nothing is done in it, and whoever deploys here would wait for it every time.
    """
    from ministack.services import lambda_svc

    lambda_svc._LAMBDA_STATE_TRANSITION_DELAY = 0


def _run_functions(launch: Launch, relay: BridgeRelay) -> ImageFunctions | None:
    """Put the kit's emulator in the place of MiniStack's executor, but for managed runtimes.

    Returns:
        What runs them; None where MiniStack goes on doing so, as the engine is not on this machine.
    """
    path = engine_socket(launch.docker_host)
    if path is None:
        sys.stderr.write(f"{launch.docker_host}: functions are run by MiniStack itself\n")
        return None
    from ministack.services import lambda_svc

    from lambdaimg.emulator.containers import DockerExecutor
    from lambdaimg.local.functions import ImageFunctions, Surroundings, install
    from lambdaimg.local.zips import BASES, ZipFunctions

    loop = asyncio.get_running_loop()
    images = EngineImages(launch.docker_host, f"localhost:{launch.port}")

    def prepare(image: str) -> None:
        asyncio.run_coroutine_threadsafe(relay.ensure(), loop)
        images.ensure(image)

    functions = ImageFunctions(
        DockerExecutor(dial_unix(path), labels={INSTANCE_LABEL: instance_label(launch.port)}),
        Surroundings(
            endpoint=f"http://127.0.0.1:{launch.port}",
            container_endpoint=f"http://{DESKTOP_NAME}:{launch.port}",
        ),
        prepare,
        ZipFunctions(
            launch.home / "zips", lambda: images.first_of(BASES), lambda_svc._resolve_layer_zip
        ),
    )
    install(lambda_svc, functions)
    return functions


def _record(launch: Launch) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "pid": os.getpid(),
        "port": launch.port,
        "account": launch.account,
        "region": launch.region,
        "docker_host": launch.docker_host,
        "version": __version__,
        "ministack": importlib.metadata.version("ministack"),
        "started_at": time.time(),
    }


def _announcing(app: App, when_started: Callable[[], Awaitable[None]]) -> App:
    """The application, with `when_started` run once its start-up is complete."""

    async def announcing(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        async def watching(message: Message) -> None:
            if message["type"] == "lifespan.startup.complete":
                await when_started()
            await send(message)

        await app(scope, receive, watching if scope["type"] == "lifespan" else send)

    return announcing
