"""`image`: the container image, built from the project's Dockerfile.

The image carries the hash of its sources as a label, so that an image which is already there
is adopted, with no record of it as well. Where it is wanted in the registry alone and only its
last layer is new, it is made without an engine (`lambdaimg.fast`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lambdaimg import fast, fast_base, sizes
from lambdaimg.context import PASSING, Context
from lambdaimg.errors import BuildError, NoEngineError, ProjectError
from lambdaimg.made_of import (
    SETTINGS,
    SOURCE_LABEL,
    build_arguments,
    files,
    in_files,
    inputs,
    source,
)
from lambdaimg.make.lock import exclusive
from lambdaimg.make.target import Action, Difference, Done, Observed, Target

if TYPE_CHECKING:
    from lambdaimg.container.events import BuildEvent

# The services of the targets after the image.
AFTERWARDS = ("ecr", "lambda")


def check_project(ctx: Context) -> None:
    """Refuses a project without a Dockerfile, or without the handler that it copies.

    Raises:
        ProjectError: a file is missing.
    """
    dockerfile = ctx.path(ctx.settings.dockerfile)
    if dockerfile.is_dir():
        name = ctx.settings.dockerfile.rstrip("/")
        raise ProjectError(
            f"{name} is a folder, not a Dockerfile.",
            hint=f"Name the file in it with dockerfile, such as {name}/Dockerfile.",
        )
    if not dockerfile.is_file():
        raise ProjectError(
            f"There is no {ctx.settings.dockerfile} in {ctx.project}.",
            hint="Run `lambdaimg init`, or name yours with dockerfile.",
        )
    module = ctx.settings.lambda_module
    try:
        names_module = b"LAMBDA_MODULE" in dockerfile.read_bytes()
    except OSError as error:
        raise ProjectError(
            f"Cannot read {dockerfile}: {error.strerror}.",
            hint="Look at its owner and permissions.",
        ) from error
    if names_module and not ctx.path(module).exists():
        raise ProjectError(
            f"There is no handler {module} in {ctx.project}.",
            hint="Write it, or name yours with lambda_module (LAMBDA_MODULE).",
        )
    ca_bundle = ctx.settings.build_ca_bundle
    if ca_bundle and not ctx.path(ca_bundle).is_file():
        raise ProjectError(
            f"There is no CA bundle {ca_bundle} (from {ctx.settings.source('build_ca_bundle')}).",
            hint="Name a file of certificates with build_ca_bundle, or leave it empty.",
        )


def engine_answers(ctx: Context) -> None:
    """Refuses a machine without an engine, where one is needed.

    Raises:
        NoEngineError: none answers.
    """
    if fast.made(ctx) is not None:
        return
    from lambdaimg.container.look import image_exists

    with needed(ctx):
        image_exists(ctx.settings.image_name)


@contextmanager
def needed(ctx: Context) -> Iterator[None]:
    """Lets the error of a missing engine say why one is needed."""
    try:
        yield
    except NoEngineError as error:
        if reason := fast.why_not(ctx):
            error.hint += f" It is needed because {reason}."
        raise


def misnamed(ctx: Context) -> str:
    """A warning where the image's CMD names another module than the handler; '' for none."""
    from lambdaimg.container.dockerfile import parse

    module = Path(ctx.settings.lambda_module).name.partition(".")[0]
    if ctx.settings.command or not module.isidentifier():
        return ""
    file = ctx.settings.dockerfile
    dockerfile = parse(ctx.path(file).read_text(encoding="utf-8"))
    named = dockerfile.command(ctx.settings.build_target or None)
    copied = any(
        instruction.keyword == "COPY" and "LAMBDA_MODULE" in instruction.args
        for instruction in dockerfile.of_image(ctx.settings.build_target or None)
    )
    if not named or not copied or re.split(r"[./]", named[0])[0] == module:
        return ""
    return f"CMD of {file} names {named[0]}, but the handler is {ctx.settings.lambda_module}"


def find_image(ctx: Context) -> Observed | None:
    """The image of that name, if it was built from these very sources; or what is made here."""
    if (made := fast.made(ctx)) is not None:
        new = Difference("last layer", "", made.layer.digest[:19], here=True)
        open_ = () if made.known else (new,)
        return Observed(made.image.config_digest, open_, made.detail, made, kept_of(made))
    from lambdaimg.container.engine import local_image

    with needed(ctx):
        engine = ctx.engine()
    found = local_image(engine, ctx.settings.image_name)
    if found is None or found.labels.get(SOURCE_LABEL) != source(ctx):
        return None
    return Observed(found.id, detail=sizes.text(found.size), extra={"source": source(ctx)})


def kept_of(made: fast.Made) -> dict[str, Any]:
    """What the record of an image keeps that was made here."""
    return {"source": made.source, "forced": False, "fast": True}


def make_image(ctx: Context, made: fast.Made, taken: Mapping[str, str]) -> Done:
    """Takes the image that was made without an engine, unless its files changed meanwhile."""
    ctx.renew()
    refuse_changed(ctx, made.source, taken)
    # What was made is still right, and `deploy` needs it.
    fast.hold(ctx, made)
    return Done(made.image.config_digest, Action.BUILT, made.detail, kept_of(made))


