"""Which files of a project an image is made of: those that its Dockerfile can copy.

The sources of COPY and ADD are read without building anything. Where they cannot be told (a
variable of the base image, `RUN --mount` of the context, ONBUILD, links), every file of the
context counts. What a base image copies by ONBUILD is known to the builder alone: a Dockerfile
that copies nothing itself is taken for one on such an image.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from lambdaimg.container.context import BuildContext, ContextSpec, scan
from lambdaimg.container.dockerfile import Dockerfile, Instruction, is_comment, parse
from lambdaimg.container.tree import Entry
from lambdaimg.container.variables import covers, normal, substitute, with_variables, words

_REMOTE = re.compile(r"[a-z][a-z0-9+.-]*://|git@", re.IGNORECASE)
_FRONTEND = re.compile(r"(?:docker\.io/)?docker/dockerfile(?:-upstream)?(?:[:@].*)?")
_HEREDOC = re.compile(r"<<-?['\"]?\w")
_NO_CONTEXT = frozenset({"cache", "tmpfs", "secret", "ssh"})


def made_of(spec: ContextSpec, target: str | None, arguments: Mapping[str, str]) -> BuildContext:
    """What an image is made of: the same of it gives the same image.

    Args:
        spec: of the whole context.
        target: stage that is built, None for the last.
        arguments: the build arguments.

    Returns:
        the files that are copied, and the Dockerfile without its comments.

    Raises:
        ProjectError: as `context.scan`.
    """
    context = scan(spec)
    dockerfile = parse(context.dockerfile_text)
    patterns = sources(dockerfile, needed(dockerfile, target, arguments), arguments)
    entries = taken(context.entries, patterns)
    if all(entry.path != context.dockerfile for entry in entries):
        steps = significant(dockerfile, context.dockerfile_text).encode()
        entries.append(Entry(context.dockerfile, "file", 0o644, steps))
    return replace(context, entries=tuple(entries))


def sent(
    context: BuildContext, dockerfile: Dockerfile, arguments: Mapping[str, str]
) -> BuildContext:
    """What a builder needs of a context: the legacy one goes through all stages."""
    stages = frozenset(range(len(dockerfile.stages)))
    entries = taken(context.entries, sources(dockerfile, stages, arguments))
    wanted = {entry.path for entry in entries} | {context.dockerfile}
    return replace(context, entries=tuple(e for e in context.entries if e.path in wanted))


def significant(dockerfile: Dockerfile, text: str) -> str:
    """The text without comments and blank lines, unless they may be a here-document's."""
    if any(instruction.heredoc for instruction in dockerfile.instructions):
        return text
    kept = [line.rstrip() for line in text.splitlines() if line.strip() and not is_comment(line)]
    return "\n".join([*(f"# {k}={v}" for k, v in sorted(dockerfile.directives.items())), *kept])


def needed(
    dockerfile: Dockerfile, target: str | None, arguments: Mapping[str, str]
) -> frozenset[int]:
    """Numbers of the stages that an image is made of, itself and through others."""
    last = dockerfile.stage_number(target) if target else len(dockerfile.stages) - 1
    every = frozenset(range(len(dockerfile.stages)))
    uses: dict[int, set[int]] = {number: set() for number in every}
    for instruction, values in with_variables(dockerfile, arguments):
        for name in _stages_named(instruction):
            known = substitute(name, values)
            if known is None:
                return every
            number = dockerfile.stage_number(known)
            if number is not None and number < instruction.stage:
                uses[instruction.stage].add(number)
    found: set[int] = set()
    waiting = [] if last is None or last < 0 else [last]
    while waiting:
        number = waiting.pop()
        if number not in found:
            found.add(number)
            waiting += uses[number]
    return frozenset(found)


def sources(
    dockerfile: Dockerfile, stages: frozenset[int], arguments: Mapping[str, str]
) -> tuple[str, ...] | None:
    """The sources that some stages copy from the context; None where it may be anything."""
    return copied(dockerfile, stages, arguments) or None


def copied(
    dockerfile: Dockerfile,
    stages: frozenset[int],
    arguments: Mapping[str, str],
    without: Instruction | None = None,
) -> tuple[str, ...] | None:
    """As `sources`, leaving one instruction out; empty where the Dockerfile copies nothing."""
    syntax = dockerfile.directives.get("syntax")
    if syntax and not _FRONTEND.fullmatch(syntax):
        return None
    if dockerfile.directives.get("escape", "\\") != "\\":
        return None
    found: list[str] = []
    for instruction, values in with_variables(dockerfile, arguments):
        if instruction.keyword == "ONBUILD":
            return None
        if instruction.stage not in stages:
            continue
        if instruction.keyword == "RUN" and any(map(mounts_context, instruction.flags)):
            return None
        if instruction.keyword not in ("COPY", "ADD") or instruction.flag("from") is not None:
            continue
        if instruction == without:
            continue
        for word in words(instruction.args)[:-1]:
            if _HEREDOC.match(word) or (instruction.keyword == "ADD" and _REMOTE.match(word)):
                continue
            known = substitute(word, values)
            if known is None or set(known) & set("\"'"):
                return None
            found.append(normal(known))
    return tuple(found)


def _stages_named(instruction: Instruction) -> list[str]:
    """What may be the names of stages that an instruction builds on."""
    if instruction.keyword == "FROM":
        return instruction.args.split()[:1]
    if instruction.keyword == "RUN":
        options = [_mount(flag).get("from") for flag in instruction.flags]
        return [name for name in options if name]
    name = instruction.flag("from") if instruction.keyword in ("COPY", "ADD") else None
    return [name] if name else []


def _mount(flag: str) -> dict[str, str]:
    """The options of a `--mount=`; empty for any other flag."""
    name, _, text = flag[2:].partition("=")
    options = (option.partition("=") for option in text.strip("\"'").split(","))
    return {key.strip(): value for key, _, value in options} if name == "mount" else {}


def mounts_context(flag: str) -> bool:
    """Whether a flag of RUN mounts the context, so that any file may have a part in the image."""
    options = _mount(flag)
    return bool(options) and "from" not in options and options.get("type") not in _NO_CONTEXT


def taken(entries: Iterable[Entry], patterns: tuple[str, ...] | None) -> list[Entry]:
    """The entries that sources name, with the folders that they are in."""
    every = list(entries)
    if patterns is None or any(
        entry.kind == "link" and any(_leads(entry.path, pattern) for pattern in patterns)
        for entry in every
    ):
        return every
    taken = [entry for entry in every if any(covers(p, entry.path) for p in patterns)]
    folders = {above for entry in taken for above in _above(entry.path)}
    paths = folders | {entry.path for entry in taken}
    return [entry for entry in every if entry.path in paths]


def _leads(link: str, source: str) -> bool:
    """Whether a source names what a link leads to, which may be elsewhere in the project."""
    depth, parts = link.count("/") + 1, source.split("/")
    return len(parts) >= depth and covers("/".join(parts[:depth]), link) and source != "."


def _above(path: str) -> Iterator[str]:
    parts = path.split("/")
    return ("/".join(parts[:length]) for length in range(1, len(parts)))
