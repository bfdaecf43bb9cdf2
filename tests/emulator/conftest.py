"""Functions for the emulator's tests: a scripted runtime behind the process executor."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lambdaimg.container.dial import dialer
from lambdaimg.container.engine import endpoint
from lambdaimg.emulator.containers import DockerExecutor
from lambdaimg.emulator.engine import Engine
from lambdaimg.emulator.function_pool import FunctionPool
from lambdaimg.emulator.process import ProcessExecutor
from lambdaimg.emulator.protocol import FunctionSpec

HERE = Path(__file__).parent
# The label of containers that these tests make.
MARK = "lambdaimg.test"
SCRIPTED = Path(__file__).with_name("scripted.py")
# -I and -S: the runtime needs nothing but the standard library, and starts in half the time.
COMMAND = (sys.executable, "-I", "-S", str(SCRIPTED))

LogLine = tuple[str, str, str]


class Log:
    """Keeps what a pool logs, as (request id, source, text)."""

    def __init__(self) -> None:
        self.entries: list[LogLine] = []

    def __call__(self, request_id: str, source: str, data: bytes) -> None:
        self.entries.append((request_id, source, data.decode()))

    @property
    def text(self) -> str:
        return "".join(text for _, _, text in self.entries)

    def of(self, request_id: str) -> str:
        return "".join(text for found, _, text in self.entries if found == request_id)


def steps(*all_steps: list[Any]) -> bytes:
    """An event for the scripted runtime."""
    return json.dumps({"steps": all_steps}).encode()


def scripted(**changes: Any) -> FunctionSpec:
    """The scripted function; `init` is its steps before the first event."""
    init = changes.pop("init", None)
    environment = dict(changes.pop("environment", {}))
    if init is not None:
        environment["INIT_STEPS"] = json.dumps(init)
    return FunctionSpec("scripted", command=COMMAND, environment=environment, **changes)


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def serve(log: Log) -> Iterator[Callable[..., FunctionPool]]:
    """`serve(timeout=1, ...)` is a pool of the scripted function, closed after the test."""
    pools: list[FunctionPool] = []

    def start(spec: FunctionSpec | None = None, **changes: Any) -> FunctionPool:
        executor = ProcessExecutor({"PATH": "/usr/bin:/bin"})
        pool = FunctionPool(spec or scripted(**changes), executor, log=log)
        pools.append(pool)
        return pool

    yield start
    for pool in pools:
        pool.close()


@contextmanager
def built(engine: Any, folder: str, run_id: str) -> Iterator[str]:
    """An image's ID. It has a name, for the engine removes unnamed parents with an image."""
    name = f"t-{run_id}-emulator-{folder}"
    image, _ = engine.images.build(path=str(HERE / folder), tag=name, rm=True)
    yield str(image.id)
    engine.images.remove(name, noprune=True)


@pytest.fixture(scope="session")
def image(engine: Any, base_image: str, run_id: str) -> Iterator[str]:
    """A function in Perl, by its image's ID."""
    with built(engine, "image", run_id) as image_id:
        yield image_id


@pytest.fixture(scope="session")
def stranger(engine: Any, base_image: str, run_id: str) -> Iterator[str]:
    """A function in bash with a bootstrap of its own."""
    with built(engine, "stranger", run_id) as image_id:
        yield image_id


@pytest.fixture
def run(run_id: str, image: str, log: Log) -> Iterator[Callable[..., FunctionPool]]:
    """`run(timeout=1, ...)` is a pool of the Perl function; nothing of it may be left."""
    pools: list[FunctionPool] = []
    label = {MARK: run_id}

    def start(variables: dict[str, str] | None = None, **changes: Any) -> FunctionPool:
        executor = DockerExecutor(dialer(endpoint()), variables=variables, labels=label)
        spec = FunctionSpec("perl", **{"image": image, "timeout": 30, **changes})
        pools.append(FunctionPool(spec, executor, log=log))
        return pools[-1]

    yield start
    for pool in pools:
        pool.close()
    assert Engine(dialer(endpoint())).containers(f"{MARK}={run_id}") == []
