"""The documents of an image whose last layer is replaced: its configuration and its manifest.

A base is an image that was built and pushed, with one label more: what its last layer holds, as
far as another layer in its place has to keep to it (`Facts`). From a base and a layer come the
documents of the new image, the same on every machine. Pure.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from lambdaimg.container.lastcopy import UnfitError
from lambdaimg.container.layer import Held, Layer
from lambdaimg.container.registry import DOCKER_MANIFEST, LAMBDA_MANIFESTS, sha256
from lambdaimg.container.tarstream import Owner
from lambdaimg.container.tree import Entry

LABEL = "lambdaimg.base"
SCHEMA = 1
LAYER_TYPES = {DOCKER_MANIFEST: "application/vnd.docker.image.rootfs.diff.tar.gzip"}
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
# The root of the image, as a layer may name it.
ROOT = ("", ".")
# What the configuration tells of the container in which the last step was built.
_OF_THE_BUILD = ("container", "container_config")


@dataclass(frozen=True)
class Facts:
    """What a layer in place of the last one keeps to.

    Attributes:
        into: whether a single file goes into the COPY's destination.
        owner: user and group of all that is copied.
        folders: the folders above it that the layer has too: path -> mode, user, group.
        names: path -> kind of all that is copied.
    """

    into: bool
    owner: Owner
    folders: Mapping[str, tuple[int, int, int]]
    names: Mapping[str, str]

    def text(self) -> str:
        """As the label holds it."""
        return compact({"schema": SCHEMA, **vars(self)}).decode()

    @classmethod
    def read(cls, text: str) -> Facts:
        """From a label. Raises: UnfitError: it is none of this version's."""
        try:
            found = json.loads(text)
            if found["schema"] != SCHEMA:
                raise UnfitError("what can be extended is another version's")
            user, group = found["owner"]
            folders = {
                str(k): (int(m), int(u), int(g)) for k, (m, u, g) in found["folders"].items()
            }
            names = {str(path): str(kind) for path, kind in found["names"].items()}
            return cls(bool(found["into"]), (int(user), int(group)), folders, names)
        except (ValueError, KeyError, TypeError, AttributeError) as exc:
            raise UnfitError("what the image to extend says of itself cannot be read") from exc

    def refuse_new(self, entries: Iterable[Entry]) -> None:
        """Refuses entries that the base's last layer does not have as they are.

        What the layers below hold in such a place, nobody knows here: a build would put a file
        over a file, and refuse one over a folder.

        Raises:
            UnfitError: there is one.
        """
        for entry in entries:
            kind = self.names.get(entry.path)
            if kind != entry.kind:
                what = "new" if kind is None else f"no {kind} any more"
                raise UnfitError(f"/{entry.path} is {what}")

    def above(self) -> list[Entry]:
        """The folders, as entries."""
        return [Entry(path, "dir", row[0], "") for path, row in sorted(self.folders.items())]


def facts_of(
    held: Mapping[str, Held], made: Mapping[str, Held], destination: str, into: bool
) -> Facts:
    """What a layer that was built says of the COPY, given what we make of the same sources.

    Args:
        held: the layer that was built.
        made: what a layer of our own would hold, without an owner.
        destination: where the COPY puts things, without leading slash.
        into: as in `Facts`.

    Raises:
        UnfitError: the two are not the same.
    """
    owners = {held[path].owner for path in made if path in held}
    owner = owners.pop() if len(owners) == 1 else (0, 0)
    for path, wanted in made.items():
        there = held.get(path)
        if there is None or there != _owned(wanted, owner):
            raise UnfitError(f"the build makes something else of /{path}")
    rows = {}
    for path, each in held.items():
        if path in made or path in ROOT:
            continue
        if each.kind != "dir" or not f"{destination}/".startswith(f"{path}/"):
            raise UnfitError(f"the last layer also holds /{path}")
        rows[path] = (each.mode, *each.owner)
    return Facts(into, owner, rows, {path: each.kind for path, each in made.items()})


def _owned(held: Held, owner: Owner) -> Held:
    mode = 0o777 if held.kind == "link" else held.mode
    return Held(held.kind, mode, owner, held.content)


