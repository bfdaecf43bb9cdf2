"""What the fast path extends: an image that was built and pushed, registered as a base.

After a push of an image that was built, `register` stores a base beside it: the same image under
the tag `base-<hash of everything but the files of the last COPY>`, with a label that says what
the COPY's layer holds. It does so only where the layer that the engine made is, name by name,
the one that the kit makes of the same files. `base_for` finds it again, by this machine's record
or by the tag.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from lambdaimg import made_of, repository, sizes
from lambdaimg.aws.retention import BASE_TAG, SOURCE_TAG
from lambdaimg.context import Context
from lambdaimg.errors import LambdaimgError, PushError
from lambdaimg.make.decide import canonical, digest
from lambdaimg.make.store import Sentinel
from lambdaimg.secrets import secret_values, tells

if TYPE_CHECKING:
    from lambdaimg.container.context import BuildContext
    from lambdaimg.container.dockerfile import Dockerfile
    from lambdaimg.container.extend import Documents, Facts
    from lambdaimg.container.lastcopy import LastCopy
    from lambdaimg.container.registry import Registry

RECORD = "fast"
REFUSED = "fast path refused"
SCHEMA = 1
LAYER_MAX = 64 << 20
CONFIG_MAX = 2 << 20
ANY = "any"
NOT_PUSHED = "the engine has built an image that no such run pushed"
NO_BASE = "no image that could be extended was pushed yet"
T = TypeVar("T")


@dataclass(frozen=True)
class Subject:
    """What the project's files say: the last COPY, and `key`, the hash of everything else."""

    copy: LastCopy
    dockerfile: Dockerfile
    context: BuildContext
    key: str

    @property
    def tag(self) -> str:
        """The tag under which its base stands."""
        return f"{BASE_TAG}{self.key}"


@dataclass(frozen=True)
class Base:
    """What is extended; `recorded` tells that this machine's record names it."""

    documents: Documents
    facts: Facts
    recorded: bool


def note(ctx: Context, text: str) -> None:
    """Tells `--debug` what was decided."""
    if ctx.calls is not None:
        from lambdaimg.calls import Call

        ctx.calls.add(Call("fast path", text, 0.0))


def subject_of(ctx: Context) -> Subject:
    """What the project's files say. Raises: UnfitError."""
    from lambdaimg.container.dockerfile import parse
    from lambdaimg.container.lastcopy import last_copy
    from lambdaimg.container.sources import taken

    context, hashes = made_of.sources(ctx)
    arguments = made_of.build_arguments(ctx)
    dockerfile = parse(context.dockerfile_text)
    copy = last_copy(dockerfile, ctx.settings.build_target or None, arguments)
    others = {entry.path for entry in taken(context.entries, copy.others)} | {context.dockerfile}
    kinds = {entry.path: entry.kind for entry in context.entries}
    parts = (
        SCHEMA,
        *(text for path, text in hashes.items() if path in others),
        *((source, kinds.get(source, "dir")) for source in copy.sources),
        *(ctx.setting(name) for name in made_of.SETTINGS),
        arguments,
    )
    return Subject(copy, dockerfile, context, digest(canonical(parts)))


def base_for(ctx: Context, subject: Subject) -> Base:
    """The base of a subject. Raises: UnfitError."""
    return _recorded(ctx, subject) or _found(ctx, subject)


def _recorded(ctx: Context, subject: Subject) -> Base | None:
    """The base that the record names. Raises: UnfitError."""
    from lambdaimg.container.extend import Documents, checked
    from lambdaimg.container.lastcopy import UnfitError

    if reason := ctx.own.get(REFUSED):
        raise UnfitError(reason)
    kept, image = ctx.records().read(RECORD), ctx.records().read("image")
    built_here = image.value if image is not None and not image.extra.get("fast") else None
    pushed = kept is not None and (not kept.value or kept.extra.get("image") == built_here)
    if built_here is not None and not pushed:
        # What is newer below, and was perhaps asked for, must not be lost.
        raise UnfitError(NOT_PUSHED)
    if kept is None or kept.inputs.get("base") not in (subject.key, ANY):
        return None
    if not kept.value:
        raise UnfitError(str(kept.extra.get("why")))
    if "config" not in kept.extra:
        return _of_registry(ctx, lambda registry: _read(registry, kept.value, recorded=True))
    manifest, config = (str(kept.extra.get(each)).encode() for each in ("manifest", "config"))
    documents = Documents(str(kept.extra.get("media_type")), manifest, config)
    return _base(checked(documents), recorded=True)