def refuse_changed(ctx: Context, made_of: str, taken: Mapping[str, str]) -> None:
    """Refuses files that are no longer those of which the image was made.

    Raises:
        BuildError: one changed.
    """
    if source(ctx) == made_of:
        return
    changed = sorted(k for k in {*taken, *files(ctx)} if taken.get(k) != files(ctx).get(k))
    raise BuildError(
        f"{changed[0]} changed while the image was built.",
        hint="Run the same command again; if something writes to it all the time, and the "
        "image does not need it, list it in .dockerignore.",
        files=changed,
    )


def build_image(ctx: Context, observed: Observed | None) -> Done:
    """Builds the image, unless another run of the project just did; its output shows as it runs.

    Two builds at the same time would take the name from one another.
    """
    if observed is not None and isinstance(observed.facts, fast.Made):
        return make_image(ctx, observed.facts, files(ctx))
    waited: list[str] = []

    def on_wait(who: str) -> None:
        waited.append(who)
        ctx.say(f"after {who}")

    lock = ctx.state_root / f"build-{in_files(ctx)}.lock"
    with exclusive(lock, ctx.settings.lock_wait, on_wait, ctx.waiter.sleep):
        there = find_image(ctx) if waited and "image" not in ctx.forced else None
        if there is not None:
            return Done(there.value, Action.ADOPTED, there.detail, there.extra)
        return build_now(ctx)


def build_now(ctx: Context) -> Done:
    """Builds the image."""
    from lambdaimg.container.builder import BuildSpec, build
    from lambdaimg.container.events import WholeLines

    forced, made_of, taken = "image" in ctx.forced, source(ctx), files(ctx)
    reason = fast.why_not(ctx)
    ca_bundle = ctx.settings.build_ca_bundle

    lines = WholeLines(ctx.output)

    def on_event(event: BuildEvent) -> None:
        if event.kind == "output":
            lines.add(event.text)
            return
        if event.kind != "pull":
            lines.end()
        if event.kind == "step":
            ctx.say(f"step {event.step}/{event.steps or '?'}: {event.text}")
        elif event.kind == "warning" and event.text.strip():
            ctx.output(event.text)
        elif event.kind == "pull" and event.total:
            ctx.say(f"pulling {event.id}: {event.current or 0:,} of {event.total:,} bytes")

    spec = BuildSpec(
        project=ctx.project,
        dockerfile=ctx.settings.dockerfile,
        tag=ctx.settings.image_name,
        build_args=build_arguments(ctx),
        platform=ctx.settings.platform,
        target=ctx.settings.build_target or None,
        ca_bundle=Path(ctx.path(ca_bundle)) if ca_bundle else None,
        labels={SOURCE_LABEL: made_of},
        no_cache=forced,
    )
    fast_base.built(ctx)
    if ctx.onward:
        ctx.make_clients(*AFTERWARDS)
    try:
        built = build(ctx.engine(), spec, on_event, cancel=ctx.stopping)
    finally:
        lines.end()
    ctx.renew()
    try:
        refuse_changed(ctx, made_of, taken)
    except BuildError:
        # Its label names sources that it was not made of: nobody may adopt it.
        remove_image(ctx, built.id)
        raise
    news = f"{built.new_layers} of {built.layers} layers new, digest not reproducible"
    if reason:
        news += f"; built because {reason}"
    if wrong := misnamed(ctx):
        ctx.output(f"Warning: {wrong}. Name MODULE.FUNCTION there, or with the setting command.\n")
        news += f"; {wrong}"
    extra = {"source": made_of, "forced": forced}
    return Done(built.id, Action.BUILT, f"{sizes.text(built.size)}, {news}", extra)


def foresee(ctx: Context) -> Mapping[str, Any]:
    """What the image's record would keep: by it, `deploy` knows what it would push."""
    return {"source": source(ctx), "forced": "image" in ctx.forced}


def is_there(ctx: Context, value: str) -> bool | None:
    """Whether the engine still has the image; one made without it has its place in the registry."""
    record = ctx.records().read("image")
    if record is not None and record.value == value and record.extra.get("fast"):
        return ctx.settings.fast
    from lambdaimg.container.look import image_exists

    return ctx.once(f"{PASSING}image {value}", lambda: image_exists(value))


def remove_image(ctx: Context, value: str) -> None:
    """Removes the image from the engine; where it has names of others too, only its own name."""
    from docker.errors import ImageNotFound

    from lambdaimg.container.engine import local_image

    image = local_image(ctx.engine(), value)
    if image is None:
        return
    own = local_image(ctx.engine(), ctx.settings.image_name)
    named_here = own is not None and own.id == image.id
    try:
        if len(image.tags) > named_here:
            if named_here:
                ctx.engine().images.remove(ctx.settings.image_name)
        else:
            ctx.engine().images.remove(value, force=True)
    except ImageNotFound:
        return


def take_away(ctx: Context, value: str) -> None:
    """Removes the image; of one that was made without an engine, what was built before it."""
    from lambdaimg.container.engine import local_image

    if local_image(ctx.engine(), value) is None:
        own = local_image(ctx.engine(), ctx.settings.image_name)
        value = own.id if own is not None and SOURCE_LABEL in own.labels else value
    remove_image(ctx, value)


IMAGE: Target[Context] = Target(
    name="image",
    help="Build the container image from the project's Dockerfile",
    uses=SETTINGS,
    inputs=inputs,
    check=check_project,
    ready=engine_answers,
    alive=is_there,
    observe=find_image,
    act=build_image,
    remove=take_away,
    owned=lambda _ctx, _observed: True,
    foresee=foresee,
    again=True,
    here=True,
)
