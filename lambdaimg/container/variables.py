"""The words of COPY and ADD, and the variables in them, as far as a Dockerfile alone tells them.

A variable that only a base image could know, and syntax that is out of the ordinary, give None:
whoever asks must then think of everything that may be meant.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase

from lambdaimg.container.dockerfile import Dockerfile, Instruction

Values = dict[str, str | None]
"""Variable -> value; None where it has one that is not known."""

_VARIABLE = re.compile(r"\$(?:\{(\w+)(?::?-([^}$]*))?\}|(\w+))")
_PAIR = re.compile(r"([\w.-]+)=((?:\"[^\"]*\"|'[^']*'|[^\s\"'])*)(?:\s+|$)")


def words(args: str) -> list[str]:
    """What a `COPY` or `ADD` names, its destination last; it may be written as JSON."""
    if args.lstrip().startswith("["):
        try:
            return [str(word) for word in json.loads(args)]
        except ValueError:
            pass  # as Docker: then it is no JSON
    return args.split()


def substitute(text: str, values: Mapping[str, str | None]) -> str | None:
    """The text with its variables; None where one is not known."""
    unknown = False

    def value(match: re.Match[str]) -> str:
        nonlocal unknown
        name = match[1] or match[3]
        found = values.get(name) or (match[2] if values.get(name, "") == "" else None)
        unknown = unknown or (not found and values.get(name) is None)
        return found or ""

    result = _VARIABLE.sub(value, text)
    return None if unknown or "$" in result or "\\" in result else result


def covers(source: str, path: str) -> bool:
    """Whether a source, which may have wildcards, is the path or one of its folders."""
    wanted = normal(source)
    if wanted == ".":
        return True
    parts, have = wanted.split("/"), path.split("/")
    return len(parts) <= len(have) and all(map(fnmatchcase, have, parts))


def normal(source: str) -> str:
    """A source as a path of the context, which nothing leads out of; `.` for all of it."""
    return posixpath.normpath(f"/{source}").lstrip("/") or "."


def with_variables(
    dockerfile: Dockerfile, arguments: Mapping[str, str]
) -> Iterator[tuple[Instruction, Values]]:
    """Each instruction with the variables that it sees (Dockerfile reference, ARG and ENV).

    Args:
        dockerfile: as parsed.
        arguments: the build arguments.
    """
    outside: Values = {}
    stages: list[Values] = []
    values: Values = outside
    variables: Values = {}
    for instruction in dockerfile.instructions:
        if instruction.keyword == "FROM":
            name = substitute(instruction.args.split()[0], outside) if instruction.args else None
            number = dockerfile.stage_number(name) if name else None
            below = stages[number] if number is not None and number < len(stages) else {}
            # ENV goes down to what is built on it; whether ARG does, depends on the builder.
            variables = dict(below)
            stages.append(variables)
            values = dict(variables)
            yield instruction, outside
            continue
        if instruction.keyword == "ARG":
            for name, default in _arguments(instruction.args, values, outside):
                if name in variables:
                    continue
                values[name] = arguments.get(name, default)
        elif instruction.keyword == "ENV":
            for name, text in _pairs(instruction.args):
                variables[name] = values[name] = _value(text, values)
        yield instruction, values


def base_images(dockerfile: Dockerfile, arguments: Mapping[str, str]) -> list[str | None]:
    """The images that the stages begin with, each once; None for one that is not known.

    Args:
        dockerfile: as parsed.
        arguments: the build arguments.
    """
    found: dict[str | None, None] = {}
    for instruction, values in with_variables(dockerfile, arguments):
        if instruction.keyword == "FROM" and instruction.args:
            name = substitute(instruction.args.split()[0], values)
            if name is None or (name != "scratch" and dockerfile.stage_number(name) is None):
                found[name] = None
    return list(found)


def _arguments(
    args: str, values: Mapping[str, str | None], outside: Mapping[str, str | None]
) -> Iterator[tuple[str, str | None]]:
    """The variables of an `ARG` and their defaults, which without one come from before `FROM`."""
    for word in re.findall(r"[A-Za-z_]\w*(?:=(?:\"[^\"]*\"|'[^']*'|\S)*)?", args):
        name, equals, default = word.partition("=")
        yield name, _value(default, values) if equals else outside.get(name)


def _pairs(args: str) -> Iterator[tuple[str, str]]:
    """The variables of an `ENV`: `A=b C=d`, or in the old form `A the rest`."""
    name, _, rest = args.partition(" ")
    if "=" not in name:
        yield name, rest.strip()
        return
    for match in _PAIR.finditer(args):
        yield match[1], match[2]


def _value(text: str, values: Mapping[str, str | None]) -> str | None:
    inner = text[1:-1] if text[:1] == text[-1:] and text[:1] in ('"', "'") else text
    if not inner:
        return ""
    if set(inner) & set("\"'"):
        return None
    return None if text.startswith("'") and "$" in text else substitute(inner, values)
