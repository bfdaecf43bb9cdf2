"""What a check found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How a check ended."""

    PASS = "pass"  # noqa: S105 - a word, and no password
    FAIL = "fail"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Finding:
    """One line of `check`. `remedy` says what to do where it did not pass."""

    name: str
    state: State
    text: str
    remedy: str = ""

    def as_dict(self) -> dict[str, str]:
        """The line as `--json` prints it."""
        return {
            "name": self.name,
            "state": str(self.state),
            "text": self.text,
            "remedy": self.remedy,
        }


def passed(name: str, text: str) -> Finding:
    """A check that passed."""
    return Finding(name, State.PASS, text)


def failed(name: str, text: str, remedy: str) -> Finding:
    """A check that failed."""
    return Finding(name, State.FAIL, text, remedy)


def unknown(name: str, text: str, remedy: str = "") -> Finding:
    """A check of which nobody can tell."""
    return Finding(name, State.UNKNOWN, text, remedy)
