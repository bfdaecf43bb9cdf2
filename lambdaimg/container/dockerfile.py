"""Reading a Dockerfile as far as the kit needs it.

It is split into instructions with their line numbers, so that a step of a build can be shown
as a line, and looked through for what only BuildKit understands. Nothing is evaluated. The
syntax (parser directives, comments, continuation, here-documents) is that of Docker's
Dockerfile reference.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

_DIRECTIVE = re.compile(r"#\s*(?P<name>[A-Za-z][\w-]*)\s*=\s*(?P<value>.+?)\s*$")
_HEREDOC = re.compile(
    r"(?<![\w<])\d*<<(?P<dash>-?)(?P<quote>['\"]?)(?P<word>[A-Za-z_]\w*)(?P=quote)"
)
_FLAG = re.compile(r"--[a-z][\w-]*(=(\"[^\"]*\"|'[^']*'|\S)*)?(?=\s|$)")
_ARG = re.compile(r"([A-Za-z_]\w*)(?:=(\"[^\"]*\"|'[^']*'|\S*))?")
_AUTOMATIC = re.compile(r"\$\{?(?:BUILD|TARGET)(?:PLATFORM|OS|ARCH|VARIANT)\b")

HEREDOC_KEYWORDS = frozenset({"RUN", "COPY", "ADD"})

# Flags that the legacy builder refuses, by instruction (Dockerfile reference).
BUILDKIT_FLAGS: dict[str, frozenset[str]] = {
    "RUN": frozenset({"mount", "network", "security", "device"}),
    "COPY": frozenset({"link", "chmod", "parents", "exclude"}),
    "ADD": frozenset({"link", "chmod", "checksum", "keep-git-dir", "exclude", "unpack"}),
}

# Build args that every builder knows without a declaration.
PREDEFINED_ARGS = frozenset(
    name
    for base in ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY")
    for name in (base, base.lower())
)


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction.

    Attributes:
        keyword: in capitals, e.g. `COPY`.
        flags: `--name=value`, in order.
        args: what follows, continuation lines joined by a space.
        line: first line, from 1.
        last_line: last line, of a here-document the line of its end.
        stage: number of the build stage, -1 before the first `FROM`.
        heredoc: whether a here-document belongs to it.
    """

    keyword: str
    flags: tuple[str, ...]
    args: str
    line: int
    last_line: int
    stage: int
    heredoc: bool

    @property
    def text(self) -> str:
        """The instruction on one line."""
        return " ".join((self.keyword, *self.flags, self.args)).strip()

    def flag(self, name: str) -> str | None:
        """Value of `--name=value`, empty for a bare flag, None where it is absent."""
        for flag in self.flags:
            key, _, value = flag[2:].partition("=")
            if key == name:
                return value.strip("\"'")
        return None


@dataclass(frozen=True, slots=True)
class BuildKitReason:
    """Why a Dockerfile wants BuildKit; `required` where the legacy builder would fail."""

    line: int
    what: str
    required: bool


@dataclass(frozen=True)
class Dockerfile:
    """A Dockerfile taken apart."""

    directives: dict[str, str]
    instructions: tuple[Instruction, ...]

    def of_step(self, step: int) -> Instruction | None:
        """The instruction that the legacy builder counts as `Step n/m`."""
        return self.instructions[step - 1] if 0 < step <= len(self.instructions) else None

    def at_line(self, line: int) -> Instruction | None:
        """The instruction that a line is part of."""
        return next((i for i in self.instructions if i.line <= line <= i.last_line), None)

    @cached_property
    def declared_args(self) -> frozenset[str]:
        """Names of all `ARG` instructions."""
        return frozenset(
            match.group(1)
            for instruction in self.instructions
            if instruction.keyword == "ARG"
            for match in _ARG.finditer(instruction.args)
        )

    @cached_property
    def stages(self) -> tuple[Instruction, ...]:
        """The `FROM` instructions, in order."""
        return tuple(i for i in self.instructions if i.keyword == "FROM")

    def stage_number(self, name: str) -> int | None:
        """Number of the stage with that name or number, None where there is none."""
        for number, instruction in reversed(tuple(enumerate(self.stages))):
            words = instruction.args.split()
            if len(words) == 3 and words[1].upper() == "AS" and words[2].lower() == name.lower():
                return number
        if name.isdigit() and int(name) < len(self.stages):
            return int(name)
        return None

    def ancestry(self, target: str | None) -> frozenset[int]:
        """Numbers of the stages that the image consists of: the last (or `target`), and those it
        is made `FROM`.
        """
        number = self.stage_number(target) if target else len(self.stages) - 1
        found: set[int] = set()
        while number is not None and number >= 0 and number not in found:
            found.add(number)
            words = self.stages[number].args.split()
            number = self.stage_number(words[0]) if words else None
        return frozenset(found)

    def of_image(self, target: str | None = None) -> tuple[Instruction, ...]:
        """The instructions of the stages that the image consists of; `target` as in `ancestry`."""
        stages = self.ancestry(target)
        return tuple(i for i in self.instructions if i.stage in stages)

    def command(self, target: str | None = None) -> list[str]:
        """What the image's `CMD` says in its JSON form; empty where it says nothing."""
        said = [i.args for i in self.of_image(target) if i.keyword == "CMD"]
        try:
            found = json.loads(said[-1]) if said else []
        except ValueError:
            return []
        return [str(word) for word in found] if isinstance(found, list) else []

    def from_scratch(self, target: str | None = None) -> bool:
        """Whether the image has no base image; `target` as in `ancestry`."""
        return self.stages[min(self.ancestry(target))].args.split()[:1] == ["scratch"]

    @cached_property
    def buildkit_reasons(self) -> tuple[BuildKitReason, ...]:
        """What in it is BuildKit's, in the order of the lines."""
        return tuple(_reasons(self))


