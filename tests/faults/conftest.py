"""A worker's own embedded AWS and zygote, and proxies before AWS and the engine."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lambdaimg.local import environment
from tests.faults import server
from tests.faults.kit import Kit, Zygote
from tests.support.docker_wire import name_of_any_call, name_of_docker_call
from tests.support.endpoint import AwsEndpoint
from tests.support.proxy import CountingProxy

STOP_LIMIT_S = 30


@pytest.fixture(scope="session")
def quick_aws(engine: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsEndpoint]:
    """An embedded AWS of this worker's, whose functions are active at once."""
    home = tmp_path_factory.mktemp("quick-aws")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    read_end, write_end = os.pipe()
    docker_host = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    variables = environment.server_environment(
        os.environ,
        port=port,
        account=server.ACCOUNT,
        region=server.REGION,
        docker_host=docker_host,
    )
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.server", home, str(port), docker_host,
             str(write_end)],
            env=variables, cwd=Path(__file__).parents[2], pass_fds=(write_end,),
            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        )  # fmt: skip
    os.close(write_end)
    with os.fdopen(read_end) as pipe:
        word = pipe.readline().strip()
    assert word == "ready", (home / "log").read_text()
    yield AwsEndpoint(f"http://127.0.0.1:{port}", server.ACCOUNT, server.REGION)
    process.send_signal(signal.SIGTERM)
    process.wait(STOP_LIMIT_S)


@pytest.fixture(scope="session")
def zygote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zygote]:
    """The process from which the command is forked."""
    with Zygote(tmp_path_factory.mktemp("zygote")) as started:
        yield started


@pytest.fixture(scope="session")
def aws_proxy(quick_aws: AwsEndpoint) -> Iterator[CountingProxy]:
    """Between the command and the worker's AWS, the registry too."""
    with CountingProxy(quick_aws.url, name_of_any_call) as proxy:
        yield proxy


@pytest.fixture(scope="session")
def docker_proxy(engine: Any) -> Iterator[CountingProxy]:
    """Between the command and the engine."""
    host = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    with CountingProxy(host.replace("tcp://", "http://"), name_of_docker_call) as proxy:
        yield proxy


@pytest.fixture
def kit(
    zygote: Zygote,
    quick_aws: AwsEndpoint,
    aws_proxy: CountingProxy,
    docker_proxy: CountingProxy,
    engine: Any,
    tmp_path: Path,
    run_id: str,
) -> Iterator[Kit]:
    """The command between its proxies, with a folder for projects."""
    kit = Kit(zygote, quick_aws, aws_proxy, docker_proxy, engine, tmp_path, run_id)
    yield kit
    kit.close()
