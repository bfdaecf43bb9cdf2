"""Records and limits of the Lambda Runtime API and of the invoke API that fronts it.

Nothing here does input or output, and nothing is imported that an image would have to wait
for: no dataclasses, no typing, no json.
"""

from __future__ import annotations

import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

MAX_REQUEST = 6 * 1024 * 1024
"""Bytes of a synchronous event."""
MAX_ASYNC = 1024 * 1024
"""Bytes of an asynchronous event."""
MAX_RESPONSE = 6 * 1024 * 1024 + 100
"""Bytes of a buffered response; AWS allows 100 more than of an event."""
MAX_STREAM = 200 * 1024 * 1024
"""Bytes of a streamed response."""
MAX_TAIL = 4096
"""Bytes of log that an invocation with `LogType=Tail` gets back."""
INIT_LIMIT = 10.0
"""Seconds that the init phase may take."""


class FunctionSpec:
    """What is run, and as which function.

    Args:
        name: the function's name, as `AWS_LAMBDA_FUNCTION_NAME` has it.
        command: process executor: the command line. Docker: the CMD that replaces the image's
            own; empty leaves it.
        image: Docker executor: the image's reference.
        entrypoint: Docker executor: replaces the image's ENTRYPOINT; empty leaves it.
        workdir: Docker executor: replaces the image's WORKDIR; empty leaves it.
        environment: the function's own variables.
        timeout: seconds, a whole number on AWS; fractions are allowed here.
        memory: MB.
        version: `$LATEST` or a number.
        region, account: parts of the function's ARN.
        max_environments: how many environments may be alive at once; further events wait.
        reserved: events at once beyond which an event is refused (429); None is no limit.
        idle_seconds: an environment that had nothing to do for so long is ended; None is never.
        init_limit: seconds that the init phase may take; None is Lambda's limit.
        mounts: Docker executor: (host path, container path) pairs, mounted read-only.
    """

    def __init__(
        self,
        name: str = "function",
        *,
        command: Sequence[str] = (),
        image: str = "",
        entrypoint: Sequence[str] = (),
        workdir: str = "",
        environment: Mapping[str, str] | None = None,
        timeout: float = 3.0,
        memory: int = 128,
        version: str = "$LATEST",
        region: str = "us-east-1",
        account: str = "000000000000",
        max_environments: int = 10,
        reserved: int | None = None,
        idle_seconds: float | None = None,
        init_limit: float | None = None,
        mounts: Sequence[tuple[str, str]] = (),
    ) -> None:
        self.name = name
        self.command = tuple(command)
        self.image = image
        self.entrypoint = tuple(entrypoint)
        self.workdir = workdir
        self.environment = dict(environment or {})
        self.timeout = timeout
        self.memory = memory
        self.version = version
        self.region = region
        self.account = account
        self.max_environments = max_environments
        self.reserved = reserved
        self.idle_seconds = idle_seconds
        self.init_limit = INIT_LIMIT if init_limit is None else init_limit
        self.mounts = tuple(mounts)

    def but(self, **changes: Any) -> FunctionSpec:
        """The same with other values."""
        return FunctionSpec(**{**vars(self), **changes})

    @property
    def arn(self) -> str:
        """The ARN that the runtime is told; with the version, unless that is `$LATEST`."""
        arn = f"arn:aws:lambda:{self.region}:{self.account}:function:{self.name}"
        return arn if self.version == "$LATEST" else f"{arn}:{self.version}"

    def variables(self) -> dict[str, str]:
        """The variables that Lambda itself defines in an environment, without the API's address."""
        day = time.strftime("%Y/%m/%d", time.gmtime())
        return {
            "AWS_LAMBDA_FUNCTION_NAME": self.name,
            "AWS_LAMBDA_FUNCTION_VERSION": self.version,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(self.memory),
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{self.name}",
            "AWS_LAMBDA_LOG_STREAM_NAME": f"{day}/[{self.version}]{os.urandom(16).hex()}",
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "TZ": ":UTC",
        }


