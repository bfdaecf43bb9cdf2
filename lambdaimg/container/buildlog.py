"""BuildKit's plain progress, line by line, as the kit's events.

Lines read `#7 [stage 2/4] RUN ...` (a vertex begins), `#7 0.53 text` (its output), `#7 CACHED`,
`#7 DONE 0.3s`, `#7 ERROR: ...`; what has no number at the end is the summary of the failure.
The format is meant for people, so whatever is not understood is passed on as output.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from lambdaimg.container.dockerfile import Dockerfile, Instruction
from lambdaimg.container.events import BuildEvent
from lambdaimg.container.job import Job, Tail

_NUMBERED = re.compile(r"#(\d+) ?(.*)")
_VERTEX = re.compile(
    r"\[(?:\w+/\S+ )?(?:(?P<stage>\S+) )?\s*(?P<at>\d+)/(?P<of>\d+)\] (?P<text>.*)"
)
_METADATA = re.compile(r"\[internal\] load metadata for (\S+)")
_OUTPUT = re.compile(r"\d+\.\d+ (.*)", re.DOTALL)
_PULL = re.compile(
    r"(?P<id>sha256:[0-9a-f]{12})[0-9a-f]* (?P<current>[\d.]+\w+) / (?P<total>[\d.]+\w+)"
)
_SIZE = re.compile(r"([\d.]+)([kKMGT]?)i?B")
_FAILED_LINE = re.compile(r"(?:\S*/)?(\S+):(\d+)$")
_SOLVE = re.compile(r"(?:ERROR: )?(?:failed to solve(?: with frontend \S+)?: )+(?P<why>.*)")
_UNITS = {"": 1, "k": 10**3, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_OPERATIONS = frozenset({"RUN", "COPY", "ADD", "WORKDIR"})


class PlainLog:
    """Decodes the lines of one build."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._steps: dict[str, int] = {}
        self._tails: dict[str, Tail] = {}
        self._failed: str | None = None
        self._reason = ""
        self._line: int | None = None
        self._last = Tail()

    @property
    def failed_step(self) -> int | None:
        """Number (from 1, in the Dockerfile's order) of the instruction that failed."""
        if self._failed is not None and self._failed in self._steps:
            return self._steps[self._failed]
        found = self._job.dockerfile.at_line(self._line) if self._line else None
        return self._job.dockerfile.instructions.index(found) + 1 if found else None

    @property
    def failed_instruction(self) -> Instruction | None:
        """The instruction that failed, where that can be told."""
        step = self.failed_step
        return self._job.dockerfile.of_step(step) if step else None

    def reason(self) -> str:
        """The builder's words for the failure."""
        return self._reason or self._last.text().strip() or "the docker command gave no reason"

    def output(self) -> str:
        """The end of the failed step's output, or of everything where no step is known."""
        tail = self._tails.get(self._failed or "")
        return tail.text() if tail else self._last.text()

    def feed(self, line: str) -> Iterator[BuildEvent]:
        """The events of one line."""
        match = _NUMBERED.match(line)
        if match is None:
            yield from self._unnumbered(line)
            return
        number, text = match.group(1), match.group(2)
        if vertex := _VERTEX.match(text):
            yield from self._vertex(number, vertex)
        elif image := _METADATA.match(text):
            step = from_of(self._job.dockerfile, image.group(1))
            if step is not None:
                self._steps[number] = step
        elif text == "CACHED":
            if number in self._steps:
                yield self._event("cached", number)
        elif text.startswith("ERROR"):
            if "canceled" not in text.lower():
                self._failed = number
                self._reason = self._reason or text.partition(":")[2].strip()
        elif pull := _PULL.match(text):
            yield BuildEvent(
                "pull",
                "Downloading",
                id=pull["id"].removeprefix("sha256:"),
                current=_bytes(pull["current"]),
                total=_bytes(pull["total"]),
            )
        elif output := _OUTPUT.match(text):
            self._tails.setdefault(number, Tail()).add(output.group(1) + "\n")
            yield self._event("output", number, output.group(1) + "\n")

    def _vertex(self, number: str, vertex: re.Match[str]) -> Iterator[BuildEvent]:
        if number in self._steps or number in self._tails:
            return
        self._tails[number] = Tail()
        step = step_of(self._job.dockerfile, vertex["stage"], int(vertex["at"]), int(vertex["of"]))
        if step is not None:
            self._steps[number] = step
        yield self._event("step", number, vertex["text"].strip())

    def _unnumbered(self, line: str) -> Iterator[BuildEvent]:
        self._last.add(line + "\n")
        if match := _SOLVE.match(line):
            self._reason = match["why"]
        elif (match := _FAILED_LINE.match(line)) and match.group(1) == (
            self._job.context.dockerfile.rpartition("/")[2]
        ):
            self._line = int(match.group(2))
        elif line.startswith("WARNING"):
            yield BuildEvent("warning", line + "\n")

    def _event(self, kind: Any, number: str, text: str = "") -> BuildEvent:
        step = self._steps.get(number)
        instruction = self._job.dockerfile.of_step(step) if step else None
        return BuildEvent(
            kind,
            text,
            step=step,
            steps=len(self._job.dockerfile.instructions),
            line=instruction.line if instruction else None,
        )


def step_of(dockerfile: Dockerfile, stage: str | None, at: int, of: int) -> int | None:
    """Number of the instruction that BuildKit calls `[stage at/of]`.

    BuildKit counts within a stage what makes a layer, and `FROM` where it names an image.
    """
    if stage is None:
        number = len(dockerfile.stages) - 1
    else:
        found = dockerfile.stage_number(stage.removeprefix("stage-"))
        if found is None:
            return None
        number = found
    own = [
        (step, instruction.keyword)
        for step, instruction in enumerate(dockerfile.instructions, 1)
        if instruction.stage == number
    ]
    counted = [step for step, keyword in own if keyword in _OPERATIONS]
    if of > len(counted):
        counted = [step for step, keyword in own if keyword == "FROM"] + counted
    return counted[at - 1] if 0 < at <= len(counted) else None


def from_of(dockerfile: Dockerfile, image: str) -> int | None:
    """Number of the `FROM` that names an image, which BuildKit writes out in full."""
    for step, instruction in enumerate(dockerfile.instructions, 1):
        words = instruction.args.split() if instruction.keyword == "FROM" else []
        if words and (image == words[0] or image.endswith((f"/{words[0]}", f"/{words[0]}:latest"))):
            return step
    return None


def _bytes(text: str) -> int | None:
    match = _SIZE.match(text)
    return int(float(match.group(1)) * _UNITS[match.group(2)]) if match else None
