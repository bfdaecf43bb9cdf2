"""Which images of a repository may go: never one that a version of a function runs. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

SOURCE_TAG, BASE_TAG = "src-", "base-"
"""What the kit's tags begin with: images of sources, and what the fast path extends."""


@dataclass(frozen=True)
class Image:
    """An image of the repository.

    Args:
        digest: of its manifest.
        tags: its tags.
        pushed: when it was pushed, in seconds since the epoch.
        size: bytes, compressed.
    """

    digest: str
    tags: tuple[str, ...]
    pushed: float
    size: int

    @property
    def is_ours(self) -> bool:
        """Whether the kit pushed it: all its tags are the kit's, and there is one."""
        return bool(self.tags) and all(tag.startswith((SOURCE_TAG, BASE_TAG)) for tag in self.tags)

    @property
    def is_base(self) -> bool:
        """Whether it is there for the fast path alone."""
        return bool(self.tags) and all(tag.startswith(BASE_TAG) for tag in self.tags)


@dataclass(frozen=True)
class Decision:
    """What is to become of an image; `why` says why it stays, and is empty where it goes."""

    image: Image
    why: str = ""


def of_answer(details: Iterable[Mapping[str, Any]]) -> list[Image]:
    """The images of `DescribeImages`' answer."""
    return [
        Image(
            str(detail["imageDigest"]),
            tuple(detail.get("imageTags") or ()),
            detail["imagePushedAt"].timestamp(),
            int(detail.get("imageSizeInBytes") or 0),
        )
        for detail in details
    ]


def decide(images: Iterable[Image], live: Collection[str], keep: int) -> list[Decision]:
    """What is to become of each image, newest first.

    The registry tells seconds alone: of images pushed within one nobody can say which is the newer,
    so that all of them count as among the newest where one of them does.

    Args:
        images: all images of the repository.
        live: the digests that versions of functions run, or that are about to be deployed.
        keep: how many of the kit's own images stay, the newest ones, live or not; as many
            stay of those that are there for the fast path alone.
    """
    images = list(images)
    oldest_kept = {base: _oldest(images, base, keep) for base in (False, True)}
    found = []
    for image in sorted(images, key=lambda each: (-each.pushed, each.digest)):
        if image.digest in live:
            why = "a function runs it"
        elif not image.is_ours:
            why = "lambdaimg did not push it"
        elif image.pushed >= oldest_kept[image.is_base]:
            why = f"one of the newest {keep}"
        else:
            why = ""
        found.append(Decision(image, why))
    return found


def _oldest(images: Iterable[Image], base: bool, keep: int) -> float:
    """When the last of the newest `keep` images of one kind was pushed."""
    own = sorted((i.pushed for i in images if i.is_ours and i.is_base is base), reverse=True)
    return own[keep - 1] if len(own) >= keep else float("-inf")


def digests_of(functions: Iterable[Mapping[str, Any]]) -> tuple[set[str], list[Mapping[str, Any]]]:
    """The digests that versions of functions run, and the versions that do not tell theirs.

    Lambda gives the hexadecimal part of an image's digest as `CodeSha256`.
    """
    known, silent = set(), []
    for function in functions:
        if function.get("PackageType") != "Image":
            continue
        sha = str(function.get("CodeSha256") or "")
        if len(sha) == 64 and all(letter in "0123456789abcdef" for letter in sha):
            known.add(f"sha256:{sha}")
        else:
            silent.append(function)
    return known, silent