def _found(ctx: Context, subject: Subject) -> Base:
    """The base that another machine registered. Raises: UnfitError."""
    return _of_registry(ctx, lambda registry: _read(registry, subject.tag, recorded=False))


def is_pushed(ctx: Context, base: Base, source: str) -> bool:
    """Whether the sources are those of the base itself, whose image is in the registry.

    That image is the engine's: what is made here would be another one of the same files.

    Raises:
        UnfitError: it is not there, so that the engine has to push it.
    """
    from lambdaimg.container.lastcopy import UnfitError

    if base.documents.label(made_of.SOURCE_LABEL) != source:
        return False
    tag = f"{SOURCE_TAG}{source}"
    if not _of_registry(ctx, lambda registry: registry.manifest(tag) is not None):
        raise UnfitError("its files are those of the image that the engine built")
    return True


def _of_registry(ctx: Context, work: Callable[[Registry], T]) -> T:
    """What `work` makes of the repository. Raises: UnfitError."""
    from lambdaimg.container.lastcopy import UnfitError

    try:
        described = repository.describe_ahead(ctx)
        if described is None:
            raise UnfitError(NO_BASE)
        uri = ctx.repository_uri(described["repositoryUri"])
        return repository.with_registry(ctx, uri, work)
    except LambdaimgError as error:
        raise UnfitError(f"the registry gave no answer: {error.message}") from error


def _read(registry: Registry, reference: str, recorded: bool) -> Base:
    from lambdaimg.container.lastcopy import UnfitError

    documents = _documents(registry, reference)
    if documents is None:
        raise UnfitError(NO_BASE)
    return _base(documents, recorded)


def _documents(registry: Registry, reference: str) -> Documents | None:
    """The documents of an image in the registry. Raises: UnfitError: a part of them is lost."""
    from lambdaimg.container.extend import Documents, checked
    from lambdaimg.container.lastcopy import UnfitError

    manifest = registry.manifest(reference)
    if manifest is None:
        return None
    config = registry.blob(str((manifest.content.get("config") or {}).get("digest")))
    if config is None:
        raise UnfitError("the registry lost a part of the image to extend")
    return checked(Documents(manifest.media_type, manifest.body, config))


def _base(documents: Documents, recorded: bool) -> Base:
    from lambdaimg.container.extend import LABEL, Facts

    return Base(documents, Facts.read(documents.label(LABEL)), recorded)


def built(ctx: Context) -> None:
    """Notes that the engine built an image, which may be newer below than what was pushed.

    Until it is pushed and registered, nothing older is extended.
    """
    if ctx.records_open:
        extra = {"why": NOT_PUSHED}
        ctx.records().write(Sentinel(RECORD, "", {"base": ANY}, extra=extra))


def unregistered(ctx: Context) -> str:
    """The tag of the base that `register` would store; '' where there is nothing to do."""
    from lambdaimg.container.lastcopy import UnfitError

    if not ctx.fast or ctx.kept("image", "fast"):
        return ""
    try:
        subject = subject_of(ctx)
    except UnfitError:
        return ""
    kept = ctx.records().read(RECORD)
    asked = kept is not None and kept.extra.get("image") == ctx.value("image")
    return "" if kept and asked and kept.inputs.get("base") == subject.key else subject.tag


def register(ctx: Context, uri: str) -> None:
    """Stores what the next change of the handler extends; a failure only costs that.

    Args:
        uri: the image in the registry, by digest.
    """
    from lambdaimg.container.lastcopy import UnfitError

    if not ctx.fast:
        return
    try:
        subject = subject_of(ctx)
    except UnfitError as unfit:
        note(ctx, f"will not apply: {unfit}")
        return
    name, _, wanted = uri.rpartition("@")
    try:
        base = repository.with_registry(
            ctx, name, lambda registry: _registered(ctx, registry, wanted, subject)
        )
    except UnfitError as unfit:
        note(ctx, f"will not apply: {unfit}")
        record(ctx, subject, None, str(unfit))
    except LambdaimgError as error:
        note(ctx, f"will not apply: {error.message}")
    else:
        record(ctx, subject, base, "")


