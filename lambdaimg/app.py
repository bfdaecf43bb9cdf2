"""The Typer app: one command per target, made from the target table, and the other commands.

Only the command that the arguments name is built, so that a run pays for no other; `--help`,
completion and a mistyped name build them all. Command lines that need no Typer do not come here
(see `plain`).
"""

from __future__ import annotations

import importlib
import inspect
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from lambdaimg import __version__
from lambdaimg.cli import (
    COMMANDS,
    EVERYWHERE,
    OF_TARGETS,
    WHERE,
    Kind,
    Option,
    command_names,
    setting_option,
    target_settings,
)
from lambdaimg.dispatch import guarded, open_session, run_command, run_target
from lambdaimg.errors import UsageError
from lambdaimg.report import Report
from lambdaimg.session import Session
from lambdaimg.settings import FIELDS, Settings

TYPES: dict[Kind, Any] = {
    Kind.FLAG: bool,
    Kind.TEXT: str,
    Kind.TEXTS: list[str],
    Kind.PATH: Path,
}


def parameter(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    """A keyword parameter that Typer makes an option of."""
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation
    )


def option_parameters(options: Iterable[Option], panel: str | None) -> list[inspect.Parameter]:
    """The parameters of options that are no settings; None is 'not given'."""
    found = []
    for option in options:
        first, *more = option.flags
        names = [f"{first}/{option.off}" if option.off else first, *more]
        made = typer.Option(*names, help=option.help, rich_help_panel=panel, show_default=False)
        found.append(parameter(option.name, Annotated[TYPES[option.kind] | None, made], None))
    return found


def setting_parameters(names: Sequence[str]) -> list[inspect.Parameter]:
    """Options for settings, as text; `settings_load` parses and checks them."""
    found = []
    for name in names:
        option, spec = setting_option(name), FIELDS[name]
        kind: Any = list[str] if option.many else bool if option.off else str
        default = getattr(Settings(), name)
        shown = default if isinstance(default, (int, str)) and default != "" else None
        text = spec.metadata["help"]
        if option.many:
            text += "; NAME=VALUE, may be repeated"
        elif shown is not None and not isinstance(shown, bool):
            text += f" (default: {shown})"
        flag = f"{option.flag}/{option.off}" if option.off else option.flag
        made = typer.Option(
            flag, help=text, rich_help_panel="Settings", show_default=False, metavar=None
        )
        found.append(parameter(name, Annotated[kind | None, made], None))
    return found


def bind(
    command: str, run: Callable[..., Any], own: Sequence[inspect.Parameter], settings: Sequence[str]
) -> Callable[..., None]:
    """A function for Typer: splits its options into the session, the settings and `run`'s own."""
    own_names = {p.name for p in own}

    def call(ctx: typer.Context, **options: Any) -> None:
        session = open_session(command, options, ctx.obj or {}, settings)
        guarded(session, lambda: run(session, **{n: options[n] for n in own_names}))

    first = inspect.Parameter(
        "ctx", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context
    )
    everywhere = option_parameters(EVERYWHERE, "Everywhere")
    parameters = [first, *own, *setting_parameters(settings), *everywhere]
    call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    call.__annotations__ = {p.name: p.annotation for p in parameters}
    return call


def target_command(name: str) -> Callable[..., None]:
    """The command of a target."""

    def run(session: Session, **flags: bool | None) -> None:
        run_target(session, name, **{flag: bool(value) for flag, value in flags.items()})

    return bind(name, run, option_parameters(OF_TARGETS, None), target_settings(name))


def other_command(name: str) -> Callable[..., None]:
    """A command that is no target, from its module in `lambdaimg.commands`."""
    spec = COMMANDS[name]
    module = importlib.import_module(f"lambdaimg.commands.{spec.module}")
    signature = inspect.signature(module.run, eval_str=True)
    own = list(signature.parameters.values())[1:]

    def run(session: Session, **options: Any) -> None:
        run_command(session, spec.takes, module, **options)

    return bind(name, run, own, spec.settings)


def show_version(wanted: bool) -> None:
    """Prints the version and ends."""
    if wanted:
        print(f"lambdaimg {__version__}")
        raise typer.Exit


def make_app(arguments: Sequence[str]) -> typer.Typer:
    """The app, with the commands that the arguments name, or all of them."""
    app = typer.Typer(
        name="lambdaimg",
        help="Container images on AWS Lambda: each command brings about one thing, "
        "does first what that needs, and does nothing where all is so already.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )

    def root(ctx: typer.Context, **options: Any) -> None:
        ctx.obj = options

    version = typer.Option("--version", help="Show the version", callback=show_version)
    parameters = [
        inspect.Parameter("ctx", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context),
        parameter("version", Annotated[bool, version], False),
        *option_parameters(EVERYWHERE, "Everywhere"),
        *setting_parameters(WHERE),
    ]
    root.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    root.__annotations__ = {p.name: p.annotation for p in parameters}
    app.callback()(root)
    known = command_names()
    named = [name for name in known if name in arguments]
    completing = any(name.endswith("_COMPLETE") for name in os.environ)
    for name in known if completing or not named else named:
        group, help_text = known[name]
        make = other_command if name in COMMANDS else target_command
        app.command(name, help=help_text, rich_help_panel=group)(make(name))
    return app


def run(arguments: Sequence[str]) -> None:
    """Reads a command line and runs it; a mistake in it is a JSON document too, where asked for.

    Raises:
        SystemExit: always, with the exit status.
    """
    app = make_app(arguments)
    if "--json" not in arguments:
        app()
        return
    try:
        status = app(list(arguments), standalone_mode=False)
    except Exception as error:
        message = getattr(error, "format_message", None)
        if message is None:
            raise
        command = next((word for word in arguments if not word.startswith("-")), "")
        whose = f"{command} " if command in command_names() else ""
        told = UsageError(message(), hint=f"See lambdaimg {whose}--help.")
        Report(as_json=True).failure(command, told)
        raise SystemExit(told.exit_status) from None
    raise SystemExit(status if isinstance(status, int) else 0)
