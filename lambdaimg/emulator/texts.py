"""What the service says: error bodies, log lines, and the head of an event. Pure.

The wording and the fields are AWS's, from its documentation and from what its Runtime Interface
Emulator was seen to answer.
"""

from __future__ import annotations

import time

from lambdaimg.emulator.protocol import MAX_RESPONSE, Exit, Outcome

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lambdaimg.emulator.protocol import FunctionSpec, Invocation


def utc_stamp() -> str:
    """The present time as the service writes it into logs, with milliseconds."""
    now = time.time()
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now))
    return f"{stamp}.{int(now * 1000) % 1000:03d}Z"


def error_payload(error_type: str, message: str) -> bytes:
    """A failure that the service itself reports, as the JSON body of the answer."""
    import json

    return json.dumps(
        {"errorType": error_type, "errorMessage": message}, separators=(",", ":")
    ).encode()


def failed(error_type: str, message: str) -> Outcome:
    """The outcome of an invocation that the service, not the function, has ended."""
    return Outcome(
        error_payload(error_type, message), function_error="Unhandled", error_type=error_type
    )


def exit_outcome(request_id: str, end: Exit) -> Outcome:
    """The outcome of an invocation whose runtime process is gone."""
    return failed(end.error_type, f"RequestId: {request_id} Error: {end.reason}")


def timeout_outcome(request_id: str, seconds: float) -> Outcome:
    """The outcome of an invocation that ran into the function's timeout."""
    return failed("Sandbox.Timedout", f"RequestId: {request_id} Error: {timeout_text(seconds)}")


def timeout_text(seconds: float) -> str:
    """AWS's sentence about a timeout; the figure is the function's setting."""
    return f"Task timed out after {seconds:.2f} seconds"


def too_large_outcome() -> Outcome:
    """The outcome of an invocation whose buffered response is over the limit."""
    return failed(
        "Function.ResponseSizeTooLarge",
        f"Response payload size exceeded maximum allowed payload size ({MAX_RESPONSE} bytes).",
    )


def fault_type(header: str) -> str:
    """The error type that the service keeps of the one that a runtime posted.

    The service keeps `Runtime.X` and `Function.X`; anything else is `Runtime.Unknown`.
    """
    for prefix in ("Runtime.", "Function."):
        if header.startswith(prefix) and header[len(prefix) : len(prefix) + 1].isupper():
            return header
    return "Runtime.Unknown"


def start_line(request_id: str, version: str) -> str:
    """The log line that opens an invocation."""
    return f"START RequestId: {request_id} Version: {version}"


def end_line(request_id: str) -> str:
    """The log line that closes an invocation."""
    return f"END RequestId: {request_id}"


def report_line(request_id: str, outcome: Outcome, memory: int, timed_out: bool) -> str:
    """The log line with the invocation's figures; tab-separated, as AWS writes it.

    Billed is the invoke phase and the init phase before it, rounded up to a millisecond.
    """
    billed = -int(-(outcome.duration_ms + outcome.init_ms) // 1)  # rounds up
    parts = [
        f"REPORT RequestId: {request_id}",
        f"Duration: {outcome.duration_ms:.2f} ms",
        f"Billed Duration: {billed} ms",
        f"Memory Size: {memory} MB",
    ]
    if outcome.memory_mb:
        parts.append(f"Max Memory Used: {outcome.memory_mb} MB")
    if outcome.init_ms:
        parts.append(f"Init Duration: {outcome.init_ms:.2f} ms")
    if timed_out:
        parts.append("Status: timeout")
    elif outcome.error_type in SERVICE_FAILURES:
        parts.append(f"Status: error\tError Type: {outcome.error_type}")
    return "\t".join(parts)


SERVICE_FAILURES = frozenset(
    {"Runtime.ExitError", "Runtime.OutOfMemory", "Runtime.InvalidEntrypoint"}
)
"""Failures that the REPORT line names; a handler's own exception is none of them."""


def init_report_line(init_ms: float, phase: str, status: str, error_type: str = "") -> str:
    """The log line about an init phase that failed; `phase` is `init` or `invoke`."""
    tail = f"\tError Type: {error_type}" if error_type else ""
    return f"INIT_REPORT Init Duration: {init_ms:.2f} ms\tPhase: {phase}\tStatus: {status}{tail}"


def silence_line(api: str) -> str:
    """The log line about a runtime that has not called the Runtime API in its init phase."""
    return (
        f"The runtime has made no call to the Runtime API at {api}. If it is in a container, does "
        "a firewall keep containers from this machine?"
    )


def next_head(invocation: Invocation, spec: FunctionSpec, deadline_ms: int) -> bytes:
    """Status line and headers that answer the runtime's `next`; the event follows as the body."""
    inv = invocation
    lines = [
        "HTTP/1.1 200 OK",
        f"Content-Type: {inv.content_type}",
        f"Lambda-Runtime-Aws-Request-Id: {inv.request_id}",
        f"Lambda-Runtime-Deadline-Ms: {deadline_ms}",
        f"Lambda-Runtime-Invoked-Function-Arn: {spec.arn}",
        f"Lambda-Runtime-Trace-Id: {inv.trace_id}",
    ]
    if inv.client_context:
        lines.append(f"Lambda-Runtime-Client-Context: {inv.client_context}")
    if inv.cognito_identity:
        lines.append(f"Lambda-Runtime-Cognito-Identity: {inv.cognito_identity}")
    if inv.tenant_id:
        lines.append(f"Lambda-Runtime-Aws-Tenant-Id: {inv.tenant_id}")
    # A context may well be JSON in several lines.
    lines = [line.replace("\r", " ").replace("\n", " ") for line in lines]
    lines.append(f"Content-Length: {len(inv.payload)}\r\n\r\n")
    return "\r\n".join(lines).encode()
