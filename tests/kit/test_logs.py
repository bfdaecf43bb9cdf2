"""`logs --follow` shows every event once, however late, and asks for the newest alone."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from lambdaimg.commands.logs import LATE_MS, Log, next_start
from lambdaimg.context import Context
from lambdaimg.settings import Settings
from tests.support.endpoint import AwsEndpoint

MINUTE = 60_000


def test_the_next_look_asks_for_what_may_still_come() -> None:
    assert next_start(50, ()) == 50
    assert next_start(50, (60, 70)) == 50
    assert next_start(50, (LATE_MS + 70, 60)) == 70


def test_every_event_is_shown_once(
    moto_server: AwsEndpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in moto_server.variables.items():
        monkeypatch.setenv(name, value)
    client, group = moto_server.client("logs"), "/aws/lambda/hello-lambda"
    log = Log(Context(tmp_path, Settings()), "1h", "")
    assert log.events() == []
    assert log.missing
    client.create_log_group(logGroupName=group)
    client.create_log_stream(logGroupName=group, logStreamName="one")
    now = int(time.time() * 1000)

    def write(*events: tuple[int, str]) -> None:
        client.put_log_events(
            logGroupName=group,
            logStreamName="one",
            logEvents=[{"timestamp": now + at, "message": text} for at, text in events],
        )

    def shown() -> list[str]:
        return [event["message"] for event in log.events()]

    write((-50 * MINUTE, "old"), (-20 * MINUTE, "first"), (-2 * MINUTE, "second"))
    assert shown() == ["old", "first", "second"]
    assert shown() == []
    write((-3 * MINUTE, "late"), (-MINUTE, "third"))
    assert shown() == ["late", "third"]
    assert shown() == []
    assert not log.missing
