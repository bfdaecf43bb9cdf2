"""`invoke`: send an event to the function and print its answer.

The request is sent once and never again: a second one would run the function twice. The client
waits for longer than any function may run.
"""

from __future__ import annotations

import base64
import json
import sys
from functools import cache
from typing import Annotated, Any

import typer

from lambdaimg import share
from lambdaimg.aws.errors import is_code
from lambdaimg.context import Context
from lambdaimg.errors import AwsError, FunctionFailedError, ProjectError, UsageError
from lambdaimg.report import clean, is_terminal, pretty_json
from lambdaimg.session import Session

# Lambda's longest time limit is 900 s.
READ_TIMEOUT_S = 930.0
MAX_SYNC_BYTES = 6 * 1024 * 1024
# Other names of sample events.
EVENT_ALIASES = {"http": "function-url"}
JSON_LOOKS = """An event looks like {"name": "Lambda"}; in a shell, put '...' around it."""
SEND_LESS = "Put the data into S3 and send its address."
MAX_ASYNC_BYTES = 1024 * 1024


def run(
    session: Session,
    json_payload: Annotated[
        str | None, typer.Option("--json-payload", help="The event itself, as JSON text")
    ] = None,
    event: Annotated[
        str | None, typer.Option("--event", help="A sample event, such as sqs, s3 or http")
    ] = None,
    log: Annotated[bool, typer.Option("--log", help="Show the end of the function's log")] = False,
    asynchronous: Annotated[
        bool, typer.Option("--async", help="Do not wait for the answer")
    ] = False,
    qualifier: Annotated[
        str, typer.Option("--qualifier", help="Version or alias of the function")
    ] = "",
) -> None:
    """Invokes the function; the payload is `--payload FILE`, `-` for stdin, or payload.json.

    Raises:
        FunctionFailedError: the function answered with an error.
    """
    payload = read_payload(session, json_payload, event)
    answered(session, payload, log, asynchronous, qualifier)


def run_each(
    session: Session,
    sessions: list[Session],
    json_payload: str | None,
    event: str | None,
    log: bool,
    asynchronous: bool,
    qualifier: str,
) -> None:
    """Invokes several functions, each with its own payload; all payloads are read beforehand.

    Raises:
        FunctionsError: some functions answered with an error.
    """
    from lambdaimg import several

    payloads = {one.function: read_payload(one, json_payload, event) for one in sessions}

    def invoked(one: Session) -> None:
        answered(one, payloads[one.function], log, asynchronous, qualifier)

    several.each_by_itself(session, sessions, invoked)


def answered(
    session: Session, payload: bytes, log: bool, asynchronous: bool, qualifier: str
) -> None:
    """Sends one event and shows the answer.

    Raises:
        FunctionFailedError: the function answered with an error.
    """
    limit = MAX_ASYNC_BYTES if asynchronous else MAX_SYNC_BYTES
    if len(payload) > limit:
        raise UsageError(
            f"The payload is {len(payload):,} bytes long; Lambda takes {limit:,}.", SEND_LESS
        )
    context = session.context()
    answer = send(context, payload, log, asynchronous, qualifier)
    if asynchronous:
        request_id = answer["ResponseMetadata"].get("RequestId", "")
        text = f"accepted, request id {request_id}"
        session.report.result("invoke", {"accepted": True, "request_id": request_id}, text)
        return
    body: bytes = answer["Payload"].read()
    tail = base64.b64decode(answer.get("LogResult") or "").decode("utf-8", "replace")
    told = bool(log and tail) and session.report.log(tail)
    if answer.get("FunctionError"):
        if not session.as_json and not is_terminal(sys.stdout):
            show(body)
        raise function_failed(answer, body, tail, told)
    if session.as_json:
        session.report.result("invoke", {**result_of(answer, body), "log": tail}, readable(body))
    else:
        show(body)


def read_payload(session: Session, json_payload: str | None, event: str | None) -> bytes:
    """The event, from wherever the flags say, checked to be JSON.

    Raises:
        ProjectError: the file is missing or holds no JSON.
        UsageError: more than one source is named, or there is no such sample event.
    """
    stated = session.settings.source("payload") == "--payload"
    if sum((json_payload is not None, event is not None, stated)) > 1:
        raise UsageError(
            "Give one of --payload, --json-payload and --event.",
            hint="They name a file, are the event itself, or name a sample.",
        )
    if json_payload is not None:
        return checked(json_payload.encode(), "--json-payload")
    if event is not None:
        return checked(sample_event(event), f"the sample event {event}")
    name = session.settings.payload
    if name == "-":
        return checked(stdin(), "stdin")
    path = session.project / name
    try:
        return checked(path.read_bytes(), path.name)
    except FileNotFoundError:
        raise ProjectError(
            f"There is no payload {path.name} in {path.parent}.",
            hint="Write one, or give --payload FILE or --json-payload TEXT.",
        ) from None
    except OSError as error:
        raise ProjectError(
            f"Cannot read {path}: {error.strerror}.",
            hint="Name a file that can be read, or give --json-payload TEXT.",
        ) from error


