"""Projects for the tests of the fast path: deployed with an engine, then without one."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.container.conftest import write_tree
from tests.support.commandline import CommandLine, Result
from tests.support.docker_wire import name_of_any_call
from tests.support.endpoint import AwsEndpoint
from tests.support.proxy import CountingProxy

NO_ENGINE = {"DOCKER_HOST": "unix:///nowhere/docker.sock"}
DOCKERFILE = """\
FROM debian:trixie-slim
WORKDIR /var/task
CMD ["app.handler"]
ARG LAMBDA_MODULE
ARG LAMBDA_FOLDER
COPY ${LAMBDA_MODULE} /var/task/${LAMBDA_FOLDER}
"""
# Nothing but the files: quick to build and to push.
SCRATCH = 'FROM scratch\nCOPY app /app\nCMD ["/app/run"]\n'


@dataclass
class Machine:
    """A project's folder on some machine, whose AWS and registry answer behind a proxy."""

    folder: Path
    name: str
    proxy: CountingProxy
    aws: AwsEndpoint
    extra: dict[str, str] = field(default_factory=dict)

    def run(self, *words: str, **variables: str) -> Result:
        """`lambdaimg WORDS --json`."""
        command = CommandLine(self.folder, {**self.aws.variables, **self.extra})
        return command(*words, "--json", AWS_ENDPOINT_URL=self.proxy.url, **variables)

    def deploy(self, *words: str, **variables: str) -> dict[str, dict[str, Any]]:
        """`deploy` that ends well: target -> its outcome."""
        document = self.run("deploy", *words, **variables).ok().json()
        return {each["target"]: each for each in document["targets"]}

    def fast(self, *words: str) -> dict[str, dict[str, Any]]:
        """`deploy` with no engine within reach."""
        return self.deploy(*words, **NO_ENGINE)

    def write(self, files: Mapping[str, str]) -> None:
        """Writes files of the project."""
        write_tree(self.folder, files)

    def elsewhere(self, name: str) -> Machine:
        """The same sources on another machine, which has no records."""
        folder = self.folder.with_name(name)
        ignore = shutil.ignore_patterns(".lambdaimg")
        shutil.copytree(self.folder, folder, symlinks=True, ignore=ignore)
        return Machine(folder, self.name, self.proxy, self.aws, self.extra)

    def record(self, target: str) -> dict[str, Any]:
        """What a run left of a target."""
        (path,) = self.folder.glob(f".lambdaimg/*/{target}.json")
        found: dict[str, Any] = json.loads(path.read_text())
        return found

    def registry_calls(self, *methods: str) -> list[str]:
        """The registry's calls of some methods so far."""
        calls = [call for call in self.proxy.calls() if call.service == "registry"]
        return [call.operation for call in calls if call.method in methods]

    def tags(self) -> dict[str, str]:
        """Tag -> digest of the repository's images."""
        details = self.aws.client("ecr").describe_images(repositoryName=self.name)["imageDetails"]
        return {tag: each["imageDigest"] for each in details for tag in each.get("imageTags", ())}


Machines = Callable[..., Machine]


@pytest.fixture
def machine(
    tmp_path: Path,
    aws_local: AwsEndpoint,
    base_image: str,
    engine: Any,
    unique: Callable[[str], str],
) -> Iterator[Machines]:
    """`machine(files)` is a project of its own with these files."""
    names: list[str] = []
    with CountingProxy(aws_local.url, name_of_any_call) as proxy:

        def make(files: Mapping[str, str], dockerfile: str = SCRATCH, **settings: Any) -> Machine:
            name = unique("fast")
            folder = tmp_path / name
            folder.mkdir()
            names.append(name)
            lines = {"function_name": name, "image_name": name, "lambda_module": "app", **settings}
            toml = "".join(f"{key} = {json.dumps(value)}\n" for key, value in lines.items())
            own = {"Dockerfile": dockerfile, "lambdaimg.toml": toml, "policies": ""}
            write_tree(folder, {**own, **files})
            return Machine(folder, name, proxy, aws_local)

        yield make
    from docker.errors import APIError

    for image in [image for name in names for image in engine.images.list(name=f"{name}*")]:
        with suppress(APIError):
            engine.images.remove(image.id, force=True)
