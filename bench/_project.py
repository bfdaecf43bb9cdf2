"""A scaffolded project on an embedded AWS of the bench's own, taken down at the end."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench._clock import clean_environment
from bench._tools import beside_python

KIT = beside_python("lambdaimg")


@dataclass
class Bench:
    """A folder for projects, and the environment in which their commands run.

    `aws` are AWS's own variables of the embedded AWS, for tools that know nothing of the kit.
    """

    folder: Path
    env: dict[str, str]
    aws: dict[str, str]
    names: list[str] = field(default_factory=list)

    def project(self, name: str = "") -> Project:
        """`lambdaimg init` in a folder of its own."""
        name = name or f"b-{uuid.uuid4().hex[:8]}"
        folder = self.folder / name
        folder.mkdir()
        self.names.append(name)
        run([KIT, "init", "--name", name], folder, self.env)
        return Project(name, folder, self)


@dataclass
class Project:
    """A project of the bench's."""

    name: str
    folder: Path
    bench: Bench

    @property
    def handler(self) -> Path:
        """The handler's file."""
        return self.folder / (self.name.replace("-", "_") + ".py")

    def answers(self, text: str) -> None:
        """Changes one line of the handler."""
        body = f"def handler(event, context):\n    return {{'said': {text!r}, 'event': event}}\n"
        self.handler.write_text(body)

    def kit(self, *words: str) -> str:
        """Runs `lambdaimg --local WORDS`; what it printed."""
        return run([KIT, "--local", *words], self.folder, self.bench.env)


def run(command: list[str | Path], folder: Path, env: dict[str, str]) -> str:
    """Runs a command that must succeed; what it printed."""
    done = subprocess.run(
        list(map(str, command)), cwd=folder, env=env, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{command}: status {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


@contextmanager
def bench() -> Iterator[Bench]:
    """An embedded AWS, an empty folder, and at the end nothing of either.

    Raises:
        RuntimeError: no Docker engine answers.
    """
    from lambdaimg.local import server

    with tempfile.TemporaryDirectory(prefix="lambdaimg-bench-") as name:
        folder = Path(name)
        state = folder / "local"
        env = clean_environment() | {"LAMBDAIMG_LOCAL_HOME": str(state)}
        try:
            found = server.ensure_up(state, docker_host=env.get("DOCKER_HOST"))
            made = Bench(folder, env, server.environment(found))
            try:
                yield made
            finally:
                remove_images(made.names)
        finally:
            server.down(state)


def remove_images(names: list[str]) -> None:
    """Takes away what the bench's projects left in the engine; what others stand on stays."""
    import docker
    from docker.errors import APIError

    client: Any = docker.from_env()
    for name in names:
        for image in (*client.images.list(name=name), *client.images.list(name=f"*/{name}")):
            for reference in (*image.tags, *image.attrs["RepoDigests"]):
                with suppress(APIError):
                    client.images.remove(reference, force=True)
    client.close()


def say(text: str) -> None:
    """A line of progress, on stderr."""
    print(f"  {text}", file=sys.stderr, flush=True)
