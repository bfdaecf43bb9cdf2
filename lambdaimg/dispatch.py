"""From parsed options to a run: the session, the target, and errors as an exit status.

`plain` and `app` (Typer) both end here; nothing in here knows how the options were read.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lambdaimg.cli import WHERE
from lambdaimg.errors import InterruptedRunError, LambdaimgError
from lambdaimg.report import silence
from lambdaimg.session import Session, Takes
from lambdaimg.settings import Settings

TRUE = ("1", "true", "yes", "on")


def open_session(
    command: str, options: Mapping[str, Any], outer: Mapping[str, Any], settings: Sequence[str]
) -> Session:
    """The session of a command.

    Args:
        command: its name.
        options: the options behind the command: those of `cli.EVERYWHERE` and settings.
        outer: the options before it, `cli.WHERE` among them.
        settings: the names of the settings that the command takes.
    """

    def either(name: str) -> Any:
        value = options.get(name)
        return outer.get(name) if value is None else value

    local = either("local_")
    if local is None:
        local = os.environ.get("LAMBDAIMG_LOCAL", "").lower() in TRUE
    return Session(
        command,
        flags={name: value for name in (*WHERE, *settings) if (value := either(name)) is not None},
        local=local,
        env_name=either("env_") or os.environ.get("LAMBDAIMG_ENV", ""),
        folder=either("project_"),
        as_json=bool(either("json_")),
        debug=bool(either("debug_")),
        verbose=bool(either("verbose_")),
        functions=(*(outer.get("functions_") or ()), *(options.get("functions_") or ())),
        every=bool(either("all_")),
    )


def guarded(session: Session, run: Callable[[], Any]) -> None:
    """Runs a command; every error becomes one sentence, a hint and an exit status.

    Raises:
        SystemExit: the command failed; with the exit status.
    """
    try:
        try:
            run()
        finally:
            if session.calls is not None:
                session.report.lines(["calls:", *session.calls.lines()])
    except LambdaimgError as error:
        fail(session, error)
    except KeyboardInterrupt:
        fail(session, InterruptedRunError("Interrupted."))
    except BrokenPipeError:
        # Whoever read the output has enough; a second error at exit would say nothing.
        silence(sys.stdout)
        raise SystemExit(1) from None
    except Exception as error:
        from lambdaimg.context import Context

        fail(session, Context(Path(), settings_of(session)).translate(error, session.command))


def settings_of(session: Session) -> Settings:
    """The settings of the run, where they can be had; they say of which region an error speaks."""
    try:
        return session.settings
    except (LambdaimgError, OSError, KeyError):
        return Settings()


def fail(session: Session, error: LambdaimgError) -> None:
    """Reports an error and ends with its exit status."""
    if session.debug:
        import traceback

        text = "".join(traceback.format_exception(error))
        session.report.lines(text.splitlines())
    session.report.failure(session.command, error, error.details.pop("result", None))
    raise SystemExit(error.exit_status) from None


def run_command(session: Session, takes: Takes, module: Any, **options: Any) -> None:
    """Runs a command that is no target, for the function or functions that it is about.

    Args:
        module: has `run(session, ...)`, and `run_each(session, sessions, ...)` where several
            functions are more to it than one after another.
    """
    session.choose(takes)
    if not session.several:
        module.run(session, **options)
        return
    from lambdaimg import several

    several.run_command(session, module, options)


def run_target(
    session: Session, name: str, dry_run: bool, trust: bool, force: bool, verify: bool
) -> None:
    """Brings about a target with all that it needs, and reports."""
    from lambdaimg.context import RECORDS
    from lambdaimg.make.plan import Options
    from lambdaimg.make.runner import run
    from lambdaimg.targets import TABLES

    session.choose(Takes.ALL)
    forced = frozenset({name} if force else ())
    options = Options(dry_run, trust, force, verify, session.settings.lock_wait)
    if session.several:
        from lambdaimg import several

        several.run_targets(session, name, options)
        return
    context = session.context()
    context.forced = forced
    context.onward = name != "image"
    # Who asks for the image itself wants it in the engine.
    context.fast = session.settings.fast and context.onward
    table = TABLES[session.settings.package]
    store = context.store(trust)
    context.own[RECORDS] = store
    run(table, [name], context, store, session.report, options)
    value = context.values.get(name, "")
    session.report.result(name, {"value": value})
