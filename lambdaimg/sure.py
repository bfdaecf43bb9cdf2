"""Asking once before something is removed."""

from __future__ import annotations

import sys

from lambdaimg.errors import InterruptedRunError, UsageError
from lambdaimg.report import is_terminal


def make_sure(question: str, as_json: bool) -> None:
    """Asks on the terminal; anything but yes is no.

    Raises:
        UsageError: there is nobody to ask.
        InterruptedRunError: the answer was no.
    """
    if as_json or not sys.stdin.isatty() or not is_terminal(sys.stdout):
        raise UsageError("Nobody can be asked here.", hint="Give --yes, or --dry-run to look.")
    try:
        answer = input(f"{question} [y/N] ")
    except EOFError:
        answer = ""
    if answer.strip().lower() not in ("y", "yes"):
        raise InterruptedRunError("Nothing was removed.")
