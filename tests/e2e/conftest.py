"""Projects for the end-to-end tests, each with names of its own on the worker's embedded AWS."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from docker.errors import APIError, NotFound

from tests.support.commandline import CommandLine, Result
from tests.support.endpoint import AwsEndpoint

SQS_POLICY = "arn:aws:iam::aws:policy/service-role/AWSLambdaSQSQueueExecutionRole"


@dataclass(frozen=True)
class Project:
    """A scaffolded project and the command in it, against the embedded AWS."""

    name: str
    folder: Path
    aws: AwsEndpoint
    command: CommandLine

    @property
    def module(self) -> str:
        """The handler's file."""
        return self.name.replace("-", "_") + ".py"

    @property
    def arn(self) -> str:
        """The function's ARN."""
        return f"arn:aws:lambda:{self.aws.region}:{self.aws.account}:function:{self.name}"

    def __call__(self, *words: str | Path, **more: Any) -> Result:
        """`lambdaimg --local WORDS` in the project."""
        return self.command("--local", *words, **more)

    def actions(self, *words: str | Path) -> dict[str, str]:
        """What became of each target, of a run that ends well."""
        document = self(*words, "--json").ok().json()
        return {target["target"]: target["action"] for target in document["targets"]}

    def set(self, name: str, line: str) -> None:
        """Replaces a line of the settings file, or puts it at the top."""
        path = self.folder / "lambdaimg.toml"
        lines = [x for x in path.read_text().splitlines() if not x.startswith(f"{name} =")]
        path.write_text("\n".join([line, *lines]) + "\n")

    def add_policy(self, arn: str) -> None:
        """Lists a policy."""
        path = self.folder / "policies"
        path.write_text(path.read_text() + arn + "\n")

    def answers(self, text: str) -> None:
        """Makes the handler answer `text`: a change of one line."""
        (self.folder / self.module).write_text(
            f"def handler(event, context):\n    return {{'said': {text!r}, 'event': event}}\n"
        )


@pytest.fixture(scope="session")
def e2e_variables() -> dict[str, str]:
    """What the command needs to know of the machine to build images."""
    kept = ("LAMBDAIMG_BUILD_CA_BUNDLE",)
    return {name: os.environ[name] for name in kept if name in os.environ}


@pytest.fixture
def new_project(
    tmp_path: Path,
    aws_local: AwsEndpoint,
    base_image: str,
    engine: Any,
    e2e_variables: dict[str, str],
) -> Iterator[Callable[..., Project]]:
    """`new_project()` runs `lambdaimg init --name NAME` in a folder of its own."""
    made: list[Project] = []

    def make() -> Project:
        name = f"t-{uuid.uuid4().hex[:10]}"
        folder = tmp_path / name
        folder.mkdir()
        command = CommandLine(folder, e2e_variables)
        command("init", "--name", name).ok()
        made.append(Project(name, folder, aws_local, command))
        return made[-1]

    yield make
    functions = aws_local.client("lambda")
    for project in made:
        with suppress(functions.exceptions.ResourceNotFoundException):
            functions.delete_function(FunctionName=project.name)
        remove_images(engine, project.name)


def remove_images(engine: Any, name: str) -> None:
    """Removes a project's images, once the containers of its deleted function are gone."""
    for image in engine.images.list(name=name):
        for container in engine.containers.list(
            ignore_removed=True, all=True, filters={"ancestor": image.id}
        ):
            with suppress(NotFound, APIError):
                container.remove(force=True)
        for tag in (tag for tag in image.tags if f"{name}:" in tag):
            with suppress(NotFound, APIError):
                engine.images.remove(tag, force=True, noprune=True)


@pytest.fixture
def project(new_project: Callable[..., Project]) -> Project:
    """A scaffolded project."""
    return new_project()
