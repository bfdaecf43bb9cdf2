"""`local up|down|status`: the AWS on this machine."""

from __future__ import annotations

import os
from enum import StrEnum
from typing import Annotated, Any

import typer

from lambdaimg.session import Session

FOREIGN = ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ACCOUNT", "AWS_CA_BUNDLE")


class Verb(StrEnum):
    """What to do with the embedded AWS."""

    UP = "up"
    DOWN = "down"
    STATUS = "status"
    ENV = "env"


def run(
    session: Session,
    verb: Annotated[
        Verb, typer.Argument(help="Start it, stop it, show it, or print its variables for a shell")
    ],
    port: Annotated[
        int | None, typer.Option("--port", min=1, max=65535, help="Port to start it on")
    ] = None,
) -> None:
    """Starts, stops or shows the embedded AWS."""
    {Verb.UP: up, Verb.DOWN: down, Verb.STATUS: status, Verb.ENV: env}[verb](session, port)


def facts(found: Any) -> dict[str, Any]:
    """What a user may want to know of the running one."""
    return {
        "running": True,
        "endpoint": found.endpoint,
        "port": found.port,
        "pid": found.pid,
        "account": found.account,
        "region": found.region,
        "log": str(found.log),
    }


def text_of(found: Any, verb: str) -> str:
    """One line on the running one."""
    return f"{verb} at {found.endpoint} (process {found.pid}, account {found.account})"


def up(session: Session, port: int | None) -> None:
    """Starts it unless it runs."""
    from lambdaimg.local.server import DEFAULT_REGION, ensure_up

    found = ensure_up(
        port=port,
        region=session.settings.region or DEFAULT_REGION,
        docker_host=os.environ.get("DOCKER_HOST") or None,
        on_event=session.report.note,
    )
    verb = "started" if found.started else "running"
    session.report.result("local", {**facts(found), "started": found.started}, text_of(found, verb))


def down(session: Session, _port: int | None) -> None:
    """Stops it, with the containers that it started."""
    from lambdaimg.local.server import down as stop

    pid = stop(on_event=session.report.note)
    text = "not running" if pid is None else f"stopped (process {pid})"
    session.report.result("local", {"running": False, "stopped": pid}, text)


def status(session: Session, _port: int | None) -> None:
    """Tells whether it runs, and where."""
    from lambdaimg.local.server import status as look

    found = look()
    if found is None:
        session.report.result("local", {"running": False}, "not running")
    else:
        session.report.result("local", facts(found), text_of(found, "running"))


def env(session: Session, _port: int | None) -> None:
    """Prints AWS's own variables for it, for `eval` in a shell."""
    import shlex

    from lambdaimg.local.server import environment

    session.local = True
    found = session.local_aws()
    variables = environment(found) if found else {}
    # What a shell may have set for another account would win over the local one's.
    lines = [f"unset {name}" for name in FOREIGN]
    lines += [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
    session.report.result("local", variables, "\n".join(lines))
