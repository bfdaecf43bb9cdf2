"""The last layer of an image: the COPY that alone makes it, and what everything else is made of.

A COPY from the context after which nothing more is made can be done over without building the
rest again. What this module cannot be certain of raises `UnfitError`, whose text is the reason.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from lambdaimg.container.dockerfile import Dockerfile, Instruction
from lambdaimg.container.sources import copied, needed
from lambdaimg.container.tree import Entry
from lambdaimg.container.variables import normal, substitute, with_variables, words

SETTINGS_ONLY = frozenset(
    {
        "ARG", "CMD", "ENTRYPOINT", "ENV", "EXPOSE", "HEALTHCHECK", "LABEL", "MAINTAINER",
        "SHELL", "STOPSIGNAL", "USER",
    }
)  # fmt: skip
"""Instructions that change the image's configuration and none of its files."""

PLAIN_FLAGS = frozenset({"chown"})
"""Flags of COPY whose effect the layer that was built shows whole: the owner of all it holds."""

_UNUSUAL = frozenset("*?[\"'")


class UnfitError(Exception):
    """The fast path does not apply; the text says why, as the end of a sentence."""


@dataclass(frozen=True, slots=True)
class LastCopy:
    """The COPY that makes the last layer.

    Attributes:
        line: where it stands in the Dockerfile.
        sources: paths of the context, `.` for all of it.
        destination: as the Dockerfile says it, its variables filled in.
        others: sources of everything else that the image is made of.
    """

    line: int
    sources: tuple[str, ...]
    destination: str
    others: tuple[str, ...]


def last_copy(dockerfile: Dockerfile, target: str | None, arguments: Mapping[str, str]) -> LastCopy:
    """The COPY that makes an image's last layer.

    Args:
        dockerfile: as parsed.
        target: stage that is built, None for the last.
        arguments: the build arguments.

    Raises:
        UnfitError: there is none, or it cannot be told what it does.
    """
    final = dockerfile.stage_number(target) if target else len(dockerfile.stages) - 1
    if final is None or final < 0:
        raise UnfitError("the Dockerfile has no such stage")
    made = [
        (instruction, values)
        for instruction, values in with_variables(dockerfile, arguments)
        if instruction.stage == final and instruction.keyword not in SETTINGS_ONLY
    ]
    last, values = made[-1]
    _check(last)
    named = [substitute(word, values) for word in words(last.args)]
    known = [word for word in named if word]
    if len(known) < max(2, len(named)) or any(set(word) & _UNUSUAL for word in known):
        raise UnfitError(f"what the COPY in line {last.line} names has wildcards or variables")
    others = copied(dockerfile, needed(dockerfile, target, arguments), arguments, without=last)
    if others is None:
        raise UnfitError("it cannot be told what the rest of the image is made of")
    return LastCopy(last.line, tuple(map(normal, known[:-1])), known[-1], others)


def _check(last: Instruction) -> None:
    where = f"{last.keyword} in line {last.line}"
    if last.keyword == "FROM":
        raise UnfitError("the last stage copies nothing")
    if last.keyword != "COPY":
        raise UnfitError(f"{where} makes the last layer, and no COPY")
    if last.flag("from") is not None:
        raise UnfitError(f"the {where}, which makes the last layer, copies from another stage")
    if last.heredoc:
        raise UnfitError(f"the {where} has a here-document")
    for flag in last.flags:
        name = flag[2:].partition("=")[0]
        if name not in PLAIN_FLAGS:
            raise UnfitError(f"the {where} has the flag --{name}")


def placed(copy: LastCopy, entries: Iterable[Entry], workdir: str, into: bool) -> tuple[Entry, ...]:
    """The entries that the COPY makes in the image, folders first, paths without leading slash.

    Args:
        copy: the instruction.
        entries: of the context.
        workdir: the image's working folder.
        into: whether a single file goes into the destination, which then is a folder.

    Raises:
        UnfitError: a source is missing or a link, or two sources meet in one place.
    """
    every = list(entries)
    by_path = {entry.path: entry for entry in every}
    to = posixpath.normpath(posixpath.join("/", workdir, copy.destination)).strip("/")
    found: dict[str, Entry] = {}

    def put(place: str, entry: Entry) -> None:
        if found.setdefault(place, entry) is not entry:
            raise UnfitError(f"two sources of the COPY in line {copy.line} meet in /{place}")

    for source in copy.sources:
        parts = source.split("/")
        above = [by_path.get("/".join(parts[:n])) for n in range(1, len(parts) + 1)]
        if source != "." and (None in above or any(e and e.kind == "link" for e in above)):
            raise UnfitError(f"{source} is missing, or a link, or below one")
        entry = by_path.get(source)
        if entry is not None and entry.kind == "file":
            put(posixpath.join(to, posixpath.basename(source)) if into else to, entry)
            continue
        prefix = "" if source == "." else f"{source}/"
        for each in every:
            if each.path.startswith(prefix):
                put(posixpath.join(to, each.path.removeprefix(prefix)), each)
    renamed = [entry._replace(path=place) for place, entry in found.items()]
    return tuple(sorted(renamed, key=lambda entry: entry.path.split("/")))
