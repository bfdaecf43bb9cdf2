"""The short way for command lines that hold nothing unusual: no Typer, and the same meaning.

Read here is a line of known options and one target, or one command without options of its own.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lambdaimg.cli import (
    COMMANDS,
    EVERYWHERE,
    OF_TARGETS,
    WHERE,
    Kind,
    Option,
    setting_option,
    target_settings,
)

READERS: Mapping[Kind, Callable[[str], Any]] = {Kind.TEXT: str, Kind.TEXTS: str, Kind.PATH: Path}


@dataclass
class Line:
    """A command line that was read: the command, and the options before and behind it."""

    command: str = ""
    outer: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    settings: Sequence[str] = ()


@dataclass(frozen=True)
class Word:
    """What a word of the command line does: gives `name` a value, or takes the next word."""

    name: str
    value: Any = None
    takes: Callable[[str], Any] | None = None
    many: bool = False


class UnusualError(Exception):
    """The line is for Typer to read."""


def read(arguments: Iterable[str]) -> Line | None:
    """The command line taken apart; None where it is for Typer to read."""
    from lambdaimg.targets import TABLE

    line, words = Line(), iter(arguments)
    known, found = words_of(EVERYWHERE) | words_of_settings(WHERE), line.outer
    try:
        for word in words:
            if word.startswith("-"):
                take(found, known, word, words)
                continue
            command = COMMANDS.get(word)
            if line.command or not (word in TABLE or (command and command.bare)):
                return None
            line.command, found = word, line.options
            line.settings = command.settings if command else target_settings(word)
            own = {} if command else words_of(OF_TARGETS)
            known = known | own | words_of_settings(line.settings)
    except UnusualError:
        return None
    return line if line.command else None


def take(found: dict[str, Any], known: Mapping[str, Word], word: str, rest: Iterator[str]) -> None:
    """Puts what an option says into `found`.

    Raises:
        UnusualError: it is unknown, given twice, or its value looks like an option.
    """
    flag, equals, value = word.partition("=")
    meant = known.get(flag)
    if meant is None or (meant.name in found and not meant.many):
        raise UnusualError
    if meant.takes is None:
        if equals:
            raise UnusualError
        found[meant.name] = meant.value
        return
    if not equals:
        value = next(rest, "-")
    if value.startswith("-") or (equals and not flag.startswith("--")):
        raise UnusualError
    parsed = meant.takes(value)
    found[meant.name] = [*found.get(meant.name, ()), parsed] if meant.many else parsed


def words_of(options: Iterable[Option]) -> dict[str, Word]:
    """The words of options that are no settings."""
    found: dict[str, Word] = {}
    for option in options:
        word = Word(option.name, True, READERS.get(option.kind), option.kind is Kind.TEXTS)
        found |= dict.fromkeys(option.flags, word)
        if option.off:
            found[option.off] = Word(option.name, False)
    return found


def words_of_settings(names: Iterable[str]) -> dict[str, Word]:
    """The words of settings."""
    found: dict[str, Word] = {}
    for name in names:
        option = setting_option(name)
        takes = None if option.off else str
        found[option.flag] = Word(name, True, takes, option.many)
        if option.off:
            found[option.off] = Word(name, False)
    return found


def run(line: Line) -> None:
    """Runs what was read.

    Raises:
        SystemExit: it failed; with the exit status.
    """
    from lambdaimg.dispatch import guarded, open_session, run_command, run_target

    session = open_session(line.command, line.options, line.outer, line.settings)
    if line.command in COMMANDS:
        spec = COMMANDS[line.command]
        module = importlib.import_module(f"lambdaimg.commands.{spec.module}")
        guarded(session, lambda: run_command(session, spec.takes, module))
        return
    own = {option.name: bool(line.options.get(option.name)) for option in OF_TARGETS}
    guarded(session, lambda: run_target(session, line.command, **own))
