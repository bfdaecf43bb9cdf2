"""Building an image: the context goes to the engine, the image's facts come back.

The engine's legacy builder does it over the Docker API; a Dockerfile that needs BuildKit, or an
engine without the legacy builder, goes to `buildx`. Either way the events are the same, and a
failed step ends in a `BuildError` with its output and its line.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from lambdaimg.cancel import Cancel
from lambdaimg.container import buildkit, legacy
from lambdaimg.container.bundle import leak
from lambdaimg.container.context import BuildContext, ContextSpec, names_build_folder, scan
from lambdaimg.container.dockerfile import PREDEFINED_ARGS, BuildKitReason, Dockerfile, parse
from lambdaimg.container.engine import LocalImage, local_image
from lambdaimg.container.events import BuildEvent, OnBuildEvent
from lambdaimg.container.job import Job
from lambdaimg.container.sources import sent
from lambdaimg.errors import BuildError, ProjectError

if TYPE_CHECKING:
    from docker import DockerClient

_SAME_ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True, slots=True)
class BuildSpec:
    """What is to be built.

    Attributes:
        project: folder of the context.
        tag: `name:tag` that the image is to have.
        dockerfile: relative to the project.
        build_args: values for `ARG`; those that the Dockerfile does not declare are not passed.
        platform: `linux/amd64` or `linux/arm64`.
        target: stage to build, None for the last.
        ca_bundle: PEM file that the builder stage is given; it never reaches the final image.
        labels: labels of the image.
        no_cache: run every step again.
    """

    project: Path
    tag: str
    dockerfile: str = "Dockerfile"
    build_args: Mapping[str, str] = field(default_factory=dict, repr=False)
    platform: str = "linux/amd64"
    target: str | None = None
    ca_bundle: Path | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    no_cache: bool = False


@dataclass(frozen=True, slots=True)
class BuiltImage:
    """What came of it.

    Attributes:
        id: `sha256:...`, the same as before where nothing changed.
        size: bytes, unpacked.
        layers: how many layers it has.
        new_layers: how many of them the image that had the tag before does not have.
        seconds: wall time.
    """

    id: str
    size: int
    layers: int
    new_layers: int
    seconds: float


def build(
    client: DockerClient,
    spec: BuildSpec,
    on_event: OnBuildEvent,
    *,
    host: str | None = None,
    cancel: Cancel | None = None,
) -> BuiltImage:
    """Build an image.

    Args:
        client: from `engine.connect`.
        spec: what to build.
        on_event: told of everything that happens, while it happens.
        host: the explicit host that `connect` was given, for the `docker` command.
        cancel: ends the build at once, at the engine too.

    Raises:
        InterruptedRunError: `cancel` ended it.
        ProjectError: something about the project's files; nothing was built.
        BuildError: a step failed, BuildKit is needed and not there, or the image is of another
            platform.
        NoEngineError, DockerError: the engine went away or failed.
    """
    started = time.monotonic()
    context = scan(ContextSpec(spec.project, spec.dockerfile, spec.ca_bundle))
    dockerfile = parse(context.dockerfile_text)
    _check(spec, dockerfile)
    before = local_image(client, spec.tag)
    job = _job(spec, context, dockerfile, cancel or Cancel())
    try:
        image_id = _run(client, spec, job, on_event, host)
    except BuildError as exc:
        base = str(exc.details.get("instruction", "")).partition("FROM ")[2]
        if base and _platform(native(client)) != _platform(spec.platform):
            exc.hint = other_platform(base.split()[0], spec.platform)
        raise
    image = local_image(client, image_id)
    if image is None:
        raise BuildError("The image was built, but the engine does not have it.", "Build it again.")
    check_platform(image, spec.platform)
    known = set(before.layers) if before else set()
    return BuiltImage(
        id=image.id,
        size=image.size,
        layers=len(image.layers),
        new_layers=sum(layer not in known for layer in image.layers),
        seconds=time.monotonic() - started,
    )


def check_platform(image: LocalImage, wanted: str) -> None:
    """Refuse an image that Lambda could not start on the architecture asked for.

    Raises:
        BuildError: the image is of another operating system or architecture.
    """
    if _platform(image.platform) == _platform(wanted):
        return
    raise BuildError(
        f"The image is for {image.platform}, but {wanted} was asked for; "
        "its first invocation would end in 'exec format error'.",
        hint="Set the architecture to the image's. Or: " + other_platform("BASE", wanted),
        platform=image.platform,
        wanted=wanted,
    )


def native(client: DockerClient) -> str:
    """The engine's own platform, such as `linux/amd64`."""
    facts = client.version()
    return f"{facts['Os']}/{facts['Arch']}"


