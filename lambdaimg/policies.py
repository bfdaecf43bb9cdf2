"""The policies file: the managed policies of the execution role, one ARN a line. Pure.

Blank lines and comments (`#` at the start of a line or behind an ARN) are passed over. Any
partition is taken, and AWS's own policies as well as those of an account.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from lambdaimg.errors import ProjectError

ARN = re.compile(
    r"arn:(?P<partition>aws(-[a-z]+)*):iam::(?P<owner>aws|\d{12}):policy/(?P<name>[\x21-\x7e]{1,512})"
)
EVERY_POLICY_FOR_SQS = (
    "AWSLambdaSQSQueueExecutionRole",
    "AWSLambdaInvocation-DynamoDB-SQS",
    "AmazonSQSFullAccess",
    "AdministratorAccess",
    "PowerUserAccess",
)


@dataclass(frozen=True)
class Policy:
    """A line of the file that names a policy."""

    arn: str
    line: int

    @property
    def name(self) -> str:
        """The policy's name, without its path."""
        return self.arn.rsplit("/", 1)[-1]

    @property
    def of_account(self) -> bool:
        """Whether the policy is a customer's, whose rights nobody can tell from its name."""
        return ":iam::aws:" not in self.arn


def parse(text: str, file: str) -> list[Policy]:
    """The policies that a file lists, in order, each once.

    Args:
        text: the file's content.
        file: its name, for messages.

    Raises:
        ProjectError: a line is no ARN of a managed policy; says which.
    """
    found: dict[str, Policy] = {}
    for number, raw in enumerate(text.removeprefix("\ufeff").splitlines(), start=1):
        arn = raw.partition("#")[0].strip()
        if not arn:
            continue
        if not ARN.fullmatch(arn):
            shown = arn if len(arn) <= 120 else arn[:117] + "..."
            raise ProjectError(
                f"{file}, line {number}: {shown!r} is not the ARN of a managed policy.",
                hint="One ARN a line, as in arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess; "
                "comments begin with #.",
                file=file,
                line=number,
                text=shown,
            )
        found.setdefault(arn, Policy(arn, number))
    return list(found.values())


def read(path: Path) -> list[Policy]:
    """The policies of a file on disk.

    Raises:
        ProjectError: the file is missing, unreadable or malformed.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ProjectError(
            f"There is no policies file {path.name}.",
            hint="Run `lambdaimg init`, or name another file with policies_file.",
        ) from None
    except UnicodeDecodeError as error:
        raise ProjectError(
            f"{path.name} is not UTF-8 text, at byte {error.start}.", hint="Save it as UTF-8."
        ) from error
    except OSError as error:
        raise ProjectError(
            f"Cannot read {path}: {error.strerror}.", hint="Look at its owner and permissions."
        ) from error
    return parse(text, path.name)


def may_read_queues(policies: list[Policy]) -> bool:
    """Whether a policy lets the role read SQS queues, as far as its name tells."""
    return any(p.of_account or p.name in EVERY_POLICY_FOR_SQS for p in policies)
