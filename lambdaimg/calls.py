"""The calls of a run, for `--debug`: what was asked of AWS and Docker, and what came of it.

Only names of parameters are kept, and the values of those that name a resource; no body, no
token, no value of an environment variable.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

KEPT = 500
LONGEST_VALUE = 120
# Parameters whose values name something, so that the log tells of what each call was.
NAMING = frozenset(
    {
        "EventSourceArn", "FunctionName", "ImageUri", "PolicyArn", "QueueName", "QueueUrl",
        "Resource", "RoleName", "UUID", "imageIds", "logGroupName", "repositoryName",
        "resourceArn",
    }
)  # fmt: skip


@dataclass(frozen=True)
class Call:
    """One call.

    Args:
        name: `lambda.GetFunction`, or `POST /build` of the engine.
        outcome: status and error code, or the exception's name.
        seconds: wall time, with the attempts that were repeated.
        attempts: how often it was sent.
        request_id: AWS's name for it.
        parameters: as `describe` gives them.
    """

    name: str
    outcome: str
    seconds: float
    attempts: int = 1
    request_id: str = ""
    parameters: str = ""

    def __str__(self) -> str:
        words = [f"{self.seconds * 1000:6.0f} ms", self.name, self.outcome]
        if self.attempts > 1:
            words.append(f"({self.attempts} attempts)")
        words += [word for word in (self.parameters, self.request_id) if word]
        return "  ".join(words)


class CallLog:
    """The last calls of a run; several threads may add to it."""

    def __init__(self) -> None:
        self._calls: deque[Call] = deque(maxlen=KEPT)
        self._lock = threading.Lock()

    def add(self, call: Call) -> None:
        """Writes a call down."""
        with self._lock:
            self._calls.append(call)

    def lines(self) -> list[str]:
        """The calls as text, in the order in which they ended."""
        with self._lock:
            return [str(call) for call in self._calls]


def describe(parameters: Mapping[str, Any]) -> str:
    """Parameters without anything that could be secret."""
    words = []
    for name in sorted(parameters):
        value = parameters[name] if name in NAMING else "..."
        words.append(f"{name}={str(value)[:LONGEST_VALUE]}")
    return " ".join(words)
