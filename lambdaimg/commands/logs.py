"""`logs`: the function's log from CloudWatch Logs, followed if asked."""

from __future__ import annotations

import re
import time
from typing import Annotated, Any

import typer

from lambdaimg.aws.errors import is_code
from lambdaimg.errors import AwsError, UsageError
from lambdaimg.report import clean
from lambdaimg.session import Session

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
POLL_S = 1.0


def run(
    session: Session,
    since: Annotated[str, typer.Option("--since", help="How far back: 30s, 10m, 2h, 1d")] = "10m",
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C")] = False,
    match: Annotated[str, typer.Option("--filter", help="CloudWatch filter pattern")] = "",
) -> None:
    """Prints the log's events, oldest first.

    Raises:
        AwsError: there is no log yet.
    """
    context = session.context()
    group = f"/aws/lambda/{context.settings.function_name}"
    start = int((time.time() - seconds_of(since)) * 1000)
    request: dict[str, Any] = {"logGroupName": group, "startTime": start}
    if match:
        request["filterPattern"] = match
    shown: set[str] = set()
    found: list[dict[str, Any]] = []
    while True:
        try:
            pages = context.aws("logs").get_paginator("filter_log_events").paginate(**request)
            events = [event for page in pages for event in page["events"]]
        except Exception as error:
            if not is_code(error, "ResourceNotFoundException"):
                raise
            if not follow:
                raise AwsError(
                    f"There is no log group {group}.", hint="Invoke the function first."
                ) from error
            events = []
        for event in sorted(events, key=lambda e: e["timestamp"]):
            key = event.get("eventId") or f"{event['timestamp']} {event['message']}"
            if key in shown:
                continue
            shown.add(key)
            found.append({"timestamp": event["timestamp"], "message": event["message"]})
            if not session.as_json:
                print(clean(event["message"]).rstrip("\n"), flush=True)
        if not follow:
            break
        context.waiter.sleep(POLL_S)
    session.report.result("logs", {"group": group, "events": found})


def seconds_of(span: str) -> int:
    """The seconds of a span such as 10m.

    Raises:
        UsageError: it is no span.
    """
    match = re.fullmatch(r"(\d{1,6})([smhd])", span.strip())
    if match is None:
        raise UsageError(f"{span!r} is no span of time.", hint="Write 30s, 10m, 2h or 1d.")
    return int(match[1]) * UNITS[match[2]]
