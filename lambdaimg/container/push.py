"""From the engine into the registry: one push, then a look at what the registry holds.

The engine pushes; what it says comes as a stream in which a failure is one line among others,
and the digest is told in `aux`. Credentials are given for this push alone, and neither written
nor read anywhere. Then the manifest is read back from the registry: Lambda takes the manifest of
one image and no index.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lambdaimg.cancel import Cancel
from lambdaimg.container.engine import LocalImage, local_image
from lambdaimg.container.errors import translated
from lambdaimg.container.events import OnPushEvent, PushEvent, PushKind
from lambdaimg.container.refusals import IMMUTABLE, refusal
from lambdaimg.container.registry import Manifest, Registry, check_manifest, split_repository
from lambdaimg.container.stream import auth_header, post_stream
from lambdaimg.container.transport import RegistryAuth, Transport
from lambdaimg.errors import LambdaimgError, PushError, ResourceGoneError

if TYPE_CHECKING:
    from docker import DockerClient

__all__ = ["PushLog", "PushedImage", "RegistryAuth", "check_manifest", "push", "split_repository"]

PLATFORM_API = (1, 46)
"""The engine's API from which a push can be told to send one platform of an image."""

FINAL = frozenset({"repository", "login", "denied"})
"""Refusals that another attempt does not change."""

_KINDS: dict[str, PushKind] = {
    "Preparing": "waiting",
    "Waiting": "waiting",
    "Pushing": "pushing",
    "Pushed": "pushed",
    "Layer already exists": "exists",
}


@dataclass(frozen=True, slots=True)
class PushedImage:
    """What the registry holds now.

    Attributes:
        digest: of the manifest, `sha256:...`.
        uri: `host/path@sha256:...`.
        media_type: of the manifest.
        size: bytes of configuration and layers, compressed, as the manifest tells them.
        layers: how many layers there are.
        layers_sent: how many of them the registry did not have.
        bytes_sent: bytes of those, compressed.
    """

    digest: str
    uri: str
    media_type: str
    size: int
    layers: int
    layers_sent: int
    bytes_sent: int


def push(
    client: DockerClient,
    image_id: str,
    repository: str,
    tag: str,
    auth: RegistryAuth | None,
    on_event: OnPushEvent,
    *,
    ca_bundle: Path | None = None,
    platform: str | None = None,
    cancel: Cancel | None = None,
) -> PushedImage:
    """Push an image and see that Lambda will take what arrived.

    Args:
        client: from `engine.connect`.
        image_id: `sha256:...` or a name.
        repository: `host/path`, without a tag.
        tag: under which it is pushed. The engine's own tag of that name is put back as it was.
        auth: credentials for this push, None for a registry that asks for none.
        on_event: told of everything that happens, while it happens.
        ca_bundle: PEM file for the look at the registry, in place of the system's authorities.
        platform: `linux/amd64` or the like, for engines that keep several in one image.
        cancel: ends the push at once, at the engine too.

    Raises:
        InterruptedRunError: `cancel` ended it.
        ResourceGoneError: the image or the repository does not exist (`details["reason"]` is
            `image` or `repository`).
        PushError: refused, not reached, or not a manifest that Lambda takes.
        NoEngineError, DockerError: the engine went away or failed.
    """
    host, name = split_repository(repository)
    image = local_image(client, image_id)
    if image is None:
        raise ResourceGoneError(
            f"The Docker engine no longer has the image {image_id}.",
            hint="Build it again with `lambdaimg image`.",
            reason="image",
        )
    transport = Transport(host, auth, ca_bundle=ca_bundle)
    registry = Registry(transport, name)
    log = PushLog()
    try:
        with translated(f"pushing to {repository}"), _Tag(client, image, repository, tag):
            messages = _messages(client, repository, tag, auth, platform, cancel)
            _watch(messages, log, on_event, registry, tag)
        manifest = _arrived(registry, log, image, repository, tag)
    finally:
        transport.close()
    return _result(manifest, image, log, repository)


class PushLog:
    """Decodes the engine's messages of a push (Docker Engine API, `POST /images/NAME/push`).

    Attributes:
        sent: short IDs of the layers that went over the wire.
        digest: of the manifest, when the engine has told it.
        failure: the engine's or the registry's words when the push has failed.
    """

    def __init__(self) -> None:
        self.sent: set[str] = set()
        self.digest: str | None = None
        self.failure: str | None = None

    def feed(self, message: dict[str, Any]) -> Iterator[PushEvent]:
        """The events of one message."""
        detail = message.get("progressDetail") or {}
        aux = message.get("aux")
        if "error" in message:
            self.failure = str(
                (message.get("errorDetail") or {}).get("message") or message["error"]
            )
        elif isinstance(aux, dict):
            self.digest = aux.get("Digest") or self.digest
        elif "status" in message:
            status, layer = str(message["status"]), str(message.get("id") or "")
            kind: PushKind = _KINDS.get(status, "status")
            if status.startswith("Mounted from"):
                kind = "exists"
            if kind == "pushed":
                self.sent.add(layer)
            yield PushEvent(kind, layer, status, detail.get("current"), detail.get("total"))


