"""`settings`: every setting, its value and where it came from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lambdaimg.report import table
from lambdaimg.session import Session
from lambdaimg.settings import FIELDS


def run(session: Session) -> None:
    """Prints the settings; the values of secret ones are masked."""
    settings = session.settings
    values = {name: masked(name, getattr(settings, name)) for name in FIELDS}
    rows = [(name, as_text(values[name]), settings.source(name)) for name in FIELDS]
    result = {n: {"value": values[n], "source": settings.source(n)} for n in FIELDS}
    session.report.result("settings", result, table(rows, ("setting", "value", "from")))


def masked(name: str, value: Any) -> Any:
    """A value fit to be shown: of a secret table only the names."""
    if isinstance(value, Mapping):
        return {key: "***" if FIELDS[name].metadata["secret"] else value[key] for key in value}
    return list(value) if isinstance(value, tuple) else value


def as_text(value: Any) -> str:
    """A value in one cell."""
    if isinstance(value, Mapping):
        return " ".join(f"{key}={text}" for key, text in value.items())
    if isinstance(value, list):
        return " ".join(value)
    return str(value).lower() if isinstance(value, bool) else str(value)
