"""`run`: one event through an image on this machine, and its answer. AWS has no part in it."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from lambdaimg.commands import emulation
from lambdaimg.commands.invoke import (
    MAX_SYNC_BYTES,
    SEND_LESS,
    function_failed,
    read_payload,
    result_of,
    show,
)
from lambdaimg.emulator.protocol import Outcome, new_request_id
from lambdaimg.errors import UsageError
from lambdaimg.report import is_terminal
from lambdaimg.session import Session


def run(
    session: Session,
    image: emulation.Image = "",
    json_payload: Annotated[
        str | None, typer.Option("--json-payload", help="The event itself, as JSON text")
    ] = None,
    event: Annotated[
        str | None, typer.Option("--event", help="A sample event, such as sqs, s3 or http")
    ] = None,
    no_docker: emulation.NoDocker = False,
    with_credentials: emulation.WithCredentials = False,
    network: emulation.Network = "bridge",
    debug_port: emulation.DebugPort = None,
) -> None:
    """Runs the project's image, built first if need be, or `--image`, for one event.

    The answer goes to stdout and the function's log to stderr; exit statuses are `invoke`'s.

    Raises:
        FunctionFailedError: the function answered with an error.
    """
    from lambdaimg.emulator.function_pool import FunctionPool

    wishes = emulation.Wishes(image, no_docker, with_credentials, network, debug_port)
    wishes.check()
    payload = read_payload(session, json_payload, event)
    if len(payload) > MAX_SYNC_BYTES:
        raise UsageError(
            f"The payload is {len(payload):,} bytes long; Lambda takes 6 MB.", SEND_LESS
        )
    request_id = new_request_id()
    with emulation.ends_in_order():
        executor = emulation.executor_of(session, wishes)
        spec = emulation.function_spec(session, wishes, executor, max_environments=1)
        if debug_port:
            session.report.note(f"waiting for a debugger on 127.0.0.1:{debug_port}")
        log = emulation.Log(name_requests=False)
        with FunctionPool(spec, executor, log=log) as pool:
            outcome = pool.invoke(payload, request_id=request_id)
            at_once = not (session.as_json or outcome.function_error or is_terminal(sys.stdout))
            if at_once:
                show(outcome.payload)
    # The container is gone now, and with it all of its log has come.
    if not at_once:
        finish(session, outcome, request_id, log.tail)


def finish(session: Session, outcome: Outcome, request_id: str, log: str) -> None:
    """Print the answer. Raises: FunctionFailedError."""
    answer: dict[str, Any] = {
        "StatusCode": outcome.status,
        "ExecutedVersion": "$LATEST",
        "ResponseMetadata": {"RequestId": request_id},
    }
    if outcome.function_error:
        answer["FunctionError"] = outcome.function_error
        error = function_failed(answer, outcome.payload, "")
        error.hint = ""
        error.details["result"]["log"] = log
        raise error
    if session.as_json:
        figures = {
            "duration_ms": round(outcome.duration_ms, 2),
            "init_ms": round(outcome.init_ms, 2),
            "memory_mb": outcome.memory_mb,
        }
        session.report.result("run", {**result_of(answer, outcome.payload), "log": log, **figures})
    else:
        show(outcome.payload)
