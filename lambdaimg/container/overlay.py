"""Which files of an image can be replaced without building it again.

A file of the context that is copied in the image's last stage, after its last RUN, and nowhere
else, is in the image as it is in the project: nothing was made of it. So mounting the new
file over the old one gives what a build would give. Everything else needs the build.
"""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from lambdaimg.container.dockerfile import Dockerfile, Instruction
from lambdaimg.container.sources import mounts_context
from lambdaimg.container.variables import covers, substitute, words

_GLOB = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class Copy:
    """One COPY or ADD from the context.

    Attributes:
        sources: paths of the context, without `./` and trailing slashes.
        destination: absolute folder or file in the image; None where that cannot be told.
        into: whether the destination is a folder that a source file is put into by its name;
            None where only the image could tell.
        last: whether nothing of the image is made after it.
    """

    sources: tuple[str, ...]
    destination: str | None
    into: bool | None
    last: bool

    def covers(self, path: str) -> bool:
        """Whether it copies this file of the context."""
        return any(covers(source, path) for source in self.sources)

    def place(self, path: str) -> str | None:
        """Where in the image it puts this file of the context; None where that is not known."""
        if self.destination is None:
            return None
        for source in self.sources:
            if _GLOB & set(source):
                continue
            if source == path:
                name = posixpath.basename(path)
                return {
                    True: posixpath.join(self.destination, name),
                    False: self.destination,
                    None: None,
                }[self.into]
            prefix = "" if source in (".", "") else f"{source}/"
            if path.startswith(prefix):
                return f"{self.destination}/{path.removeprefix(prefix)}"
        return None


@dataclass(frozen=True, slots=True)
class Recipe:
    """What the image takes from the context.

    Attributes:
        copies: in the order of the Dockerfile.
        opaque: a RUN mounts the context, so that any file may have a part in the image.
    """

    copies: tuple[Copy, ...]
    opaque: bool

    def concerns(self, path: str) -> bool:
        """Whether this file of the context has a part in the image."""
        return self.opaque or any(copy.covers(path) for copy in self.copies)

    def replaceable(self, path: str) -> str | None:
        """Where in the image the file is and can be replaced; None where that needs a build."""
        covering = [copy for copy in self.copies if copy.covers(path)]
        if self.opaque or not covering or not all(copy.last for copy in covering):
            return None
        places = {copy.place(path) for copy in covering}
        return places.pop() if len(places) == 1 else None


def recipe(
    dockerfile: Dockerfile,
    target: str | None,
    arguments: Mapping[str, str],
    config: Mapping[str, Any],
) -> Recipe:
    """What an image takes from the context.

    Args:
        dockerfile: as parsed.
        target: the stage that is built; None for the last.
        arguments: the build arguments.
        config: `Config` of the image that was built, as the engine describes it: its variables,
            and the folder that it inherits where the Dockerfile sets none.
    """
    final = dockerfile.stage_number(target) if target else len(dockerfile.stages) - 1
    values = dict(line.partition("=")[::2] for line in config.get("Env") or ())
    inherited: str | None = config.get("WorkingDir") or None
    workdir: str | None = None
    folders = {inherited}
    copies: list[Copy] = []
    last_run = max(
        (i.line for i in dockerfile.instructions if i.stage == final and i.keyword == "RUN"),
        default=0,
    )
    for instruction in dockerfile.instructions:
        if instruction.keyword == "FROM":
            sets_one = any(
                i.keyword == "WORKDIR" and i.stage == final for i in dockerfile.instructions
            )
            workdir = inherited if instruction.stage == final and not sets_one else None
        elif instruction.keyword == "ARG":
            name, equals, default = instruction.args.partition("=")
            text = arguments.get(name)
            if text is None and equals:
                text = substitute(default.strip("\"'"), values)
            if text is not None:
                values[name] = text
        elif instruction.keyword == "WORKDIR":
            given = substitute(instruction.args.strip("\"'"), values)
            workdir = given if given is None else _absolute(given, workdir)
            folders.add(workdir)
        elif instruction.keyword in ("COPY", "ADD") and instruction.flag("from") is None:
            last = (
                instruction.stage == final
                and instruction.line > last_run
                and instruction.keyword == "COPY"
                and not instruction.heredoc
            )
            copies.append(_copy(instruction, values, workdir, folders, last))
    opaque = any(
        i.keyword == "RUN" and any(map(mounts_context, i.flags)) for i in dockerfile.instructions
    )
    return Recipe(tuple(copies), opaque)


def _copy(
    instruction: Instruction,
    values: Mapping[str, str],
    workdir: str | None,
    folders: Collection[str | None],
    last: bool,
) -> Copy:
    found = [substitute(word, values) for word in words(instruction.args)]
    known = [word for word in found if word is not None]
    if len(known) < max(2, len(found)):
        return Copy((".",), None, into=False, last=False)
    sources = tuple(posixpath.normpath(word.lstrip("/")) for word in known[:-1])
    named = known[-1]
    destination = _absolute(named, workdir)
    into = named.endswith(("/", "/.")) or named == "." or destination in folders or len(sources) > 1
    # Without a slash it is a file, unless the image has a folder of that name.
    clear = into or bool(posixpath.splitext(named)[1])
    return Copy(sources, destination, into if clear else None, last)


def _absolute(path: str, workdir: str | None) -> str | None:
    if path.startswith("/"):
        return posixpath.normpath(path)
    return None if workdir is None else posixpath.normpath(posixpath.join(workdir, path))
