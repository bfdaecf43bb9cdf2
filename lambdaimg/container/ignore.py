"""`.dockerignore`, by Docker's own rules.

A pattern is a path from the root of the context in the syntax of Go's `filepath.Match`, and `**`
stands for any number of folders. It excludes what it matches and all below. The last pattern
that matches decides; one that begins with `!` takes back in. A line that begins with `#` is a
comment. (Docker's documentation; the finer points were compared with `docker build`.)
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import groupby

from lambdaimg.errors import ProjectError

Matched = tuple[bool, ...]
"""Which groups of patterns matched a folder or one of its parents: handed down while walking."""


@dataclass(frozen=True, slots=True)
class _Pattern:
    text: str
    negated: bool
    regex: str


class IgnoreRules:
    """The patterns of one file.

    Neighbouring patterns of one sign are joined into one expression, so that a walk costs one
    match per path for most files.
    """

    def __init__(self, patterns: Sequence[_Pattern]) -> None:
        self._groups = [
            (negated, re.compile("|".join(f"(?:{p.regex})" for p in group), re.DOTALL))
            for negated, group in groupby(patterns, key=lambda p: p.negated)
        ]
        self._negated = [p.text.split("/") for p in patterns if p.negated]
        self.none: Matched = (False,) * len(self._groups)

    @classmethod
    def parse(cls, text: str, name: str = ".dockerignore") -> IgnoreRules:
        """Read the text of a file.

        Args:
            text: the file's contents.
            name: the file's name, for errors.

        Raises:
            ProjectError: a malformed pattern, with its line.
        """
        patterns: list[_Pattern] = []
        for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), 1):
            if line.startswith("#") or not line.strip():
                continue
            try:
                pattern = _pattern(line.strip())
            except ValueError as exc:
                raise ProjectError(
                    f"{name}, line {number}: {exc}: {line.strip()}",
                    hint="See Docker's documentation of .dockerignore for the syntax.",
                    file=name,
                    line=number,
                ) from None
            patterns.append(pattern)
        return cls(patterns)

    def step(self, path: str, parent: Matched) -> tuple[bool, Matched]:
        """Whether a path is excluded, given what its folder matched.

        Args:
            path: relative, with slashes.
            parent: the second value that this function gave for the folder; `none` at the root.
        """
        excluded = False
        matched: list[bool] = []
        for (negated, regex), inherited in zip(self._groups, parent, strict=True):
            # As in Docker, a group that could change nothing is not looked at, and so is not
            # handed down as matched either.
            match = inherited or (negated == excluded and regex.fullmatch(path) is not None)
            matched.append(match)
            if match:
                excluded = not negated
        return excluded, tuple(matched)

    def excludes(self, path: str) -> bool:
        """Whether a path is excluded, by itself or with one of its folders."""
        excluded, matched = False, self.none
        parts = path.split("/")
        for length in range(1, len(parts) + 1):
            excluded, matched = self.step("/".join(parts[:length]), matched)
        return excluded

    def may_take_back(self, folder: str) -> bool:
        """Whether anything below an excluded folder could be taken back in."""
        parts = folder.split("/")
        return any(_could_match_below(pattern, parts) for pattern in self._negated)


def _could_match_below(pattern: Sequence[str], folder: Sequence[str]) -> bool:
    for wanted, part in zip(pattern, folder, strict=False):
        if "**" in wanted or "[" in wanted or "\\" in wanted:
            return True
        if not fnmatchcase(part, wanted):
            return False
    return len(pattern) > len(folder)


def _pattern(text: str) -> _Pattern:
    negated = text.startswith("!")
    if negated:
        text = text[1:].strip()
        if not text:
            raise ValueError("'!' without a pattern")
    clean = posixpath.normpath(text.lstrip("/") or "/")
    return _Pattern(clean, negated, _regex(clean))


def _regex(pattern: str) -> str:
    """The pattern as a regular expression for the whole path."""
    out: list[str] = []
    at = 0
    while at < len(pattern):
        char = pattern[at]
        at += 1
        if pattern.startswith("**", at - 1):
            at += 1 + pattern.startswith("/", at + 1)
            out.append(".*" if at >= len(pattern) else "(?:.*/)?")
        elif char == "*":
            out.append("[^/]*")
        elif char == "?":
            out.append("[^/]")
        elif char == "[":
            group, at = _character_class(pattern, at)
            out.append(group)
        elif char == "\\":
            if at >= len(pattern):
                raise ValueError("a backslash at the end escapes nothing")
            out.append(re.escape(pattern[at]))
            at += 1
        else:
            out.append(re.escape(char))
    return "".join(out)


def _character_class(pattern: str, at: int) -> tuple[str, int]:
    """A class `[...]`, from behind its bracket: its expression, and where it ends."""
    negated = pattern.startswith("^", at)
    at += negated
    out: list[str] = []
    while at < len(pattern) and not (pattern[at] == "]" and out):
        if pattern[at] == "\\":
            at += 1
        if at >= len(pattern) or pattern[at] == "]":
            break
        char = pattern[at]
        at += 1
        if char == "-" and out and at < len(pattern) and pattern[at] != "]":
            out.append("-")
        else:
            out.append(re.escape(char))
    if at >= len(pattern) or not out:
        raise ValueError("a character class is empty or has no end")
    expression = f"[{'^' if negated else ''}{''.join(out)}]"
    try:
        re.compile(expression)
    except re.error as exc:
        raise ValueError("a character class is malformed") from exc
    return expression, at + 1
