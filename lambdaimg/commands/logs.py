"""`logs`: the function's log from CloudWatch Logs, followed if asked."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from typing import Annotated, Any

import typer

from lambdaimg.aws.errors import is_code
from lambdaimg.aws.retry import Waiter
from lambdaimg.context import Context
from lambdaimg.errors import AwsError, UsageError
from lambdaimg.report import clean, in_lines
from lambdaimg.session import Session

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
POLL_S = 1.0
# How much older than the newest event one may be that comes after it.
LATE_MS = 300_000


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
    log = Log(session.context(), since, match)
    found: list[dict[str, Any]] = []

    def look() -> None:
        events = log.events()
        if log.missing and not follow:
            raise AwsError(f"There is no log group {log.group}.", hint="Invoke the function first.")
        for event in events:
            found.append(event)
            if not session.as_json:
                print(told(event["message"]), flush=True)

    repeated(look, follow, log.context.waiter)
    session.report.result("logs", {"group": log.group, "events": found})


def repeated(look: Callable[[], None], follow: bool, waiter: Waiter) -> None:
    """Looks once, or again and again until Ctrl-C, which is how a log that is followed ends."""
    try:
        look()
        while follow:
            waiter.sleep(POLL_S)
            look()
    except KeyboardInterrupt:
        if not follow:
            raise


def run_each(
    session: Session, sessions: list[Session], since: str, follow: bool, match: str
) -> None:
    """Prints the events of several functions as one log, with the function before each."""
    logs = {one.function: Log(one.context(), since, match) for one in sessions}
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in logs}
    width = max(map(len, logs))

    def look() -> None:
        news = [(name, event) for name, log in logs.items() for event in log.events()]
        for name, event in sorted(news, key=lambda pair: pair[1]["timestamp"]):
            found[name].append(event)
            if not session.as_json:
                print(told(event["message"], f"{name:<{width}}  "), flush=True)

    repeated(look, follow, session.shared_context().waiter)
    silent = [name for name, log in logs.items() if log.missing]
    if silent:
        session.report.note(f"No log yet, of functions never invoked: {', '.join(silent)}.")
    parts = [
        {
            "function": name,
            "function_name": log.context.settings.function_name,
            "ok": True,
            "result": {"group": log.group, "events": found[name]},
        }
        for name, log in logs.items()
    ]
    session.report.result("logs", {"functions": parts})


class Log:
    """A function's log; `events` gives what is new in it, oldest first.

    Args:
        context: of the function.
        since: how far back, such as 10m.
        match: CloudWatch's filter pattern; empty for all.
    """

    def __init__(self, context: Context, since: str, match: str) -> None:
        self.context = context
        self.group = f"/aws/lambda/{context.settings.function_name}"
        self.missing = False
        start = int((time.time() - seconds_of(since)) * 1000)
        self._request: dict[str, Any] = {"logGroupName": self.group, "startTime": start}
        if match:
            self._request["filterPattern"] = match
        self._shown: dict[str, int] = {}

    def events(self) -> list[dict[str, Any]]:
        """The events that were not given yet; none, and `missing`, where there is no log."""
        try:
            pages = self.context.aws("logs").get_paginator("filter_log_events")
            found = [e for page in pages.paginate(**self._request) for e in page["events"]]
        except Exception as error:
            if not is_code(error, "ResourceNotFoundException"):
                raise
            self.missing = True
            return []
        self.missing = False
        new = []
        for event in sorted(found, key=lambda each: each["timestamp"]):
            key = event.get("eventId") or f"{event['timestamp']} {event['message']}"
            if key not in self._shown:
                new.append({"timestamp": event["timestamp"], "message": event["message"]})
            self._shown[key] = event["timestamp"]
        start = next_start(self._request["startTime"], self._shown.values())
        self._request["startTime"] = start
        self._shown = {key: at for key, at in self._shown.items() if at >= start}
        return new


def next_start(start: int, shown: Iterable[int]) -> int:
    """From when on the next look has to ask, in milliseconds since the epoch. Pure.

    Asking for everything again would cost the more, the longer a log is followed.

    Args:
        start: from when on the last look asked.
        shown: the times of the events that are known.
    """
    return max(start, max(shown, default=0) - LATE_MS)


def told(message: str, head: str = "") -> str:
    """An event of the log as lines, each with `head` before it. Pure."""
    lines = clean(in_lines(message)).rstrip("\n").split("\n")
    return "\n".join((head + line).rstrip() for line in lines)


def seconds_of(span: str) -> int:
    """The seconds of a span such as 10m.

    Raises:
        UsageError: it is no span.
    """
    match = re.fullmatch(r"(\d{1,6})([smhd])", span.strip())
    if match is None:
        raise UsageError(f"{span!r} is no span of time.", hint="Write 30s, 10m, 2h or 1d.")
    return int(match[1]) * UNITS[match[2]]