class Outcome:
    """How an invocation ended.

    Attributes:
        payload: the response body, or the error as JSON.
        function_error: empty, or `Unhandled`: the value of `X-Amz-Function-Error`.
        error_type: empty, or the kind of failure (`Sandbox.Timedout`, `Runtime.ExitError`, the
            type that the runtime posted ...).
        status: HTTP status of the invoke call: 200; 429 where the event was refused.
        content_type: of the payload, as the runtime gave it.
        log: the last 4 KB of the invocation's log, if the executor captures output and the
            invocation asked for it.
        duration_ms, init_ms: of the invoke phase and (0.0 if none) of the init phase before it.
        memory_mb: the most that the environment used so far; 0 if unknown.
        streamed: whether chunks went to the invocation's `on_chunk` before this.
    """

    __slots__ = (
        "content_type",
        "duration_ms",
        "error_type",
        "function_error",
        "init_ms",
        "log",
        "memory_mb",
        "payload",
        "status",
        "streamed",
    )

    def __init__(
        self,
        payload: bytes,
        *,
        function_error: str = "",
        error_type: str = "",
        status: int = 200,
        content_type: str = "application/json",
        streamed: bool = False,
    ) -> None:
        self.payload = payload
        self.function_error = function_error
        self.error_type = error_type
        self.status = status
        self.content_type = content_type
        self.streamed = streamed
        self.log = b""
        self.duration_ms = 0.0
        self.init_ms = 0.0
        self.memory_mb = 0


class Invocation:
    """One event on its way through the emulator.

    Args:
        payload: the event, as it came.
        on_outcome: called exactly once, in the loop's thread, with the `Outcome`.
        on_chunk: called with each piece of a streamed response and its content type; None
            collects the pieces into the outcome's payload.
        request_id: of the caller; a fresh one where empty.
        client_context, cognito_identity: JSON, already decoded from Base64.
        trace_id: X-Ray header; a fresh, unsampled one where empty.
        tenant_id, content_type: passed on to the runtime.
        want_log: hold the outcome back until the invocation's log is complete, and add its tail.
    """

    __slots__ = (
        "client_context",
        "cognito_identity",
        "content_type",
        "on_chunk",
        "on_outcome",
        "payload",
        "request_id",
        "tenant_id",
        "trace_id",
        "want_log",
    )

    def __init__(
        self,
        payload: bytes,
        on_outcome: Callable[[Outcome], None] | None = None,
        *,
        on_chunk: Callable[[bytes, str], None] | None = None,
        request_id: str = "",
        client_context: str = "",
        cognito_identity: str = "",
        trace_id: str = "",
        tenant_id: str = "",
        content_type: str = "application/json",
        want_log: bool = False,
    ) -> None:
        self.payload = payload
        self.on_outcome = on_outcome or _nobody
        self.on_chunk = on_chunk
        self.request_id = request_id or new_request_id()
        self.client_context = client_context
        self.cognito_identity = cognito_identity
        self.trace_id = trace_id or new_trace_id()
        self.tenant_id = tenant_id
        self.content_type = content_type or "application/json"
        self.want_log = want_log


def _nobody(_outcome: Outcome) -> None:
    """For an invocation whose outcome nobody waits for."""


class Exit:
    """How a runtime process ended.

    Attributes:
        code: exit status; negative: minus the number of the signal that killed it.
        out_of_memory: whether the kernel killed it for its memory.
        failure: set if it could not even be started: the reason, one sentence.
        failure_type: the error type that goes with it.
    """

    __slots__ = ("code", "failure", "failure_type", "out_of_memory")

    def __init__(
        self,
        code: int,
        out_of_memory: bool = False,
        failure: str = "",
        failure_type: str = "Runtime.InvalidEntrypoint",
    ) -> None:
        self.code = code
        self.out_of_memory = out_of_memory
        self.failure = failure
        self.failure_type = failure_type

    @property
    def error_type(self) -> str:
        """AWS's name for this end."""
        if self.failure:
            return self.failure_type
        return "Runtime.OutOfMemory" if self.out_of_memory else "Runtime.ExitError"

    @property
    def reason(self) -> str:
        """AWS's words for this end."""
        if self.failure:
            return self.failure
        if self.code == 0:
            return "Runtime exited without providing a reason"
        if self.code > 0:
            return f"Runtime exited with error: exit status {self.code}"
        name = _SIGNALS.get(-self.code, f"signal {-self.code}")
        return f"Runtime exited with error: signal: {name}"


_SIGNALS = {
    1: "hangup",
    2: "interrupt",
    3: "quit",
    4: "illegal instruction",
    6: "aborted",
    7: "bus error",
    8: "floating point exception",
    9: "killed",
    11: "segmentation fault",
    13: "broken pipe",
    14: "alarm clock",
    15: "terminated",
}


def new_request_id() -> str:
    """A random UUID, version 4."""
    raw = bytearray(os.urandom(16))
    raw[6] = raw[6] & 0x0F | 0x40
    raw[8] = raw[8] & 0x3F | 0x80
    h = raw.hex()
    return f"{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:]}"


def new_trace_id() -> str:
    """An X-Ray trace header that is not sampled."""
    h = os.urandom(20).hex()
    return f"Root=1-{int(time.time()):08x}-{h[:24]};Parent={h[24:]};Sampled=0"