def other_platform(base: str, platform: str) -> str:
    """How to build for another platform than the engine's."""
    return (
        f"Bring in the base image for {platform} (`docker pull --platform {platform} {base}`); "
        "its RUN steps need emulation where the engine runs (Debian: qemu-user-static and "
        "binfmt-support)."
    )


def _platform(text: str) -> tuple[str, str]:
    system, architecture, *_ = [*text.lower().split("/"), ""]
    return system, _SAME_ARCHITECTURE.get(architecture, architecture)


def _check(spec: BuildSpec, dockerfile: Dockerfile) -> None:
    if not dockerfile.stages:
        raise ProjectError(
            f"{spec.dockerfile} has no FROM instruction.",
            hint="The first instruction names the base image, as in FROM debian:trixie-slim.",
            file=spec.dockerfile,
        )
    if spec.target is not None and dockerfile.stage_number(spec.target) is None:
        raise ProjectError(
            f"{spec.dockerfile} has no stage named {spec.target}.",
            hint="Stages are named by FROM ... AS NAME.",
            file=spec.dockerfile,
        )
    leaking = leak(dockerfile, spec.target, spec.build_args) if spec.ca_bundle else None
    if leaking and names_build_folder(dockerfile):
        raise ProjectError(
            f"{spec.dockerfile}, line {leaking.line}: {leaking.text} would copy the CA bundle "
            "into the final image.",
            hint="Copy the function's files by name there, and the CA bundle in a builder stage "
            "alone, to an absolute path of its own.",
            file=spec.dockerfile,
            line=leaking.line,
        )


def _job(spec: BuildSpec, context: BuildContext, dockerfile: Dockerfile, cancel: Cancel) -> Job:
    declared = dockerfile.declared_args | PREDEFINED_ARGS
    return Job(
        context=sent(context, dockerfile, spec.build_args),
        dockerfile=dockerfile,
        tag=spec.tag,
        args={k: v for k, v in spec.build_args.items() if k in declared},
        platform=spec.platform,
        target=spec.target,
        labels=dict(spec.labels),
        no_cache=spec.no_cache,
        cancel=cancel,
    )


def _run(
    client: DockerClient, spec: BuildSpec, job: Job, on_event: OnBuildEvent, host: str | None
) -> str:
    reasons = job.dockerfile.buildkit_reasons
    required = next((reason for reason in reasons if reason.required), None)
    tool = buildkit.find_tool() if reasons else None
    if tool:
        return buildkit.run(tool, job, on_event, host)
    if required:
        raise _needs_buildkit(spec.dockerfile, required)
    try:
        return _legacy(client, job, on_event)
    except legacy.NoLegacyBuilderError as exc:
        tool = buildkit.find_tool()
        if tool is None:
            raise BuildError(
                "This Docker engine builds with BuildKit alone, and the `docker buildx` command "
                "that speaks to it is not installed.",
                hint=_INSTALL_BUILDX,
            ) from exc
        on_event(BuildEvent("warning", f"The engine has no legacy builder; using {tool.name}.\n"))
        return buildkit.run(tool, job, on_event, host)


# An image of the cache: the engine removes those without a name along with one that stands on them.
_LOST = re.compile(r'(unable to find image|No such image:) "?sha256:')


def _legacy(client: DockerClient, job: Job, on_event: OnBuildEvent) -> str:
    """The legacy builder; its cache does not tell platforms apart where there is no base image."""
    try:
        image_id = legacy.run(client, job, on_event)
    except BuildError as exc:
        if not _LOST.search(exc.message):
            raise
        on_event(BuildEvent("warning", "What it builds on was removed meanwhile; once more.\n"))
        image_id = legacy.run(client, job, on_event)
    if job.no_cache or not job.dockerfile.from_scratch(job.target):
        return image_id
    image = local_image(client, image_id)
    if image is None or _platform(image.platform) == _platform(job.platform):
        return image_id
    return legacy.run(client, replace(job, no_cache=True), on_event)


_INSTALL_BUILDX = (
    "Install the buildx plugin (Debian: docker-buildx, Docker's own packages: "
    "docker-buildx-plugin)."
)


def _needs_buildkit(file: str, reason: BuildKitReason) -> BuildError:
    return BuildError(
        f"{file}, line {reason.line}: {reason.what} needs BuildKit, and the `docker buildx` "
        "command is not installed.",
        hint=_INSTALL_BUILDX,
        file=file,
        line=reason.line,
    )
