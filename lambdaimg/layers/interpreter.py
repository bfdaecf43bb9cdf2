"""A program with all its libraries, as Debian has it, for the folder /opt of a layer.

The engine builds an image in which `share/layers/collect` puts together the folder /layer; its
files are read out of a container that is never started.
"""

from __future__ import annotations

import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING

from lambdaimg import share
from lambdaimg.container.builder import BuildSpec, build
from lambdaimg.container.events import BuildEvent
from lambdaimg.context import Context
from lambdaimg.errors import DockerError
from lambdaimg.layers.archive import Entry
from lambdaimg.layers.catalog import COLLECT

if TYPE_CHECKING:
    from docker import DockerClient

FOLDER = "/layer"
_IN_MEMORY = 32 * 1024 * 1024


def entries(ctx: Context, language: str) -> Iterator[Entry]:
    """Builds the interpreter of a language and gives its files.

    The build arguments of the settings hold: PACKAGES for further Debian packages, BASE_IMAGE.

    Raises:
        InterruptedRunError: the user interrupted, which ends the build.
        NoEngineError: there is no Docker engine.
        BuildError, DockerError: the build failed, or the engine did.
    """
    tag = f"lambdaimg-layer-{language}-{ctx.settings.architecture}"
    with tempfile.TemporaryDirectory(prefix="lambdaimg-") as name:
        folder = Path(name)
        shutil.copy(share.path(f"{language}/layer/Dockerfile"), folder / "Dockerfile")
        shutil.copy(share.path(COLLECT), folder / "collect")
        spec = BuildSpec(
            folder, tag, build_args=ctx.settings.build_args, platform=ctx.settings.platform
        )
        build(ctx.engine(), spec, lambda event: _show(ctx, event), cancel=ctx.stopping)
    yield from _files(ctx.engine(), tag)


def _show(ctx: Context, event: BuildEvent) -> None:
    if event.kind == "step":
        ctx.say(f"step {event.step}/{event.steps or '?'}: {event.text}")
    elif event.kind == "output" and event.text.strip():
        ctx.output(event.text)


def _files(engine: DockerClient, image: str) -> Iterator[Entry]:
    """The files below /layer of an image."""
    container = engine.containers.create(image, command=["true"])
    try:
        stream, _ = container.get_archive(FOLDER)
        with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as spool:
            for piece in stream:
                spool.write(piece)
            spool.seek(0)
            yield from _of_tar(spool)
    finally:
        container.remove(force=True)


def _of_tar(file: IO[bytes]) -> Iterator[Entry]:
    with tarfile.open(fileobj=file) as tar:
        for member in tar:
            if member.isdir():
                continue
            content = tar.extractfile(member) if member.isfile() or member.islnk() else None
            if content is None:
                raise DockerError(f"The interpreter has {member.name}, which is no plain file.")
            path = member.name.partition("/")[2]
            yield Entry(path, content.read(), bool(member.mode & 0o100))
