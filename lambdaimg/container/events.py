"""Progress of builds and pushes, as plain values for whoever shows it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

BuildKind = Literal["step", "cached", "output", "pull", "warning"]
PushKind = Literal["waiting", "pushing", "pushed", "exists", "status"]


@dataclass(frozen=True, slots=True)
class BuildEvent:
    """One thing that happened in a build.

    Attributes:
        kind: `step` begins a step, `cached` says that the step came from the cache, `output` is
            text of the step's own, `pull` is the progress of a base image's layer, `warning` is
            a remark of the engine or of the kit.
        text: the instruction, the output (with its own line ends) or the status.
        step: number of the step, from 1, as the builder counts them.
        steps: how many steps there are, as far as the builder has told.
        line: line of the Dockerfile where the step's instruction begins.
        id: layer of a pull.
        current: bytes of that layer so far.
        total: bytes of that layer.
    """

    kind: BuildKind
    text: str = ""
    step: int | None = None
    steps: int | None = None
    line: int | None = None
    id: str = ""
    current: int | None = None
    total: int | None = None


@dataclass(frozen=True, slots=True)
class PushEvent:
    """One thing that happened to a layer (or, without an id, to the whole push).

    Attributes:
        kind: where the layer is; `exists` means that the registry had it already.
        id: the layer, as the engine shortens it.
        text: the engine's own words.
        current: bytes read of the unpacked layer so far.
        total: bytes of the unpacked layer.
    """

    kind: PushKind
    id: str = ""
    text: str = ""
    current: int | None = None
    total: int | None = None


OnBuildEvent = Callable[[BuildEvent], None]
OnPushEvent = Callable[[PushEvent], None]


class WholeLines:
    """Puts the pieces that a builder's output comes in together again, so that lines stay whole.

    Args:
        tell: given one or more whole lines; a bar, which ends in a carriage return, at once too.
    """

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._rest = ""

    def add(self, text: str) -> None:
        """The next piece."""
        text = self._rest + text
        end = len(text) if text.endswith("\r") else text.rfind("\n") + 1
        whole, self._rest = text[:end], text[end:]
        if whole.strip():
            self._tell(whole)

    def end(self) -> None:
        """Nothing follows: what is left is a line of its own."""
        rest, self._rest = self._rest, ""
        if rest.strip():
            self._tell(rest)
