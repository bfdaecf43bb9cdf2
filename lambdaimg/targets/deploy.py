"""`deploy`: the image in the registry, by digest.

The image is pushed under a tag made from the hash of its sources. A repository that has that tag
has these sources already, whoever pushed them from wherever: the digest behind it is adopted.
Of an image that was built anew from the same sources (`image --force`) only the very same is.
An image that was made without an engine is put there without one (`lambdaimg.fast`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from lambdaimg import fast, fast_base, sizes
from lambdaimg.aws.retention import SOURCE_TAG
from lambdaimg.context import Context
from lambdaimg.errors import PushError, ResourceGoneError
from lambdaimg.make.lock import exclusive
from lambdaimg.make.target import Action, Difference, Done, Observed, Target
from lambdaimg.repository import registry_auth

if TYPE_CHECKING:
    from lambdaimg.container.events import PushEvent
    from lambdaimg.container.push import PushedImage

LOCK_NAME = "push.lock"
# What a push found missing, and the target that makes it.
GONE = {"image": "image", "repository": "ecr-repo"}
MEDIA_TYPES = (
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
)


def forced(ctx: Context) -> bool:
    """Whether the image was built anew from sources of which there may be another image."""
    return bool(ctx.kept("image", "forced"))


def tags_of(ctx: Context) -> tuple[str, ...]:
    """The tags under which the image may stand in the repository, the one to push to first."""
    plain = f"{SOURCE_TAG}{ctx.kept('image', 'source')}"
    if not forced(ctx):
        return (plain,)
    own = f"{plain}-{ctx.value('image').removeprefix('sha256:')[:12]}"
    return (own, plain) if ctx.settings.immutable_tags else (plain, own)


def local_name(ctx: Context, tag: str) -> str:
    """The engine's name for the image while it is pushed."""
    return f"{ctx.value('ecr-repo')}:{tag}"


def find_pushed(ctx: Context) -> Observed | None:
    """The image in the repository that was made from the same sources.

    A push that was killed leaves the image's name for it in the engine: that is a difference, and
    so is an image that no later one could extend yet.
    """
    made = fast.made(ctx) if was_made(ctx) else None
    if made is not None and made.fresh:
        new = Difference("image", "", made.image.digest[:19])
        return Observed(f"{ctx.value('ecr-repo')}@{made.image.digest}", (new,))
    answer = ctx.aws("ecr").batch_get_image(
        repositoryName=ctx.settings.repository,
        imageIds=[{"imageTag": tag} for tag in tags_of(ctx)],
        acceptedMediaTypes=list(MEDIA_TYPES),
    )
    for image in answer.get("images", []):
        if forced(ctx) and not is_image(image, ctx.value("image")):
            continue
        name = local_name(ctx, image["imageId"].get("imageTag") or tags_of(ctx)[0])
        value = f"{ctx.value('ecr-repo')}@{image['imageId']['imageDigest']}"
        return Observed(value, tuple(left_open(ctx, name)), facts=name)
    return None


def was_made(ctx: Context) -> bool:
    """Whether the image was made without an engine."""
    return bool(ctx.kept("image", "fast"))


def left_open(ctx: Context, name: str) -> Iterator[Difference]:
    """What the push of an image that is in the registry has left to do on this machine."""
    if was_made(ctx):
        return
    from lambdaimg.container.look import image_exists

    if image_exists(name):
        yield Difference("name in the engine", name, "", here=True)
    if tag := fast_base.unregistered(ctx):
        yield Difference("image to extend", "", tag, here=True)


def is_image(image: Mapping[str, Any], image_id: str) -> bool:
    """Whether an image of the repository is a local one, by what the engine takes for its id.

    That is the digest of its configuration, or of its manifest in the containerd store.
    """
    if image["imageId"].get("imageDigest") == image_id:
        return True
    import json

    try:
        manifest = json.loads(image.get("imageManifest") or "{}")
    except ValueError:
        return False
    return bool((manifest.get("config") or {}).get("digest") == image_id)


def push_image(ctx: Context, observed: Observed | None) -> Done:
    """Pushes the image and takes the digest from the push itself."""
    if was_made(ctx):
        return fast.push(ctx, ctx.value("ecr-repo"), tags_of(ctx)[0], "deploy" in ctx.forced)
    from lambdaimg.container.push import push
    from lambdaimg.container.refusals import IMMUTABLE

    if observed is not None and "deploy" not in ctx.forced:
        with engine_names(ctx):
            unname(ctx, observed.facts)
        if fast_base.unregistered(ctx):
            fast_base.register(ctx, observed.value)
        return Done(observed.value, Action.ADOPTED)
    layers: dict[str, tuple[int, int]] = {}

    def on_event(event: PushEvent) -> None:
        if event.kind == "pushing" and event.total:
            layers[event.id] = (event.current or 0, event.total)
            done, total = (sum(column) for column in zip(*layers.values(), strict=True))
            ctx.say(f"pushing {sizes.text(done)} of {sizes.text(total)}")

    def pushed_as(tag: str) -> PushedImage:
        with engine_names(ctx):
            auth = registry_auth(ctx)
            done = push(
                ctx.engine(),
                ctx.value("image"),
                ctx.value("ecr-repo"),
                tag,
                auth,
                on_event,
                cancel=ctx.stopping,
            )
            unname(ctx, local_name(ctx, tag))
        return done

    first, *other = tags_of(ctx)
    try:
        pushed = pushed_as(first)
    except PushError as error:
        if error.details.get("reason") != IMMUTABLE or not other:
            raise
        pushed = pushed_as(other[0])
    except ResourceGoneError as error:
        error.details["target"] = GONE.get(str(error.details.get("reason")), "deploy")
        raise
    fast_base.register(ctx, pushed.uri)
    sent = f"{sizes.text(pushed.bytes_sent)} sent" if pushed.layers_sent else "every layer there"
    return Done(pushed.uri, Action.PUSHED, sent)


@contextmanager
def engine_names(ctx: Context) -> Iterator[None]:
    """Keeps the project's other runs from the names that a push needs in the engine."""
    limit, sleep = ctx.settings.lock_wait, ctx.waiter.sleep
    with exclusive(ctx.state_root / LOCK_NAME, limit, lambda who: ctx.say(f"after {who}"), sleep):
        yield


def unname(ctx: Context, name: str) -> None:
    """Takes a name from an image of the engine, unless it is the only one."""
    from lambdaimg.container.engine import local_image
    from lambdaimg.container.errors import translated

    image = local_image(ctx.engine(), name)
    if image is not None and len(image.tags) > 1:
        with translated(f"removing the name {name}"):
            ctx.engine().api.remove_image(name, noprune=True)


DEPLOY: Target[Context] = Target(
    name="deploy",
    help="Push the image to the repository, by digest",
    needs=("image", "ecr-repo"),
    observe=find_pushed,
    act=push_image,
    again=True,
    permissions=(
        "ecr:BatchGetImage",
        "ecr:GetAuthorizationToken",
        "ecr:BatchCheckLayerAvailability",
        "ecr:InitiateLayerUpload",
        "ecr:UploadLayerPart",
        "ecr:CompleteLayerUpload",
        "ecr:PutImage",
        "ecr:GetDownloadUrlForLayer",
    ),
)
