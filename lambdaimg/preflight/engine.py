"""Checks of the Docker engine: there, new enough, of the right kind, with space and base image."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lambdaimg import sizes
from lambdaimg.container import buildkit
from lambdaimg.container.dockerfile import parse
from lambdaimg.container.engine import local_image
from lambdaimg.container.variables import base_images
from lambdaimg.context import Context
from lambdaimg.preflight.finding import Finding, failed, passed, unknown

OLDEST_API = (1, 40)
LITTLE_SPACE = 2 * 1000 * 1000 * 1000
LARGEST_IMAGE = 10 * 1024 * 1024 * 1024
SAME = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}


def check_engine(ctx: Context) -> Iterator[Finding]:
    """The engine, its version and its architecture."""
    api: Any = ctx.engine().api
    version = api.version()
    number = tuple(map(int, api.api_version.split(".")))
    text = f"Docker {version.get('Version', '?')}, API {api.api_version}"
    if number < OLDEST_API:
        yield failed("engine", text, "Update Docker: API 1.40 (Docker 19.03) is the oldest.")
    else:
        yield passed("engine", text)
    have, want = (
        SAME.get(str(version.get("Arch")), str(version.get("Arch"))),
        ctx.settings.architecture,
    )
    if have == want:
        yield passed("architecture", f"engine and function are {want}")
    else:
        yield unknown(
            "architecture",
            f"the engine is {have}, the function {want}: builds need emulation",
            "Install binfmt support for the other architecture, or set architecture.",
        )


def check_space(ctx: Context) -> Iterator[Finding]:
    """The space that the engine has for images, where its folder is on this machine."""
    root = Path(str(ctx.engine().info().get("DockerRootDir") or ""))
    host = str(ctx.engine().api.base_url)
    if not host.startswith(("http+docker://", "http+unix", "unix")) or not root.is_dir():
        yield unknown("engine space", "the engine's disk is not on this machine")
        return
    free = shutil.disk_usage(root).free
    if free < LITTLE_SPACE:
        text = f"only {sizes.text(free)} free in {root}"
        yield failed("engine space", text, "See `docker system df` and `docker image prune`.")
    else:
        yield passed("engine space", f"{sizes.text(free)} free in {root}")


def check_build(ctx: Context) -> Iterator[Finding]:
    """The base images, and BuildKit where the Dockerfile needs it."""
    dockerfile = parse(ctx.path(ctx.settings.dockerfile).read_text("utf-8", "replace"))
    required = [reason for reason in dockerfile.buildkit_reasons if reason.required]
    if required and buildkit.find_tool() is None:
        yield failed(
            "builder",
            f"line {required[0].line} of the Dockerfile needs BuildKit ({required[0].what})",
            "Install the docker command's buildx plugin.",
        )
    else:
        yield passed("builder", "the engine can build the Dockerfile")
    for name in base_images(dockerfile, ctx.settings.build_args):
        if name is None:
            yield unknown("base image", "a FROM of the Dockerfile names it by an unknown variable")
        elif local_image(ctx.engine(), name) is not None:
            yield passed("base image", f"{name} is in the engine")
        else:
            text = f"{name} is not in the engine; the build will pull it"
            yield unknown("base image", text, f"`docker pull {name}` tells whether it can.")


def check_size(ctx: Context) -> Iterator[Finding]:
    """The size of the image, if it is built."""
    image = local_image(ctx.engine(), ctx.settings.image_name)
    if image is None:
        yield unknown("image size", "the image is not built yet", "Run `lambdaimg image`.")
    elif image.size > LARGEST_IMAGE:
        text = f"{sizes.text(image.size)}; Lambda takes 10 GB, unpacked"
        yield failed("image size", text, "Leave out what the function does not need.")
    else:
        yield passed("image size", f"{sizes.text(image.size)} of the 10 GB that Lambda takes")
