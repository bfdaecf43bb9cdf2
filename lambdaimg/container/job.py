"""A build that is ready to run, and how its failure is told; shared by both builders."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, field

from lambdaimg.cancel import Cancel
from lambdaimg.container.context import BuildContext
from lambdaimg.container.dockerfile import Dockerfile, Instruction
from lambdaimg.errors import BuildError, ProjectError

TAIL_LINES = 10
"""Lines of a failed step that are told again; all of them have been shown as they came."""

PIECES = 200
SHORT = 100

_EXIT_CODE = re.compile(
    r"(?:returned a non-zero code|did not complete successfully.*|exit code): ?(\d+)"
)
_NOISE = re.compile(
    r"rpc error: code = \w+ desc = |failed to (?:solve|build)(?: with frontend \S+)?: |"
    r"failed to create LLB definition: |dockerfile parse error (?:on )?line \d+: "
)
_LINE = re.compile(r"(?:^|\W)(?:parse error(?: on)?|on)?\s*line (\d+)\b|^\S+:(\d+)$", re.MULTILINE)

# The fault is in a file of the project, and no step has been run.
MISTAKE = re.compile(
    r"unknown instruction|parse error|forbidden path outside the build context|"
    r"requires at least (?:one|two) argument|requires exactly|no build stage in current context|"
    r"unknown flag|invalid from flag|file with no instructions|cannot be empty|"
    r"outside of the build context",
    re.IGNORECASE,
)

# What a failed step's output says, and what helps.
HINTS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), hint)
    for pattern, hint in (
        (
            r"CERTIFICATE_VERIFY_FAILED|certificate verify failed|self.signed certificate|"
            r"unable to get local issuer",
            "A proxy intercepts TLS here: name its CA bundle with the setting build_ca_bundle.",
        ),
        (
            r"exec format error",
            "The base image is of another architecture than the engine's machine: set up "
            "emulation there (Debian: qemu-user-static and binfmt-support), or choose the other "
            "architecture.",
        ),
        (
            r"no space left on device|enough free (?:disk )?space|disk quota exceeded",
            "The engine's disk is full. Free space on it: `docker system df` tells what takes it, "
            "`docker image prune` and `docker builder prune` free some.",
        ),
        (
            r"No matching distribution found|Could not find a version that satisfies|"
            r"Invalid requirement|ResolutionImpossible|Failed building wheel|"
            r"Could not open requirements file|subprocess-exited-with-error",
            "The fault is in requirements.txt: correct the line that pip names. What has to be "
            "compiled needs BUILD_PACKAGES (such as gcc and python3-dev) under [build_args].",
        ),
        (
            r"toomanyrequests|rate limit",
            "The base image's registry limits pulls: log in to it with `docker login`, or wait.",
        ),
        (
            r"pull access denied|manifest unknown|manifest for .* not found|not found: manifest|"
            r"repository does not exist|failed to resolve source metadata",
            "Check the base image's name, and log in where it is private.",
        ),
        (
            r"dial tcp|no such host|i/o timeout|TLS handshake timeout|connection refused|"
            r"Temporary failure (?:in name resolution|resolving)",
            "The engine has no way there: check its proxy and name servers. A base image can also "
            "be brought in with `docker load`.",
        ),
        (
            r"forbidden path outside|outside of the build context",
            "Paths count from the project folder, and nothing above it can be copied.",
        ),
        (
            r"(?:COPY|ADD) failed|failed to compute cache key|excluded by \.dockerignore",
            "Check the path, which counts from the project folder, and .dockerignore.",
        ),
        (
            r"unknown instruction|parse error",
            "Check the spelling of the instruction and the line before it.",
        ),
        (
            r"not found|No such file or directory",
            "The step's output, above, names what is missing in the image.",
        ),
    )
)
HEREDOC_HINT = (
    "The line is part of a here-document, which this engine's BuildKit is too old for: begin the "
    "Dockerfile with `# syntax=docker/dockerfile:1`, or update the engine."
)
DEFAULT_HINT = "The step's output tells more; mend that line and build again."
NO_OUTPUT_HINT = "Mend that line and build again."


@dataclass(frozen=True, slots=True)
class Job:
    """A build that passed its checks; `args` are declared by the Dockerfile."""

    context: BuildContext
    dockerfile: Dockerfile
    tag: str
    args: dict[str, str] = field(repr=False)
    platform: str
    target: str | None
    labels: dict[str, str]
    no_cache: bool = False
    cancel: Cancel = field(default_factory=Cancel, repr=False)


class Tail:
    """The last lines of a step's output."""

    def __init__(self) -> None:
        self._text = deque[str](maxlen=PIECES)

    def clear(self) -> None:
        """Forget all: a new step begins."""
        self._text.clear()

    def add(self, text: str) -> None:
        """Add a piece of output, which may be part of a line or several lines."""
        self._text.append(text)

    def text(self) -> str:
        """At most `TAIL_LINES` lines, each as its last carriage return left it."""
        lines = "".join(self._text).strip("\n").split("\n")[-TAIL_LINES:]
        return "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in lines)


def step_failed(
    job: Job, instruction: Instruction | None, reason: str, output: str, step: int | None = None
) -> BuildError | ProjectError:
    """The error for a failed build: a mistake in the Dockerfile, or a step that failed.

    Args:
        job: what was built.
        instruction: the one that failed, where that is known.
        reason: the builder's own words.
        output: the end of the step's output.
        step: the step's number.
    """
    file = job.context.dockerfile
    reason = " ".join(reason.split()).rstrip(".")
    line = instruction.line if instruction else _line_in(reason)
    reason = _NOISE.sub("", reason)
    code = _EXIT_CODE.search(reason)
    if instruction is None:
        where = f"{file}, line {line}" if line else f"The build of {file} failed"
        message = f"{where}: {reason}."
    else:
        text = (
            instruction.text if len(instruction.text) <= SHORT else instruction.text[:SHORT] + "…"
        )
        why = f"ended with exit status {code.group(1)}" if code else f"failed: {reason}"
        message = f"{file}, line {line}: {text} {why}."
    said = f"{reason}\n{output}"
    default = DEFAULT_HINT if output.strip() else NO_OUTPUT_HINT
    hint = next((hint for pattern, hint in HINTS if pattern.search(said)), default)
    around = job.dockerfile.at_line(line) if line else None
    if around and around.heredoc and around.line != line:
        hint = HEREDOC_HINT
    error = ProjectError if MISTAKE.search(reason) and not code else BuildError
    details = {"file": file, "line": line, "step": step, "output": output}
    if instruction:
        details["instruction"] = instruction.text
    return error(message, hint, **{k: v for k, v in details.items() if v is not None})


def _line_in(reason: str) -> int | None:
    match = _LINE.search(reason)
    return int(match.group(1) or match.group(2)) if match else None
