"""`clean`: forget what was done. AWS and the Docker engine are not touched."""

from __future__ import annotations

from contextlib import suppress

from lambdaimg.context import STATE_FOLDER
from lambdaimg.errors import StateError
from lambdaimg.session import Session


def run(session: Session) -> None:
    """Removes every sentinel of the project, and what else is remembered.

    Locks stay, since a run may hold one.

    Raises:
        StateError: a file cannot be removed.
    """
    root = session.project / STATE_FOLDER
    removed = 0
    files = [*root.glob("*/*.json"), *root.glob("*.json"), *root.glob("*.cache")]
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
