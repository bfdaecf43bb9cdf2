"""The short way to read a command line means what Typer takes it to mean, or leaves it to Typer."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import pytest

from lambdaimg import app, plain
from lambdaimg.cli import COMMANDS, setting_option, target_settings
from lambdaimg.session import Session
from lambdaimg.targets import TARGETS
from tests.support.commandline import CommandLine

NAMES = [target.name for target in TARGETS]
BARE = [name for name, command in COMMANDS.items() if command.bare]


@pytest.fixture
def both(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Any, Any]]:
    """`both(*words)`: the session and the target's flags as either way makes them of the words."""

    def read(*words: str) -> tuple[Any, Any]:
        seen: list[Any] = []

        def keep(session: Session, run: Callable[[], Any]) -> None:
            seen.append(asdict(session))
            if session.command in NAMES:
                run()

        def flags(_session: Session, name: str, **given: bool) -> None:
            seen.append((name, given))

        for module in ("dispatch", "app"):
            monkeypatch.setattr(f"lambdaimg.{module}.guarded", keep)
            monkeypatch.setattr(f"lambdaimg.{module}.run_target", flags)
        line = plain.read(words)
        assert line is not None
        plain.run(line)
        shortly, seen[:] = list(seen), []
        app.make_app(words)(list(words), standalone_mode=False)
        return shortly, seen

    return read


@pytest.mark.parametrize("name", NAMES)
def test_every_setting_of_a_target(name: str, both: Callable[..., tuple[Any, Any]]) -> None:
    for setting in target_settings(name):
        option = setting_option(setting)
        lines = [[option.flag, "a=b c"], [f"{option.flag}=a=b c"]]
        if option.off:
            lines = [[option.flag], [option.off]]
        elif option.many:
            lines.append([option.flag, "A=1", f"{option.flag}=B=2"])
        for words in lines:
            shortly, by_typer = both(name, *words)
            assert shortly == by_typer
            assert shortly[0]["flags"][setting] is not None


@pytest.mark.parametrize(
    "words",
    [
        ["--local", "image"],
        ["image", "--local"],
        ["--local", "image", "--aws"],
        ["--aws", "deploy", "--trust", "--dry-run", "--force"],
        ["--env", "prod", "--json", "image", "--env=test", "-v"],
        ["-C", "some/folder", "queue", "--debug"],
        ["--project=x", "--verbose", "settings", "--json"],
        ["settings", "--region", "eu-west-1", "--profile="],
        ["--region", "eu-west-1", "--profile=p", "image"],
        ["--region", "eu-west-1", "image", "--region", "eu-west-2"],
        ["--function-name", "f", "--account=123456789012", "clean"],
        *[[name] for name in (*NAMES, *BARE)],
    ],
)
def test_options_before_and_behind(
    words: list[str], both: Callable[..., tuple[Any, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for variables in ({}, {"LAMBDAIMG_LOCAL": "yes", "LAMBDAIMG_ENV": "dev"}):
        for variable, value in variables.items():
            monkeypatch.setitem(os.environ, variable, value)
        shortly, by_typer = both(*words)
        assert shortly == by_typer


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--help"],
        ["image", "--help"],
        ["image", "-h"],
        ["--version"],
        ["nonsense"],
        ["image", "deploy"],
        ["image", "--batch-size", "3"],
        ["image", "--region"],
        ["image", "--region", "--json"],
        ["image", "--trust=yes"],
        ["image", "--region", "a", "--region", "b"],
        ["--memory", "512", "image"],
        ["-vC", "x", "image"],
        ["-Cx", "image"],
        ["--loc", "image"],
        ["image", "--", "x"],
        ["invoke"],
        ["status", "--trust"],
    ],
)
def test_what_is_unusual_is_left_to_typer(words: list[str]) -> None:
    assert plain.read(words) is None


def test_a_usual_run_needs_no_typer(lambdaimg: CommandLine) -> None:
    shown = lambdaimg("settings", "--json", PYTHONPROFILEIMPORTTIME="1").ok()
    imported = {line.rpartition("|")[2].strip() for line in shown.stderr.splitlines()}
    assert "lambdaimg.plain" in imported
    assert not {"typer", "click", "pydantic", "rich"} & {n.partition(".")[0] for n in imported}
