"""What the image is made of: the project's files that it takes, and their hashes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from lambdaimg.context import PASSING, Context
from lambdaimg.make.decide import canonical, digest

if TYPE_CHECKING:
    from lambdaimg.container.context import BuildContext

SOURCE_LABEL = "lambdaimg.source"
# Of an image, as a part of a file's name.
LONGEST_NAME = 200
SETTINGS = (
    "image_name",
    "dockerfile",
    "build_args",
    "build_target",
    "architecture",
    "lambda_module",
)


class Sources(NamedTuple):
    """The files, and path -> hash of each."""

    context: BuildContext
    hashes: Mapping[str, str]


def build_arguments(ctx: Context) -> dict[str, str]:
    """The build arguments: the user's, the handler's, and its name where it is a folder."""
    module = ctx.settings.lambda_module
    own = {"LAMBDA_MODULE": module, "LAMBDA_FOLDER": ""}
    if ctx.path(module).is_dir():
        own["LAMBDA_FOLDER"] = Path(module).name
    return {**own, **ctx.settings.build_args}


def sources(ctx: Context) -> Sources:
    """What the image takes of the project; files that it does not take do not count."""

    def make() -> Sources:
        from lambdaimg.container.context import ContextSpec
        from lambdaimg.container.sources import made_of

        # The CA bundle is no part of it: it reaches no image, and each machine has its own.
        spec = ContextSpec(ctx.project, ctx.settings.dockerfile)
        taken = made_of(spec, ctx.settings.build_target or None, build_arguments(ctx))
        return Sources(taken, taken.hashes(cache=ctx.state_root / f"{in_files(ctx)}.cache"))

    return ctx.once(f"{PASSING}files {build_of(ctx)}", make)


def in_files(ctx: Context) -> str:
    """The image's name as a part of a file's."""
    return ctx.settings.image_name.replace("/", "_")[-LONGEST_NAME:]


def build_of(ctx: Context) -> str:
    """What tells the builds of a project's functions from one another."""
    settings = ctx.settings
    return repr((settings.dockerfile, settings.build_target, build_arguments(ctx)))


def files(ctx: Context) -> Mapping[str, str]:
    """Path -> hash of what the image is made of."""
    return sources(ctx).hashes


def inputs(ctx: Context) -> Mapping[str, str]:
    """All that the image takes from the project, as one hash."""

    def make() -> Mapping[str, str]:
        from lambdaimg.container.context import combined

        return {"build context": combined(files(ctx))}

    return ctx.once(f"{PASSING}build context {build_of(ctx)}", make)


def source(ctx: Context) -> str:
    """The hash of everything that the image is made of: the same on every machine."""
    made_of = (inputs(ctx)["build context"], *(ctx.setting(name) for name in SETTINGS))
    return digest(canonical(made_of))
