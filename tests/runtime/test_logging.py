"""The logger that is only there when it writes, and what `logging` does under the runtime."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lambdaimg.runtime.logger import LEVELS, choose_level, level_number
from tests.runtime.api import HANDLERS, ROOT, Api, Client, Event, ours

SCRIPT = """
import sys
from lambdaimg.runtime import get_logger
log = get_logger("shop")
def message():
    print("made")
    return "text"
{body}
print("logging" in sys.modules)
"""


def output_of(body: str, **env: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-S", "-c", SCRIPT.format(body=body)],
        env={"PYTHONPATH": str(ROOT), **env},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()


def test_a_message_below_the_level_costs_nothing() -> None:
    assert output_of("log.debug(message); log.trace(message)") == ["False"]


def test_a_message_that_is_a_function_is_called_where_its_level_is_on() -> None:
    assert output_of("log.debug(message)", LOG_LEVEL="debug") == ["made", "True"]


@pytest.mark.parametrize(
    ("wanted", "environ", "level"),
    [
        (None, {}, "info"),
        ("warn", {}, "warn"),
        ("debug", {"LOG_LEVEL": "error"}, "error"),
        ("debug", {"LOG_LEVEL": "LOUD"}, "debug"),
        (None, {"LOG_LEVEL": "TRACE"}, "trace"),
        (None, {"AWS_LAMBDA_LOG_LEVEL": "FATAL"}, "fatal"),
        (None, {"AWS_LAMBDA_LOG_LEVEL": "DEBUG", "LOG_LEVEL": "warn"}, "warn"),
        ("Warning", {}, "warn"),
        ("critical", {}, "fatal"),
    ],
)
def test_which_level_counts(wanted: str | None, environ: dict[str, str], level: str) -> None:
    assert choose_level(wanted, environ) == LEVELS[level]


def test_names_that_are_no_levels() -> None:
    assert level_number("loud") is None


HANDLER = """
from lambdaimg.runtime import get_logger

log = get_logger("shop", "trace")


def handler(event, context):
    for name in ("fatal", "error", "warn", "warning", "info", "debug", "trace"):
        getattr(log, name)("%s is %d", name, 1)
    try:
        1 / 0
    except ZeroDivisionError:
        log.exception(lambda: "failed")
    log.info("extra", extra={"order": 7})
    print(log.is_on("trace"), log.is_on("fatal"))
"""


def lines_of(folder: Path, **env: str) -> list[str]:
    (folder / "mod.py").write_text(HANDLER)
    path = os.pathsep.join(map(str, (folder, ROOT)))
    with (
        Api([Event("one")]) as api,
        Client(ours("mod.handler"), api, {"PYTHONPATH": path, **env}) as client,
    ):
        api.await_idle()
        assert api.posts[0].body == b"null"
        return client.output.splitlines()


def test_lines_as_text(tmp_path: Path) -> None:
    lines = lines_of(tmp_path)
    assert [line.split("\t")[0] for line in lines if "\tone\t" in line] == [
        "[CRITICAL]",
        "[ERROR]",
        "[WARNING]",
        "[WARNING]",
        "[INFO]",
        "[DEBUG]",
        "[TRACE]",
        "[ERROR]",
        "[INFO]",
    ]
    assert lines[0].endswith("\tone\tfatal is 1")
    assert "ZeroDivisionError: division by zero" in lines
    assert lines[-1] == "True True"


def test_lines_as_json(tmp_path: Path) -> None:
    lines = lines_of(tmp_path, AWS_LAMBDA_LOG_FORMAT="JSON")
    told: list[dict[str, Any]] = [json.loads(line) for line in lines if line.startswith("{")]
    assert {(one["requestId"], one["logger"]) for one in told} == {("one", "shop")}
    assert (told[6]["level"], told[6]["message"]) == ("TRACE", "trace is 1")
    assert told[7]["errorType"] == "ZeroDivisionError"
    assert told[7]["location"].endswith("mod.py:handler:13")
    assert told[8]["order"] == 7


def test_neither_event_nor_environment_is_logged_by_default() -> None:
    secret = "s3cr3t-value"
    events = [Event(name, json.dumps({"k": secret}).encode()) for name in ("echo", "value_error")]
    env = {"SECRET": secret, "AWS_LAMBDA_LOG_LEVEL": "TRACE", "LOG_LEVEL": "trace"}
    env["PYTHONPATH"] = os.pathsep.join(map(str, (ROOT, HANDLERS)))
    with Api(events) as api, Client(ours("cases.handler"), api, env) as client:
        api.await_idle()
        assert "bad value" in client.output
        assert secret not in client.output + client.errors


def test_logging_is_set_up_where_it_was_imported_first(tmp_path: Path) -> None:
    """A wrapper, or sitecustomize, may have imported it before the runtime starts."""
    program = tmp_path / "program.py"
    program.write_text(
        "import logging\nfrom lambdaimg.runtime.start import main\nmain(['cases.handler'], [])\n"
    )
    with Api([Event("logs")]) as api, Client([str(program)], api) as client:
        api.await_idle()
        assert "\tlogs\twarning\n" in client.output
