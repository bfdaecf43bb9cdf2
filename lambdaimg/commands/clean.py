"""`clean`: forget what was done. AWS and the Docker engine are not touched."""

from __future__ import annotations

import re
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from lambdaimg.context import STATE_FOLDER
from lambdaimg.errors import StateError
from lambdaimg.session import Session

# How `context.environment_name` names the folder of a function's records.
ENVIRONMENT = re.compile(r"\d{12}-[a-z]{2,}(?:-[a-z]+)+-\d+-(?P<function>[A-Za-z0-9_-]+)(?:@.+)?")


def run(session: Session) -> None:
    """Removes every sentinel of the project, and what else is remembered.

    Locks stay, since a run may hold one. Of functions that are named, only the sentinels go, of
    every account and region.

    Raises:
        StateError: a file cannot be removed.
    """
    root = session.project / STATE_FOLDER
    if session.function:
        forget(session, records(root, [session.settings.function_name]))
        return
    forget(session, [*root.glob("*/*.json"), *root.glob("*.json"), *root.glob("*.cache")])


def run_each(session: Session, sessions: list[Session]) -> None:
    """Removes the sentinels of several functions; of all of them, everything."""
    if session.every:
        run(session)
        return
    names = [one.settings.function_name for one in sessions]
    forget(session, records(session.project / STATE_FOLDER, names))


def records(root: Path, functions: Collection[str]) -> list[Path]:
    """The sentinels of functions, by their names at AWS."""
    found: list[Path] = []
    for folder in root.glob("*/"):
        match = ENVIRONMENT.fullmatch(folder.name)
        if match and match["function"] in functions:
            found += folder.glob("*.json")
    return found


def forget(session: Session, files: Collection[Path]) -> None:
    """Removes files of the state folder, and folders that are empty then."""
    root = session.project / STATE_FOLDER
    removed = 0
    for path in sorted(files):
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise StateError(f"Cannot remove {path}: {error.strerror}.") from error
        removed += path.parent != root
    for folder in root.glob("*/"):
        with suppress(OSError):
            folder.rmdir()
    noun = "record" if removed == 1 else "records"
    session.report.result("clean", {"removed": removed}, f"{removed} {noun} removed")