class _Tag:
    """The tag that a push needs; afterwards the engine's tags are as they were.

    An image without any other name keeps it, for removing its last name removes the image.
    """

    def __init__(self, client: DockerClient, image: LocalImage, repository: str, tag: str) -> None:
        self._api: Any = client.api
        self._image, self._repository, self._tag = image, repository, tag
        self._name = f"{repository}:{tag}"
        self._before = local_image(client, self._name)

    def __enter__(self) -> None:
        if self._before is None or self._before.id != self._image.id:
            self._api.tag(self._image.id, self._repository, self._tag)

    def __exit__(self, *exc: object) -> None:
        from docker.errors import APIError

        # A name too many does no harm: the push is what counts, and its own error if it failed.
        with contextlib.suppress(APIError):
            if self._before is not None:
                if self._before.id != self._image.id:
                    self._api.tag(self._before.id, self._repository, self._tag)
            elif any(name != self._name for name in self._image.tags):
                self._api.remove_image(self._name, noprune=True)


def _watch(
    messages: Generator[dict[str, Any], None, None],
    log: PushLog,
    on_event: OnPushEvent,
    registry: Registry,
    tag: str,
) -> None:
    """Follow a push to its end.

    The engine tries again for most of a minute even where the registry's refusal is final, so
    when it begins to, the registry itself is asked.

    Raises:
        PushError, ResourceGoneError: the registry's refusal is final.
    """
    asked = False
    with contextlib.closing(messages):  # an exception ends the push at the engine too
        for message in messages:
            for event in log.feed(message):
                on_event(event)
                if event.text.startswith("Retrying") and not asked:
                    asked = True
                    _ask_why(registry, tag)


def _ask_why(registry: Registry, tag: str) -> None:
    try:
        registry.manifest(tag)
    except LambdaimgError as exc:
        if exc.details.get("reason") in FINAL:
            raise


def push_parameters(tag: str, platform: str | None, containerd_store: bool) -> dict[str, str]:
    """Query of the push.

    An engine with the containerd image store may hold several platforms and attestations under
    one name, and pushes an index unless one platform is named (moby/moby#51532).
    """
    if platform is None or not containerd_store:
        return {"tag": tag}
    system, architecture, variant = [*platform.split("/"), ""][:3]
    wanted = {"os": system, "architecture": architecture, "variant": variant}
    return {"tag": tag, "platform": json.dumps({k: v for k, v in wanted.items() if v})}


def _messages(
    client: DockerClient,
    repository: str,
    tag: str,
    auth: RegistryAuth | None,
    platform: str | None,
    cancel: Cancel | None,
) -> Generator[dict[str, Any], None, None]:
    api: Any = client.api
    credentials = {"username": auth.username, "password": auth.password} if auth else {}
    newer = tuple(map(int, api.api_version.split("."))) >= PLATFORM_API
    params = push_parameters(tag, platform, newer and _containerd_store(api))
    headers = {"X-Registry-Auth": auth_header(credentials)}
    return post_stream(api, f"/images/{repository}/push", params, headers, cancel=cancel)


def _containerd_store(api: Any) -> bool:
    status: Sequence[Sequence[str]] = api.info().get("DriverStatus") or ()
    return any(value.startswith("io.containerd.snapshotter") for _, value in status)


def _arrived(
    registry: Registry, log: PushLog, image: LocalImage, repository: str, tag: str
) -> Manifest:
    """The manifest that the registry holds after the push.

    Raises:
        PushError, ResourceGoneError: the push failed, or left something else than was sent.
    """
    if log.failure is not None:
        error = refusal(log.failure, repository)
        held = registry.manifest(tag) if error.details.get("reason") == IMMUTABLE else None
        if held is None or not _is_image(held, image):
            raise error
        manifest: Manifest | None = held
    elif log.digest is None:
        raise PushError(
            f"The engine broke off the push to {repository} without saying why.", "Run again."
        )
    else:
        manifest = registry.manifest(log.digest)
    if manifest is None:
        raise PushError(
            f"The registry does not have what was pushed to {repository} a moment ago "
            f"({log.digest}).",
            "Run again; if it stays so, the Docker engine pushes to another registry than this "
            "machine sees under that name.",
        )
    check_manifest(manifest, repository)
    return manifest


def _is_image(manifest: Manifest, image: LocalImage) -> bool:
    """Whether a manifest is that of a local image, whose ID is the configuration's digest or,
    in the containerd store, the manifest's own.
    """
    config = manifest.content.get("config") or {}
    return image.id in (config.get("digest"), manifest.digest)


def _result(manifest: Manifest, image: LocalImage, log: PushLog, repository: str) -> PushedImage:
    content = manifest.content
    layers = content.get("layers") or []
    # The engine names layers by their unpacked digest, or by the digest of what is in the store.
    names = [
        (unpacked, layer["digest"]) for unpacked, layer in zip(image.layers, layers, strict=False)
    ]
    sent = [
        layer["size"]
        for pair, layer in zip(names, layers, strict=False)
        if any(digest.removeprefix("sha256:")[:12] in log.sent for digest in pair)
    ]
    return PushedImage(
        digest=manifest.digest,
        uri=f"{repository}@{manifest.digest}",
        media_type=manifest.media_type,
        size=sum(layer["size"] for layer in layers) + (content.get("config") or {}).get("size", 0),
        layers=len(layers),
        layers_sent=len(sent),
        bytes_sent=sum(sent),
    )
