"""A function's state, and changes around which it is waited for.

Any change of a function while another is in progress is refused, and a change is only done once
the function says so (`State`, `LastUpdateStatus`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar

from lambdaimg.aws.error_table import NO_IMAGE
from lambdaimg.aws.errors import is_code, says
from lambdaimg.aws.retry import Waiter, poll, retry
from lambdaimg.errors import ResourceFailedError
from lambdaimg.settings import Settings

T = TypeVar("T")
READY = ("Active", "Inactive")
"""The states in which a function takes changes; an inactive one wakes at its next invocation."""


class Run(Protocol):
    """What is needed of the context of a run."""

    settings: Settings
    waiter: Waiter

    def aws(self, service: str) -> Any:
        """The boto3 client of a service."""
        ...

    def say(self, text: str) -> None:
        """Tells what is waited for."""
        ...


def is_settled(now: Mapping[str, Any]) -> bool:
    """Whether no change of the function is in progress."""
    settled = now.get("LastUpdateStatus", "Successful") in ("Successful", "Failed")
    return now.get("State", "Active") in (*READY, "Failed") and settled


def failure(now: Mapping[str, Any]) -> str | None:
    """Why a function, or its last change, failed; None where neither did."""
    if now.get("State") == "Failed":
        return str(now.get("StateReason") or now.get("StateReasonCode") or "no reason given")
    if now.get("LastUpdateStatus") == "Failed":
        reason = now.get("LastUpdateStatusReason") or now.get("LastUpdateStatusReasonCode")
        return str(reason or "no reason given")
    return None


def await_function(run: Run, *, well: bool = True) -> float:
    """Waits until no change is in progress; returns the seconds waited.

    Args:
        run: names the function, and the limit `function_wait`.
        well: a failed function or change is an error.

    Raises:
        ResourceFailedError: the function or its last change failed; says why.
        WaitTimeoutError: the limit was reached.
    """
    name, began = run.settings.function_name, run.waiter.now()

    def look() -> bool | None:
        now = run.aws("lambda").get_function_configuration(FunctionName=name)
        if well and is_settled(now) and (why := failure(now)) is not None:
            raise ResourceFailedError(
                f"The function {name} failed: {why}",
                hint="Mend the cause, then run `lambdaimg update-function`.",
            )
        return True if is_settled(now) else None

    poll(
        look,
        waiter=run.waiter,
        limit=run.settings.function_wait,
        what="the function to be active",
        hint="Run the same command again, or raise function_wait.",
        say=run.say,
    )
    return run.waiter.now() - began


def changed(run: Run, call: Callable[[], T]) -> T:
    """Makes a change once the function takes it, and waits until it is in force.

    A request that is sent again, since its answer was lost, is refused as long as the first one
    is in progress; then it changes nothing.

    Raises:
        ResourceFailedError: the change failed; says why.
        WaitTimeoutError: it was not in force within the limit.
    """
    began = run.waiter.now()

    def passing(error: Exception) -> bool:
        if is_code(error, "ResourceConflictException"):
            return True
        return image_is_coming(run, error, began)

    answer = retry(
        call,
        passing=passing,
        waiter=run.waiter,
        limit=run.settings.function_wait,
        what="another change of the function",
        say=run.say,
    )
    if not (isinstance(answer, Mapping) and "LastUpdateStatus" in answer and is_settled(answer)):
        await_function(run)
    return answer


def image_is_coming(run: Run, error: Exception, began: float) -> bool:
    """Whether Lambda does not see an image yet that may have been pushed just now.

    Args:
        run: names the limit, `image_wait`.
        error: Lambda's answer.
        began: when the first attempt was made, by the context's clock.
    """
    young = run.waiter.now() - began < run.settings.image_wait
    return young and is_code(error, "InvalidParameterValueException") and says(error, NO_IMAGE)