@cache
def stdin() -> bytes:
    """All that stdin has; for each of several functions the same."""
    return sys.stdin.buffer.read()


def sample_event(name: str) -> bytes:
    """A shipped sample event.

    Raises:
        UsageError: there is none of that name.
    """
    folder = share.path("events")
    known = sorted([*(path.stem for path in folder.glob("*.json")), *EVENT_ALIASES])
    if name not in known:
        raise UsageError(
            f"There is no sample event {name}.", hint=f"There are: {', '.join(known)}."
        )
    return (folder / f"{EVENT_ALIASES.get(name, name)}.json").read_bytes()


def checked(data: bytes, source: str) -> bytes:
    """The payload, if it is JSON.

    Raises:
        ProjectError: it is not; says where.
    """

    def refuse(name: str) -> None:
        raise ProjectError(f"{source} is not JSON: {name} is none of its numbers.", hint=JSON_LOOKS)

    try:
        # Numbers stay as they are written: Python limits the length of those that it converts.
        json.loads(data, parse_int=str, parse_float=str, parse_constant=refuse)
    except json.JSONDecodeError as error:
        raise ProjectError(
            f"{source} is not JSON: {error.msg}, line {error.lineno}, column {error.colno}.",
            hint=JSON_LOOKS,
        ) from None
    except (UnicodeDecodeError, RecursionError) as error:
        raise ProjectError(f"{source} is not JSON: {error}.", hint=JSON_LOOKS) from None
    return data


def send(
    context: Context, payload: bytes, log: bool, asynchronous: bool, qualifier: str
) -> dict[str, Any]:
    """The one request.

    Raises:
        AwsError: there is no such function, or AWS refused.
    """
    client = context.clients.client("lambda", read_timeout=READ_TIMEOUT_S, retries=False)
    request: dict[str, Any] = {
        "FunctionName": context.settings.function_name,
        "InvocationType": "Event" if asynchronous else "RequestResponse",
        "Payload": payload,
    }
    if not asynchronous:
        request["LogType"] = "Tail"
    if qualifier:
        request["Qualifier"] = qualifier
    try:
        answer: dict[str, Any] = client.invoke(**request)
    except Exception as error:
        if is_code(error, "ResourceNotFoundException"):
            if qualifier:
                raise AwsError(
                    f"There is no version or alias {qualifier} of the function "
                    f"{context.settings.function_name} in {context.region}.",
                    hint="`aws lambda list-versions-by-function` and `list-aliases` name them.",
                ) from error
            raise AwsError(
                f"There is no function {context.settings.function_name} in {context.region}.",
                hint="Run `lambdaimg lambda-function` first.",
            ) from error
        raise
    return answer


def result_of(answer: dict[str, Any], body: bytes) -> dict[str, Any]:
    """What `--json` prints of an answer.

    `encoding` tells what `payload` is: `json`, `text` where it is none, `base64` where it is
    not even text.
    """
    payload: Any
    try:
        payload, encoding = json.loads(body) if body else None, "json"
    except UnicodeDecodeError:
        payload, encoding = base64.b64encode(body).decode(), "base64"
    except ValueError:
        payload, encoding = body.decode(), "text"
    return {
        "payload": payload,
        "encoding": encoding,
        "status": answer.get("StatusCode"),
        "version": answer.get("ExecutedVersion", ""),
        "request_id": answer["ResponseMetadata"].get("RequestId", ""),
    }


def show(body: bytes) -> None:
    """The answer: pretty on a terminal, byte for byte in a pipe."""
    if is_terminal(sys.stdout):
        print(readable(body))
    else:
        sys.stdout.buffer.write(body)
        sys.stdout.buffer.flush()


def readable(body: bytes) -> str:
    """The answer for the eye. Pure."""
    try:
        return pretty_json(json.loads(body)) if body else ""
    except ValueError:
        return clean(body.decode("utf-8", "replace"))


def function_failed(
    answer: dict[str, Any], body: bytes, tail: str, told: bool = False
) -> FunctionFailedError:
    """The function's error: its type, message and trace, and the end of its log unless `told`."""
    try:
        error = json.loads(body)
    except ValueError:
        error = {}
    if not isinstance(error, dict):
        error = {}
    kind = error.get("errorType") or answer["FunctionError"]
    message = error.get("errorMessage") or body.decode("utf-8", "replace") or "no message"
    trace = error.get("stackTrace") or []
    lines = [str(line).rstrip("\n") for line in trace] if isinstance(trace, list) else []
    if tail and not told:
        lines += ["", "log:", *tail.rstrip().splitlines()]
    return FunctionFailedError(
        f"The function failed: {kind}: {message}",
        hint="`lambdaimg logs` shows its log.",
        error_type=kind,
        function_error=answer["FunctionError"],
        output="\n".join(lines).strip("\n"),
        result={**result_of(answer, body), "log": tail},
    )
