"""Containers reach the server through the bridge's gateway address."""

from __future__ import annotations

import asyncio
import http.server
import json
import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lambdaimg.local.bridge import BridgeRelay, bridge_gateway


def network(*configs: dict[str, str]) -> dict[str, Any]:
    return {"Name": "bridge", "IPAM": {"Driver": "default", "Config": list(configs)}}


class Engine(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """The one answer of an engine that is asked here, on a real socket."""

    answer: bytes = b"{}"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Engine

    def address_string(self) -> str:
        return "engine"

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        self.send_response(200 if self.path.endswith("/networks/bridge") else 404)
        self.end_headers()
        self.wfile.write(self.server.answer)


@pytest.fixture
def engine_socket(tmp_path: Path) -> Iterator[Engine]:
    with Engine(str(tmp_path / "docker.sock"), Handler) as engine:
        threading.Thread(target=engine.serve_forever, args=(0.01,), daemon=True).start()
        yield engine
        engine.shutdown()


@pytest.mark.parametrize("where", ["tcp://192.0.2.1:2375", "ssh://me@example", "unix:///nowhere"])
def test_an_engine_elsewhere_has_no_bridge_here(where: str) -> None:
    assert bridge_gateway(where) is None


def test_an_engine_that_talks_nonsense_has_none(engine_socket: Engine) -> None:
    engine_socket.answer = b"nonsense"
    assert bridge_gateway(f"unix://{engine_socket.server_address}") is None


def test_the_relay_follows_the_bridge_and_passes_bytes_both_ways(engine_socket: Engine) -> None:
    async def shout(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write((await reader.read()).upper())
        writer.close()

    async def call(address: str, port: int, text: bytes) -> bytes:
        reader, writer = await asyncio.open_connection(address, port)
        writer.write(text)
        writer.write_eof()
        answer = await reader.read()
        writer.close()
        return answer

    async def story() -> tuple[str | None, str | None, list[bytes], str | None, str | None]:
        inner = await asyncio.start_server(shout, "127.0.0.1", 0)
        port = inner.sockets[0].getsockname()[1]
        relay = BridgeRelay(port, f"unix://{engine_socket.server_address}")
        before = await relay.ensure()
        engine_socket.answer = json.dumps(network({"Gateway": "127.0.0.2"})).encode()
        first = await relay.ensure()
        answers = await asyncio.gather(
            *(call("127.0.0.2", port, letter * 300_000) for letter in (b"a", b"b"))
        )
        engine_socket.answer = json.dumps(network({"Gateway": "127.0.0.3"})).encode()
        second = await relay.ensure()
        engine_socket.answer = json.dumps(network({"Gateway": "192.0.2.77"})).encode()
        elsewhere = await relay.ensure()
        await relay.close()
        inner.close()
        return before, first, answers, second, elsewhere

    before, first, answers, second, elsewhere = asyncio.run(story())

    assert before is None
    assert first == "127.0.0.2"
    assert answers == [b"A" * 300_000, b"B" * 300_000]
    assert second == "127.0.0.3"
    assert elsewhere is None
