"""The real emulator binary with the runtime under it, on this machine."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.runtime.api import HANDLERS, NO_ORJSON, ROOT, ours
from tests.runtime.emulator import TIMEOUT, check_common, check_ends, invoke


def free_ports() -> tuple[int, int]:
    with socket.create_server(("127.0.0.1", 0)) as a, socket.create_server(("127.0.0.1", 0)) as b:
        return a.getsockname()[1], b.getsockname()[1]


@contextmanager
def emulated(binary: Path, handler: str, folder: Path) -> Iterator[tuple[str, Path]]:
    """The emulator's address and its log, while it runs a handler."""
    port, api_port = free_ports()
    log = folder / "rie.log"
    path = os.pathsep.join(map(str, (NO_ORJSON, ROOT, HANDLERS)))
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                binary,
                "--runtime-interface-emulator-address",
                f"127.0.0.1:{port}",
                "--runtime-api-address",
                f"127.0.0.1:{api_port}",
                sys.executable,
                *ours(handler),
            ],
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": path,
                "LAMBDA_TASK_ROOT": str(HANDLERS),
                "AWS_LAMBDA_FUNCTION_TIMEOUT": str(TIMEOUT),
                "AWS_LAMBDA_FUNCTION_NAME": "shop",
            },
            stdout=output,
            stderr=output,
        )
        try:
            await_listening(port, process)
            yield f"http://127.0.0.1:{port}", log
        finally:
            process.terminate()
            process.wait()


def await_listening(port: int, process: subprocess.Popen[bytes]) -> None:
    while process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except ConnectionRefusedError:
            continue
    raise AssertionError("the emulator has ended")


@pytest.mark.parametrize("handler", ["function_kind.handler", "class_kind.handler"])
def test_both_kinds_of_handler(rie_binary: Path, tmp_path: Path, handler: str) -> None:
    with emulated(rie_binary, handler, tmp_path) as (url, log):
        check_common(url)
        assert json.loads(invoke(url, "context")) == ["shop", True]
        written = log.read_text()
    assert "the response of 7340034 bytes was not accepted" in written
    assert "[ERROR] ValueError: after the first byte" in written


def test_ends_and_timeouts(rie_binary: Path, tmp_path: Path) -> None:
    with emulated(rie_binary, "function_kind.handler", tmp_path) as (url, log):
        check_ends(url)
        assert "the handler ends the process: SystemExit(3)" in log.read_text()


def test_an_error_with_a_type_of_its_own(rie_binary: Path, tmp_path: Path) -> None:
    with emulated(rie_binary, "class_kind.handler", tmp_path) as (url, log):
        told = json.loads(invoke(url, "sends-error"))
        assert (told["errorType"], told["errorMessage"]) == ("Shop.NoOrder", "no such order")
        assert "\tevent 1\n" in log.read_text()


def test_an_initialisation_that_fails(rie_binary: Path, tmp_path: Path) -> None:
    with emulated(rie_binary, "no_such_module.handler", tmp_path) as (url, _):
        told = json.loads(invoke(url, {}))
        assert told["errorType"] == "Runtime.ImportModuleError"
        assert told["errorMessage"].endswith("No module named 'no_such_module'")


def test_large_errors_end_nothing(rie_binary: Path, tmp_path: Path) -> None:
    """The emulator fails for good at a large error, and at trailers of 4 KB and more."""
    with emulated(rie_binary, "large_errors.handler", tmp_path) as (url, log):
        told = json.loads(invoke(url, "large"))
        assert told["errorType"] == "ValueError"
        assert told["errorMessage"].endswith(" ... (7000000 characters in all)")
        assert invoke(url, "streamed") == b"begun"
        assert json.loads(invoke(url, "count")) == 3
        assert "was not accepted" not in log.read_text()
