"""What a run shows: plain lines in a pipe, one JSON document with --json, no control characters."""

from __future__ import annotations

import json

import pytest

from lambdaimg import sizes
from lambdaimg.container.events import WholeLines
from lambdaimg.errors import BuildError, SettingsError
from lambdaimg.make.target import Action, Outcome
from lambdaimg.report import (
    Report,
    clean,
    fitted,
    in_lines,
    last_state,
    line_of,
    pretty_json,
    short,
    table,
)
from lambdaimg.report_parts import FunctionReport

BUILT = Outcome("image", Action.BUILT, "sha256:" + "a" * 64, "x changed", "9 MB", 1.25)


def test_plain_lines_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    report = Report()
    report.started("image", "x changed")
    report.output("image", "Step 1\x1b[2J of it\n")
    report.finished(BUILT)
    report.result("image", {"value": "v"})
    out, err = capsys.readouterr()
    assert out.split() == ["image", "built", "sha256:" + "a" * 12, "9", "MB", "1.2", "s"]
    assert len(out.splitlines()) == 1
    assert err.strip() == "Step 1 of it"


def test_one_document_with_json(capsys: pytest.CaptureFixture[str]) -> None:
    report = Report(as_json=True)
    report.finished(BUILT)
    report.result("image", {"value": "v"})
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert document["ok"] is True
    assert document["result"] == {"value": "v"}
    assert document["targets"][0]["action"] == "built"
    assert document["targets"][0]["seconds"] == 1.25
    assert "image" in err


def test_a_failure_is_a_sentence_and_a_hint(capsys: pytest.CaptureFixture[str]) -> None:
    Report().failure("image", SettingsError("memory is wrong.", "Set it right."))
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == ["error: memory is wrong.", "  Set it right."]


def test_a_failure_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    error = BuildError("Step 2 failed.", "Mend it.", output="words\nmore", line=3)
    Report(as_json=True).failure("image", error)
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert document["ok"] is False
    assert document["error"]["code"] == "Build"
    assert document["error"]["details"]["line"] == 3
    assert "    words" in err.splitlines()


def test_values_for_the_eye() -> None:
    assert short("repo@sha256:" + "b" * 64) == "repo@sha256:" + "b" * 12
    assert short('{"a": 1}') == short("a\nb") == ""


def test_control_characters_go() -> None:
    assert clean("a\x1b[31mb\x1b]0;title\x07c\x00d\te\n") == "ab0;titlecd\te\n"
    # Terminals take these characters for the same, and no JSON needs to escape them.
    assert clean("a\x9b31mb\x9d0;title\x9cc\x85é") == "ab0;titlecé"
    document = {"é": "\x9b31m\x7f\x1b"}
    assert pretty_json(document) == '{\n  "é": "\\u009b31m\\u007f\\u001b"\n}'
    assert json.loads(pretty_json(document)) == document


def test_a_log_is_in_lines() -> None:
    assert in_lines("a\rb\r\nc\n") == "a\nb\nc\n"


def test_of_a_line_that_was_written_over_its_last_state_is_shown() -> None:
    assert last_state("5%\r10%\r\x1b[1mdone\r") == "done"
    assert last_state("plain") == "plain"


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    assert table([("a", "bb"), ("ccc", "")], ("x", "y")) == "x    y\na    bb\nccc"


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1234, "1.2 kB"),
        (114_000_000, "114 MB"),
        (2**31, "2.1 GB"),
    ],
)
def test_sizes(size: int, words: str) -> None:
    assert sizes.text(size) == words


def test_the_last_columns_fit_a_terminal() -> None:
    assert fitted("about", "1.0 s", 0) == "about  1.0 s"
    assert fitted("about", "", 0) == "about"
    assert fitted("about", "1.0 s", 20) == "about          1.0 s"
    assert fitted("a" * 30, "1.0 s", 20) == "a" * 12 + "…  1.0 s"


def test_a_preview_tells_why() -> None:
    assert line_of(Outcome("queue", Action.WOULD_CREATE, reason="no record of it")) == (
        "(no record of it)",
        "",
    )


def test_what_was_told_before_a_new_start_is_no_result(capsys: pytest.CaptureFixture[str]) -> None:
    report = Report(as_json=True)
    report.finished(BUILT)
    report.restarted("Gone. Looking at everything again.")
    report.finished(Outcome("queue", Action.CREATED, "url"))
    report.result("queue")
    targets = json.loads(capsys.readouterr().out)["targets"]
    assert [target["target"] for target in targets] == ["queue"]


def test_output_of_one_of_several_keeps_its_name_and_lines_stay_whole(
    capsys: pytest.CaptureFixture[str],
) -> None:
    told = FunctionReport(Report(), "mail", "image", 4)
    lines = WholeLines(lambda text: told.output("image", text))
    for piece in (
        "libread",
        "line.so\n",
        "(Reading ...",
        "\r(Reading ... 5%\r",
        "\r(Read",
        "y)\nend",
    ):
        lines.add(piece)
    lines.end()
    assert capsys.readouterr().err == (
        "    mail: libreadline.so\n    mail: (Reading ... 5%\n    mail: (Ready)\n    mail: end\n"
    )