@dataclass(frozen=True)
class Documents:
    """A manifest and the configuration that it names."""

    media_type: str
    manifest: bytes
    config: bytes

    @property
    def digest(self) -> str:
        """Of the manifest."""
        return sha256(self.manifest)

    @property
    def config_digest(self) -> str:
        """Of the configuration, by which the engine knows the image."""
        return sha256(self.config)

    def layers(self) -> list[Mapping[str, Any]]:
        """The manifest's layers, lowest first."""
        return list(json.loads(self.manifest)["layers"])

    def label(self, name: str) -> str:
        """A label; empty where there is none."""
        config = json.loads(self.config).get("config") or {}
        return str((config.get("Labels") or {}).get(name, ""))

    def workdir(self) -> str:
        """The working folder."""
        return str((json.loads(self.config).get("config") or {}).get("WorkingDir") or "/")


def checked(documents: Documents) -> Documents:
    """The same, once it is certain that they are an image's whose last layer can be replaced.

    Raises:
        UnfitError: they are not.
    """
    try:
        manifest, config = json.loads(documents.manifest), json.loads(documents.config)
        same = len(manifest["layers"]) == len(config["rootfs"]["diff_ids"]) > 0
        named = manifest["config"]["digest"] == documents.config_digest
        whole = all(isinstance(layer["digest"], str) for layer in manifest["layers"])
        steps = [step for step in config["history"] if not step.get("empty_layer")]
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        raise UnfitError("the image to extend is none that can be read") from exc
    if documents.media_type not in LAMBDA_MANIFESTS or not (same and named and whole):
        raise UnfitError("the image to extend has a manifest of another kind")
    if len(steps) != len(manifest["layers"]) or "COPY" not in str(steps[-1].get("created_by")):
        raise UnfitError("the last layer of the image is not the COPY's")
    return documents


def base_of(pushed: Documents, facts: Facts) -> Documents:
    """A pushed image with the facts in a label."""
    return _with(pushed, {LABEL: facts.text()}, None)


def alike(one: Documents, other: Documents, ignored: str) -> bool:
    """Whether two bases give the same images, but for the times of their builds.

    Args:
        ignored: the label that tells of which sources each was built.
    """
    return _of_images(one, ignored) == _of_images(other, ignored)


def _of_images(base: Documents, ignored: str) -> tuple[object, ...]:
    config = json.loads(base.config)
    inner = dict(config.get("config") or {})
    inner["Labels"] = {k: v for k, v in (inner.get("Labels") or {}).items() if k != ignored}
    below = [layer["digest"] for layer in base.layers()[:-1]]
    # What an engine notes of the step that it built is no part of what runs.
    inner.pop("Image", None)
    return base.media_type, below, config.get("architecture"), config.get("os"), inner


def image_of(base: Documents, layer: Layer, labels: Mapping[str, str]) -> Documents:
    """The image that has `layer` in place of the base's last one."""
    return _with(base, labels, layer)


def _with(old: Documents, labels: Mapping[str, str], layer: Layer | None) -> Documents:
    config, manifest = json.loads(old.config), json.loads(old.manifest)
    inner = config.setdefault("config", {})
    kept = {k: v for k, v in (inner.get("Labels") or {}).items() if k != LABEL}
    inner["Labels"] = kept | dict(labels)
    for name in _OF_THE_BUILD:
        config.pop(name, None)
    if layer is not None:
        config["rootfs"]["diff_ids"][-1] = layer.diff_id
        manifest["layers"][-1] = {
            "mediaType": LAYER_TYPES.get(old.media_type, OCI_LAYER),
            "size": len(layer.content),
            "digest": layer.digest,
        }
    content = compact(config)
    manifest["config"] |= {"size": len(content), "digest": sha256(content)}
    return Documents(old.media_type, compact(manifest), content)


def compact(value: Any) -> bytes:
    """JSON that is the same wherever the value is."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return text.encode()


def destination(base: Documents, named: str) -> str:
    """Where a COPY puts things, without leading slash."""
    return posixpath.normpath(posixpath.join("/", base.workdir(), named)).strip("/")


def copies_more(base: Documents, known: int, scratch: bool) -> bool:
    """Whether its history has more COPY and ADD than the Dockerfile and what a base begins with.

    A base image that copies by itself (ONBUILD) shows so.

    Args:
        known: how many the Dockerfile has.
        scratch: it begins with nothing.
    """
    steps = json.loads(base.config)["history"]
    found = [str(step.get("created_by")) for step in steps if not step.get("empty_layer")]
    first = 0 if scratch else 1
    return sum(_copies(text) for text in found[first:]) > known


def _copies(created_by: str) -> bool:
    words: Collection[str] = created_by.split()
    return bool({"COPY", "ADD"} & set(words))
