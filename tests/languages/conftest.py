"""One scaffolded project and one image of test handlers per language, and ways to run it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lambdaimg.container.dial import dialer
from lambdaimg.container.engine import endpoint
from lambdaimg.emulator.containers import DockerExecutor
from lambdaimg.emulator.protocol import FunctionSpec
from tests.languages.language import Language, Rie, Served
from tests.support.commandline import CommandLine
from tests.support.endpoint import AwsEndpoint

KEPT = ("LAMBDAIMG_BUILD_CA_BUNDLE",)


@pytest.fixture(scope="class")
def language(request: pytest.FixtureRequest) -> Language:
    """The language of the test class."""
    found: Language = request.cls.language
    return found


@pytest.fixture(scope="class")
def scaffold(
    language: Language,
    run_id: str,
    base_image: str,
    aws_local: AwsEndpoint,
    engine: Any,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[CommandLine]:
    """The command in a project made by `init --lang`, its image built; all of it is local."""
    name = f"t-{run_id}-{language.name}"
    folder = tmp_path_factory.mktemp(language.name) / "project"
    folder.mkdir()
    kept = {key: os.environ[key] for key in KEPT if key in os.environ}
    command = CommandLine(folder, {**kept, "LAMBDAIMG_LOCAL": "1"})
    command("init", "--lang", language.name, "--name", name).ok()
    command("image").ok()
    yield command
    remove_image(engine, name)


@pytest.fixture(scope="class")
def image(
    language: Language,
    scaffold: CommandLine,
    run_id: str,
    engine: Any,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[str]:
    """The image of the scaffold with the test handlers in it."""
    folder = tmp_path_factory.mktemp("cases")
    tag = f"t-{run_id}-{language.name}-cases"
    if language.name == "cpp":
        shutil.copytree(scaffold.folder, folder, dirs_exist_ok=True)
        shutil.rmtree(folder / "src")
        shutil.copytree(language.cases, folder / "src")
    else:
        shutil.copytree(language.cases, folder / "cases")
        text = f"FROM {scaffold_image(scaffold)}\nCOPY cases/ /var/task/\n"
        (folder / "Dockerfile").write_text(text)
    engine.images.build(path=str(folder), tag=tag, rm=True)
    yield tag
    remove_image(engine, tag)


def scaffold_image(scaffold: CommandLine) -> str:
    """The name of the project's image."""
    shown = scaffold("settings", "--json").ok().json()["result"]
    return str(shown["image_name"]["value"])


def remove_image(engine: Any, name: str) -> None:
    """Removes an image of the tests' own."""
    from docker.errors import ImageNotFound

    try:
        engine.images.remove(name, force=True, noprune=True)
    except ImageNotFound:
        return


@pytest.fixture(scope="class")
def executor(engine: Any) -> DockerExecutor:
    """What starts containers as Lambda would."""
    return DockerExecutor(dialer(endpoint()))


Serve = Callable[..., Served]


@pytest.fixture(scope="class")
def serve(image: str, executor: DockerExecutor) -> Iterator[Serve]:
    """`serve(handler, timeout=...)` is the image as a function; the same one where asked again."""
    pools: dict[str, Served] = {}

    def make(handler: str, **settings: Any) -> Served:
        key = repr((handler, settings))
        if key not in pools:
            wanted = {"timeout": 60.0, "memory": 512, "max_environments": 1, **settings}
            spec = FunctionSpec("hello", image=image, command=(handler,), **wanted)
            pools[key] = Served(spec, executor)
        return pools[key]

    yield make
    for pool in pools.values():
        pool.close()


@pytest.fixture(scope="class")
def pool(serve: Serve, language: Language) -> Served:
    """The test handler as a function."""
    return serve(language.handler())


@pytest.fixture(scope="class")
def rie(engine: Any, image: str, rie_binary: Path) -> Iterator[Callable[..., Rie]]:
    """`rie(handler)` is the image behind AWS's own emulator; the same one where asked again."""
    running: dict[str, Rie] = {}

    def make(handler: str, **variables: str) -> Rie:
        key = repr((handler, variables))
        if key not in running:
            running[key] = Rie(engine, rie_binary, image, handler, variables)
        return running[key]

    yield make
    for each in running.values():
        each.close()
