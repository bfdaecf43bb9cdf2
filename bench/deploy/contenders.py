"""Who is measured, and how each is told to do what; each works in folders of its own."""

from __future__ import annotations

import shutil
import sys
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench._project import KIT

HERE = Path(__file__).parent
DOCKERFILE = """\
FROM debian:trixie-slim
RUN mkdir -p /var/task && echo bench > /etc/bench
WORKDIR /var/task
CMD ["handler.handler"]
COPY handler.py /var/task/
"""
SETTINGS = """\
function_name = "{name}"
image_name = "{name}"
lambda_module = "handler.py"
role_name = "{name}-role"
queue_name = "{name}-queue"
timeout = 10
"""
BASIC = "service-role/AWSLambdaBasicExecutionRole"
FOR_SQS = "service-role/AWSLambdaSQSQueueExecutionRole"
# Policies of AWS's own, as many as are ever attached here.
OTHERS = (
    "AmazonS3ReadOnlyAccess", "AmazonS3FullAccess", "AmazonSQSFullAccess",
    "AmazonSQSReadOnlyAccess", "AmazonSNSFullAccess", "AmazonSNSReadOnlyAccess",
    "AmazonDynamoDBFullAccess", "AmazonDynamoDBReadOnlyAccess", "AmazonKinesisFullAccess",
    "AmazonKinesisReadOnlyAccess", "AmazonRDSReadOnlyAccess", "AmazonSESFullAccess",
    "AmazonSSMReadOnlyAccess", "AmazonVPCReadOnlyAccess", "AWSXRayDaemonWriteAccess",
    "CloudWatchReadOnlyAccess", "CloudWatchLogsFullAccess", "AmazonEventBridgeFullAccess",
    "SecretsManagerReadWrite", "AWSCodeCommitReadOnly", "AmazonECS_FullAccess",
    "AmazonEC2ReadOnlyAccess", "AWSLambda_FullAccess", "AWSLambda_ReadOnlyAccess",
    "AmazonAthenaFullAccess", "AWSGlueConsoleFullAccess",
)  # fmt: skip


def handler(text: str) -> str:
    """A handler whose one line says `text`."""
    return f"def handler(event, context):\n    return {text!r}\n"


def arn(name: str) -> str:
    """The ARN of a policy of AWS's own."""
    return f"arn:aws:iam::aws:policy/{name}"


@dataclass
class Place:
    """A folder whose name is that of everything in it."""

    folder: Path

    @property
    def name(self) -> str:
        """Of the function and all else."""
        return self.folder.name

    def change(self) -> None:
        """Changes one line of the handler."""
        (self.folder / "handler.py").write_text(handler(uuid.uuid4().hex))

    def policies(self, *names: str) -> None:
        """Lists these policies."""
        (self.folder / "policies").write_text("".join(f"{arn(name)}\n" for name in names))


def place(root: Path) -> Place:
    """A new folder with everything that any contender needs, the build cache warm."""
    made = Place(root / f"b-{uuid.uuid4().hex[:8]}")
    made.folder.mkdir(parents=True)
    (made.folder / "Dockerfile").write_text(DOCKERFILE)
    (made.folder / "handler.py").write_text(handler("first"))
    (made.folder / "lambdaimg.toml").write_text(SETTINGS.format(name=made.name))
    # Otherwise the kit would look for its own files in what is sent to the build.
    (made.folder / ".dockerignore").write_text("*\n!handler.py\n")
    shutil.copy(HERE / "Makefile", made.folder / "Makefile")
    made.policies(BASIC)
    return made


@dataclass(frozen=True)
class Contender:
    """One way to do it.

    Args:
        name: in the tables.
        steps: the command for each case, without what depends on the place.
    """

    name: str
    steps: Mapping[str, Sequence[str | Path]]

    def command(self, step: str, where: Place) -> list[str | Path]:
        """The words of the command."""
        words = list(self.steps[step])
        return [*words, f"NAME={where.name}"] if words[0] == "make" else words


MAKEFILE, FLOOR, OURS, NO_FAST = "Makefile", "SDK floor", "lambdaimg", "lambdaimg --no-fast"


def make(target: str) -> list[str | Path]:
    """A target of the Makefile."""
    return ["make", "--silent", target]


def floor(step: str) -> list[str | Path]:
    """A step of the floor."""
    return [sys.executable, HERE / "floor.py", step]


def contenders() -> list[Contender]:
    """All of them."""
    targets = {
        "first": "lambda-function",
        "noop": "lambda-function",
        "change": "update-function",
        "policies": "lambda-policies",
        "trigger": "lambda-sqs-trigger",
    }
    return [
        Contender(MAKEFILE, {step: make(target) for step, target in targets.items()}),
        Contender(FLOOR, {step: floor(step) for step in targets}),
        Contender(OURS, {step: [KIT, target] for step, target in targets.items()}),
        Contender(
            NO_FAST, {step: [KIT, target, *built(target)] for step, target in targets.items()}
        ),
    ]


def built(target: str) -> list[str]:
    """The flags with which a target builds its image, where it has one."""
    return ["--no-fast"] if target in ("lambda-function", "update-function") else []


@dataclass(frozen=True)
class Step:
    """A case: what it is called, the contender's step, and what is done before it, untimed."""

    case: str
    step: str
    prepare: Callable[[Place], None]


def nothing(_where: Place) -> None:
    """Nothing is prepared."""


def steps() -> list[Step]:
    """The cases, in the order in which they are done in one place."""
    found = [
        Step("first deploy, build cache warm", "first", nothing),
        Step("nothing to do", "noop", nothing),
        Step("one-line change", "change", Place.change),
    ]
    taken = 0
    for count in (1, 5, 20):
        names = OTHERS[taken : taken + count]
        found.append(
            Step(
                f"policies file with {count} new {'ARN' if count == 1 else 'ARNs'}",
                "policies",
                lambda where, names=names: where.policies(*names),
            )
        )
        taken += count
    found.append(Step("SQS trigger", "trigger", lambda where: where.policies(FOR_SQS)))
    return found
