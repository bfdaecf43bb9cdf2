"""Every failure that a user can meet, as one tree of exceptions.

An error carries what happened (one sentence), what to do next (the hint) and the exit
status of the command that it ends. `lambdaimg.aws.errors` and `lambdaimg.container.errors`
translate foreign exceptions into these; `lambdaimg.dispatch` prints them; nothing else does either.

Exit statuses: 0 done; 1 AWS or Docker refused or failed; 2 wrong usage or settings;
3 the function itself failed; 4 `diff` found a difference; 130 interrupted.
"""

from __future__ import annotations

from typing import Any, ClassVar

DIFFERENT = 4
"""Exit status of `diff` where a run would change something."""


class LambdaimgError(Exception):
    """Base of every error that is shown to the user.

    Args:
        message: what happened, one sentence, without secrets.
        hint: what the user can do next; empty where there is nothing useful to say.
        details: facts for `--json` and `--debug` (AWS code, request id, file, line ...).
    """

    exit_status: int = 1
    code: ClassVar[str] = "Failed"

    def __init__(self, message: str, hint: str = "", **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details: dict[str, Any] = details

    def as_dict(self) -> dict[str, Any]:
        """The error as the JSON object that `--json` prints."""
        out: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.hint:
            out["hint"] = self.hint
        if self.details:
            out["details"] = self.details
        return out


# --- exit status 2: wrong usage or settings -------------------------------------------------


class UsageError(LambdaimgError):
    """The command line asks for something that does not exist or does not fit."""

    exit_status = 2
    code = "Usage"


class SettingsError(LambdaimgError):
    """A setting is malformed, out of range or unknown."""

    exit_status = 2
    code = "Settings"


class ProjectError(LambdaimgError):
    """A file of the project is missing or malformed (Dockerfile, handler, policies, payload)."""

    exit_status = 2
    code = "Project"


class GraphError(LambdaimgError):
    """The target table has a cycle or names a target that does not exist."""

    exit_status = 2
    code = "Graph"


# --- exit status 1: AWS or Docker refused or failed ------------------------------------------


class AwsError(LambdaimgError):
    """AWS answered with an error, or could not be reached."""

    code = "Aws"


class ResourceGoneError(AwsError):
    """AWS says 'not found' for something that a sentinel vouched for.

    The runner voids the sentinels from that target on and starts over, once.
    """

    code = "ResourceGone"


class CredentialsError(AwsError):
    """There are no credentials, or they are expired or refused."""

    code = "Credentials"


class AccessDeniedError(AwsError):
    """The caller lacks an IAM permission."""

    code = "AccessDenied"


class WaitTimeoutError(AwsError):
    """A resource did not reach the state asked for within the limit of the settings."""

    code = "WaitTimeout"


class ResourceFailedError(AwsError):
    """A resource ended in a failed state that waiting does not mend."""

    code = "ResourceFailed"


class ConflictError(AwsError):
    """What exists cannot be changed into what is asked for (package type, FIFO, owner)."""

    code = "Conflict"


class DockerError(LambdaimgError):
    """The Docker engine refused or failed."""

    code = "Docker"


class NoEngineError(DockerError):
    """No Docker engine answers."""

    code = "NoEngine"


class BuildError(DockerError):
    """The image build failed; `details` has the Dockerfile line and the step's output."""

    code = "Build"


class PushError(DockerError):
    """The registry refused the push, or the pushed manifest is not one that Lambda takes."""

    code = "Push"


class LocalAwsError(LambdaimgError):
    """The embedded AWS is not installed, does not start or does not answer."""

    code = "LocalAws"


class MachineError(LambdaimgError):
    """The operating system refused: a full disk, a file that may not be read."""

    code = "Machine"


class StateError(LambdaimgError):
    """The state folder cannot be written, or another run holds its lock for too long."""

    code = "State"


class FunctionsError(LambdaimgError):
    """Some of several functions failed; ends with the status of those, 1 where they differ."""

    code = "Functions"


# --- exit status 3 and 130 --------------------------------------------------------------------


class FunctionFailedError(LambdaimgError):
    """The invoked function answered with an error (`X-Amz-Function-Error`)."""

    exit_status = 3
    code = "FunctionFailed"


class InterruptedRunError(LambdaimgError):
    """The user interrupted the run; a second run continues from here."""

    exit_status = 130
    code = "Interrupted"
