"""Where a Dockerfile copies the CA bundle: in builder stages it may, into the image not.

Followed are COPY and ADD: from the context into a stage, from stage to stage, and down to the
stages that are built on one. What RUN makes of the file is its author's own doing.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping

from lambdaimg.container.dockerfile import Dockerfile, Instruction
from lambdaimg.container.variables import covers, normal, substitute, with_variables, words
from lambdaimg.container.virtual import CA_BUNDLE

Places = dict[str | None, Instruction]
"""Path in a stage, without a leading slash (None: anywhere) -> what put the bundle there."""


def leak(
    dockerfile: Dockerfile, target: str | None, arguments: Mapping[str, str]
) -> Instruction | None:
    """The instruction that copies the CA bundle into the image itself, or might; None if none.

    Args:
        dockerfile: as parsed.
        target: stage that is built, None for the last.
        arguments: the build arguments.
    """
    stages: list[Places] = []
    folder: str | None = None
    for instruction, values in with_variables(dockerfile, arguments):
        if instruction.keyword == "FROM":
            name = substitute(instruction.args.split()[0], values) if instruction.args else None
            below = _stage(dockerfile, name, len(stages))
            stages.append(dict(stages[below]) if below is not None else {})
            folder = None
        elif instruction.keyword == "WORKDIR":
            folder = _absolute(substitute(instruction.args.strip("\"'"), values), folder)
        elif instruction.keyword in ("COPY", "ADD") and stages:
            named = instruction.flag("from")
            if named is None:
                held: list[str | None] = [CA_BUNDLE]
            else:
                other = _stage(dockerfile, substitute(named, values), len(stages) - 1)
                held = list(stages[other]) if other is not None else []
            known = [substitute(word, values) for word in words(instruction.args)]
            for place in _copied(instruction, known, held, folder):
                stages[-1].setdefault(place, instruction)
    number = dockerfile.stage_number(target) if target else len(stages) - 1
    return next(iter(stages[number].values()), None) if number is not None and stages else None


def _stage(dockerfile: Dockerfile, name: str | None, before: int) -> int | None:
    number = dockerfile.stage_number(name) if name else None
    return number if number is not None and number < before else None


def _copied(
    instruction: Instruction,
    known: list[str | None],
    held: list[str | None],
    folder: str | None,
) -> list[str | None]:
    """Where the bundle is after a copy from where it is held at those places."""
    found: list[str | None] = []
    if len(known) < 2 or not held:
        return found
    destination = _absolute(known[-1], folder)
    for source in known[:-1]:
        for place in held:
            if source is not None and place is not None and not covers(source, place):
                continue
            if source is None or place is None or destination is None:
                found.append(None)
            elif instruction.flag("parents") is not None:
                found.append(normal(f"{destination}/{place}"))
            else:
                depth = 0 if normal(source) == "." else len(normal(source).split("/"))
                rest = "/".join(place.split("/")[depth:])
                name = posixpath.basename(place)
                found += [normal(f"{destination}/{rest}")] if rest else []
                found += [] if rest else [normal(destination), normal(f"{destination}/{name}")]
    return found


def _absolute(path: str | None, folder: str | None) -> str | None:
    if path is None or path.startswith("/"):
        return path
    return None if folder is None else posixpath.join(folder, path)