def record(ctx: Context, subject: Subject, base: Documents | None, why: str) -> None:
    """Records what a later run extends, or why nothing can be; `why` is empty where it can.

    What the engine notes of a build may tell its arguments: then the record has the digest alone,
    and a later run reads the rest from the registry.
    """
    import json

    extra: dict[str, Any] = {"image": ctx.values.get("image", ""), "why": why}
    secrets = secret_values(ctx.settings, ctx.environ)
    if base is not None and not tells(json.loads(base.config), secrets):
        texts = {"manifest": base.manifest.decode(), "config": base.config.decode()}
        extra |= {"media_type": base.media_type, **texts}
    value = base.digest if base is not None else ""
    ctx.records().write(Sentinel(RECORD, value, {"base": subject.key}, extra=extra))


def _registered(ctx: Context, registry: Registry, wanted: str, subject: Subject) -> Documents:
    """The base of a pushed image, once it is in the registry. Raises: UnfitError."""
    from lambdaimg.container.extend import base_of
    from lambdaimg.container.lastcopy import UnfitError

    pushed = _documents(registry, wanted)
    if pushed is None:
        raise UnfitError("the registry does not give what was pushed")
    if pushed.label(made_of.SOURCE_LABEL) != made_of.source(ctx):
        raise UnfitError("the image that was pushed is of other sources")
    last = pushed.layers()[-1]
    if int(last.get("size", 0)) > LAYER_MAX:
        raise UnfitError(f"the last layer is more than {sizes.text(LAYER_MAX)}")
    content = registry.blob(str(last["digest"]))
    if content is None:
        raise UnfitError("the registry does not give what was pushed")
    _refuse_onbuild(ctx, pushed, subject)
    base = base_of(pushed, _facts(pushed, content, subject))
    if len(base.config) > CONFIG_MAX:
        raise UnfitError("the files are too many")
    return _stored(registry, base, subject.tag)


def _stored(registry: Registry, base: Documents, tag: str) -> Documents:
    """The base, or the one that has its place already and gives the same images."""
    from lambdaimg.container.extend import alike
    from lambdaimg.container.lastcopy import UnfitError
    from lambdaimg.container.refusals import IMMUTABLE

    try:
        there = _documents(registry, tag)
    except UnfitError:
        there = None  # damaged, and replaced now
    if there is not None and alike(there, base, made_of.SOURCE_LABEL):
        return there
    registry.upload_blob(base.config_digest, base.config)
    try:
        registry.put_manifest(tag, base.media_type, base.manifest)
    except PushError as error:
        if error.details.get("reason") != IMMUTABLE:
            raise
        # What stands there has other layers, and stays: this machine keeps to its own.
        registry.put_manifest(f"{tag}-{base.digest[7:19]}", base.media_type, base.manifest)
    return base


def _facts(pushed: Documents, content: bytes, subject: Subject) -> Facts:
    """What the layer that was built says. Raises: UnfitError: it is not what we would make."""
    from lambdaimg.container.extend import destination, facts_of
    from lambdaimg.container.lastcopy import UnfitError, placed
    from lambdaimg.container.layer import make_layer, read_layer

    held, workdir = read_layer(content), pushed.workdir()
    to = destination(pushed, subject.copy.destination)
    refused: UnfitError | None = None
    for into in (True, False):
        try:
            entries = placed(subject.copy, subject.context.entries, workdir, into)
            ours = read_layer(make_layer(entries, {}, (0, 0)).content)
            return facts_of(held, ours, to, into)
        except UnfitError as unfit:
            refused = refused or unfit
    raise refused or UnfitError("the last layer is not the COPY's")


def _refuse_onbuild(ctx: Context, pushed: Documents, subject: Subject) -> None:
    """Refuses a base image that may copy files by itself, which nothing here would notice.

    Raises:
        UnfitError: it does, or nobody can tell.
    """
    from lambdaimg.container.extend import copies_more
    from lambdaimg.container.lastcopy import UnfitError
    from lambdaimg.container.variables import substitute, with_variables

    target = ctx.settings.build_target or None
    steps = subject.dockerfile.of_image(target)
    first = min(subject.dockerfile.ancestry(target))
    outside = with_variables(subject.dockerfile, made_of.build_arguments(ctx))
    name = next(
        substitute(step.args.split()[0], values)
        for step, values in outside
        if step.keyword == "FROM" and step.stage == first
    )
    if name == "scratch":
        return
    from docker.errors import DockerException

    try:
        api: Any = ctx.engine().api
        config = api.inspect_image(name)["Config"] if name else None
    except DockerException:
        config = None
    if config is not None and not config.get("OnBuild"):
        return
    known = sum(step.keyword in ("COPY", "ADD") for step in steps)
    if config is not None or copies_more(pushed, known, scratch=False):
        raise UnfitError("its base image may copy files by itself (ONBUILD)")
