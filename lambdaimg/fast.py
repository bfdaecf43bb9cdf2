"""The fast path: a changed handler goes into the registry as a layer of its own, with no engine.

`made` makes the image of changed files from a base (`lambdaimg.fast_base`), which the record
names or, on another machine, a tag in the registry; `push` puts it into the registry.

Whatever is not certain does not apply (`why_not`), and the image is built as ever.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from lambdaimg import fast_base, made_of, repository, sizes
from lambdaimg.context import FAST_PATH, Context
from lambdaimg.errors import PushError, ResourceGoneError
from lambdaimg.make.target import Action, Done
from lambdaimg.parallel import at_once

if TYPE_CHECKING:
    from lambdaimg.container.extend import Documents
    from lambdaimg.container.layer import Layer
    from lambdaimg.container.registry import Registry

FILES_MAX = 100 << 20


@dataclass(frozen=True)
class Made:
    """An image made here; `known` tells that it is nothing new, by its record or the registry."""

    image: Documents
    layer: Layer
    base: fast_base.Base
    subject: fast_base.Subject
    source: str
    known: bool

    @property
    def fresh(self) -> bool:
        """Whether the registry need not be asked for it: this machine would have pushed it."""
        return self.base.recorded and not self.known

    @property
    def detail(self) -> str:
        """For the report."""
        again = "reproducible" if self.layer.reproducible else "reproducible by the same zlib"
        layers, size = len(self.image.layers()), sizes.text(len(self.layer.content))
        return f"1 of {layers} layers new, {size}, no engine, digest {again}"


# --- whether it applies -------------------------------------------------------------------------


def made(ctx: Context) -> Made | None:
    """The image of the sources as they are, made without an engine; None where that cannot be.

    Raises:
        ProjectError: a file of the project cannot be read.
        BuildError: one changed meanwhile.
    """
    found = _attempt(ctx)
    return None if isinstance(found, str) else found


def why_not(ctx: Context) -> str:
    """Why the fast path does not apply, for the report; '' where there is nothing to say."""
    found = _attempt(ctx)
    return found if isinstance(found, str) and found != fast_base.NO_BASE else ""


def hold(ctx: Context, image: Made) -> None:
    """Keeps what was made for the targets after it."""
    ctx.own[FAST_PATH] = image
    if not image.base.recorded:
        fast_base.record(ctx, image.subject, image.base.documents, "")


def _attempt(ctx: Context) -> Made | str:
    """The image, or why there is none."""

    def attempt() -> Made | str:
        if not ctx.fast:
            return ""
        from lambdaimg.container.lastcopy import UnfitError

        try:
            found = _make(ctx)
        except UnfitError as unfit:
            fast_base.note(ctx, f"does not apply: {unfit}")
            return str(unfit)
        fast_base.note(ctx, f"extends {found.base.documents.digest}, {found.subject.tag}")
        return found

    if FAST_PATH not in ctx.own:
        ctx.own[FAST_PATH] = attempt()
    found: Made | str = ctx.own[FAST_PATH]
    return found


def _make(ctx: Context) -> Made:
    from lambdaimg.container import extend
    from lambdaimg.container.lastcopy import UnfitError, placed
    from lambdaimg.container.layer import make_layer

    subject = fast_base.subject_of(ctx)
    base, source = fast_base.base_for(ctx, subject), made_of.source(ctx)
    there = fast_base.is_pushed(ctx, base, source)
    workdir = base.documents.workdir()
    entries = placed(subject.copy, subject.context.entries, workdir, base.facts.into)
    base.facts.refuse_new(entries)
    if sum(entry.size for entry in entries) > FILES_MAX:
        raise UnfitError(f"the files are more than {sizes.text(FILES_MAX)}")
    owners = {path: (user, group) for path, (_mode, user, group) in base.facts.folders.items()}
    layer = make_layer([*base.facts.above(), *entries], owners, base.facts.owner)
    documents = extend.image_of(base.documents, layer, {made_of.SOURCE_LABEL: source})
    image = ctx.records().read("image")
    known = there or (image is not None and image.value == documents.config_digest)
    return Made(documents, layer, base, subject, source, known)


# --- pushing ------------------------------------------------------------------------------------


def push(ctx: Context, uri: str, tag: str, again: bool) -> Done:
    """Puts the image that `made` gave into the registry.

    Args:
        uri: the repository.
        tag: the image's tag.
        again: also where the registry has an image of that tag.

    Raises:
        ResourceGoneError: the base is gone, or another one; the run starts over without it.
        PushError: the registry refused, or cannot be reached.
    """
    image = made(ctx)
    if image is None or image.image.config_digest != ctx.value("image"):
        raise _gone(ctx, "the image to extend is not what it was")

    def work(registry: Registry) -> Done:
        return _push(ctx, registry, uri, tag, image, again)

    return repository.with_registry(ctx, uri, work)


def _push(
    ctx: Context, registry: Registry, uri: str, tag: str, made_here: Made, again: bool
) -> Done:
    from lambdaimg.container.refusals import BLOB, IMMUTABLE

    image, layer = made_here.image, made_here.layer
    below = [str(each["digest"]) for each in image.layers()[:-1]]
    looks: list[Callable[[], Any]] = [partial(registry.manifest, tag)]
    looks += [partial(registry.has_blob, each) for each in below]
    there, *held = at_once(looks)
    if there is not None and not again:
        return _adopted(uri, there)
    if not all(held):
        raise _gone(ctx, "the registry lost a layer of the image to extend")
    blobs = ((layer.digest, layer.content), (image.config_digest, image.config))
    news = at_once([partial(registry.upload_blob, *blob) for blob in blobs])
    sent = sum(len(content) for (_, content), new in zip(blobs, news, strict=True) if new)
    try:
        registry.put_manifest(tag, image.media_type, image.manifest)
    except PushError as error:
        reason = error.details.get("reason")
        if reason == BLOB:
            raise _gone(ctx, "the registry lost a layer of the image to extend") from error
        held_now = registry.manifest(tag) if reason == IMMUTABLE else None
        if held_now is None:
            raise
        return _adopted(uri, held_now)
    told = f"{sizes.text(sent)} sent" if sent else "every layer there"
    return Done(f"{uri}@{image.digest}", Action.PUSHED, told)


def _adopted(uri: str, manifest: Any) -> Done:
    from lambdaimg.container.registry import check_manifest

    check_manifest(manifest, uri)
    return Done(f"{uri}@{manifest.digest}", Action.ADOPTED)


def _gone(ctx: Context, why: str) -> ResourceGoneError:
    """Has the run start over, and build."""
    ctx.records().void(fast_base.RECORD)
    ctx.own[fast_base.REFUSED] = why
    ctx.own.pop(FAST_PATH, None)
    sentence = f"{why[0].upper()}{why[1:]}."
    return ResourceGoneError(sentence, "Run the same command again.", target="image")