def parse(text: str) -> Dockerfile:
    """Take a Dockerfile apart; never fails, for the builder is the judge of its syntax."""
    lines = text.removeprefix("\ufeff").splitlines()
    directives, first = _directives(lines)
    escape = directives.get("escape", "\\")
    instructions: list[Instruction] = []
    stage = -1
    at = first
    while at < len(lines):
        if not lines[at].strip() or is_comment(lines[at]):
            at += 1
            continue
        begin = at
        joined, at = _logical_line(lines, at, escape)
        keyword, flags, args = _split(joined)
        ends = _heredocs(keyword, args)
        for word, strip_tabs in ends:
            at = _after_heredoc(lines, at, word, strip_tabs)
        stage += keyword == "FROM"
        instructions.append(Instruction(keyword, flags, args, begin + 1, at, stage, bool(ends)))
    return Dockerfile(directives, tuple(instructions))


def _directives(lines: list[str]) -> tuple[dict[str, str], int]:
    """Parser directives: comments `name=value` before anything else, each name once."""
    found: dict[str, str] = {}
    for number, line in enumerate(lines):
        match = _DIRECTIVE.match(line.strip())
        name = match["name"].lower() if match else ""
        if match is None or name in found or name not in ("syntax", "escape", "check"):
            return found, number
        found[name] = match["value"]
    return found, len(lines)


def is_comment(line: str) -> bool:
    """Whether a line, outside of a here-document, is a comment."""
    return line.lstrip().startswith("#")


def _logical_line(lines: list[str], at: int, escape: str) -> tuple[str, int]:
    """Lines joined at the escape character; comments and blank lines between them are dropped."""
    parts: list[str] = []
    while at < len(lines):
        line = lines[at].rstrip()
        at += 1
        if parts and (not line or is_comment(line)):
            continue
        if not line.endswith(escape):
            parts.append(line.strip())
            break
        parts.append(line[: -len(escape)].strip())
    return " ".join(part for part in parts if part), at


def _split(joined: str) -> tuple[str, tuple[str, ...], str]:
    keyword, _, rest = joined.strip().partition(" ")
    if "\t" in keyword:
        keyword, _, more = keyword.partition("\t")
        rest = f"{more} {rest}"
    flags: list[str] = []
    rest = rest.strip()
    while match := _FLAG.match(rest):
        flags.append(match.group())
        rest = rest[match.end() :].strip()
    return keyword.upper(), tuple(flags), rest


def _heredocs(keyword: str, args: str) -> list[tuple[str, bool]]:
    if keyword == "ONBUILD":
        keyword, _, args = _split(args)
    if keyword not in HEREDOC_KEYWORDS:
        return []
    return [(m["word"], bool(m["dash"])) for m in _HEREDOC.finditer(args)]


def _after_heredoc(lines: list[str], at: int, word: str, strip_tabs: bool) -> int:
    while at < len(lines):
        line = lines[at].lstrip("\t") if strip_tabs else lines[at]
        at += 1
        if line == word:
            break
    return at


def _reasons(dockerfile: Dockerfile) -> Iterator[BuildKitReason]:
    if "syntax" in dockerfile.directives:
        yield BuildKitReason(1, "# syntax=", required=False)
    for instruction in dockerfile.instructions:
        keyword, flags, args = instruction.keyword, instruction.flags, instruction.args
        if keyword == "ONBUILD":
            keyword, flags, args = _split(args)
        if instruction.heredoc:
            yield BuildKitReason(instruction.line, f"{keyword} with a here-document", True)
        for flag in flags:
            name = flag[2:].partition("=")[0]
            if name in BUILDKIT_FLAGS.get(keyword, ()):
                yield BuildKitReason(instruction.line, f"{keyword} --{name}", True)
        source = " ".join((*flags, args))
        if keyword == "FROM" and _AUTOMATIC.search(source):
            yield BuildKitReason(instruction.line, "automatic platform variables in FROM", True)
        if keyword == "ADD" and re.match(r"git@|https?://\S+\.git\b", args):
            yield BuildKitReason(instruction.line, "ADD of a git repository", True)
