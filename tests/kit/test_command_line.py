"""The command line: help, names, statuses, and the commands that need no AWS."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from lambdaimg.aws.retry import Waiter
from lambdaimg.cli import COMMANDS, target_settings
from lambdaimg.commands.init import names_of
from lambdaimg.commands.logs import repeated, seconds_of, told
from lambdaimg.errors import UsageError
from lambdaimg.settings import FIELDS
from lambdaimg.targets import TARGETS
from tests.support.commandline import CommandLine

HEAVY = {"boto3", "botocore", "docker", "ministack"}


def test_help_groups_the_commands_and_imports_nothing_heavy(lambdaimg: CommandLine) -> None:
    shown = lambdaimg("--help", PYTHONPROFILEIMPORTTIME="1", COLUMNS="120").ok()
    for group in ("Project", "Deploy", "Operate", "Local"):
        assert f" {group} " in shown.stdout
    for name in [*COMMANDS, *(target.name for target in TARGETS)]:
        assert f" {name} " in shown.stdout
    imported = {line.rpartition("|")[2].strip() for line in shown.stderr.splitlines()}
    assert "lambdaimg.app" in imported
    assert not HEAVY & {name.partition(".")[0] for name in imported}


@pytest.mark.parametrize("name", [*COMMANDS, *(target.name for target in TARGETS)])
def test_every_command_has_help_of_its_own(lambdaimg: CommandLine, name: str) -> None:
    assert f"lambdaimg {name}" in lambdaimg(name, "--help").ok().stdout


def test_a_target_has_the_settings_of_all_it_needs() -> None:
    assert "dockerfile" in target_settings("update-function")
    assert "policies_file" in target_settings("lambda-sqs-trigger")
    assert "batch_size" not in target_settings("lambda-function")
    for target in TARGETS:
        assert set(target_settings(target.name)) <= set(FIELDS)


def test_init_overwrites_nothing(tmp_path: Path, lambdaimg: CommandLine) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    (tmp_path / "payload.json").write_text("1")
    result = lambdaimg("init", "--name", "My-Fn", "--json").ok().json()["result"]
    assert sorted(result["kept"]) == ["Dockerfile", "payload.json"]
    assert sorted(result["made"]) == ["lambdaimg.toml", "policies"]
    assert (tmp_path / "Dockerfile").read_text() == "FROM scratch\n"
    assert 'function_name = "My-Fn"' in (tmp_path / "lambdaimg.toml").read_text()
    again = lambdaimg("init", "--json").ok().json()["result"]
    assert again["made"] == []


def test_init_gives_everything_its_name(tmp_path: Path, lambdaimg: CommandLine) -> None:
    lambdaimg("init", "new", "--name", "Two-Words").ok()
    folder = tmp_path / "new"
    assert (folder / "two_words.py").is_file()
    assert 'CMD ["two_words.handler"]' in (folder / "Dockerfile").read_text()
    assert "hello_lambda" not in (folder / "Dockerfile").read_text()
    shown = lambdaimg("settings", "--json", folder=folder).ok().json()["result"]
    assert shown["image_name"] == {"value": "two-words", "source": "lambdaimg.toml"}
    assert shown["lambda_module"]["value"] == "two_words.py"


def test_names() -> None:
    assert vars(names_of("A_b-C9")) == {"name": "A_b-C9", "image": "a-b-c9", "module": "a_b_c9"}
    for wrong in ("", "9a", "a b", "a" * 60, "ä"):
        with pytest.raises(UsageError):
            names_of(wrong)


def test_settings_mask_the_environment(tmp_path: Path, lambdaimg: CommandLine) -> None:
    (tmp_path / "lambdaimg.toml").write_text('environment = {API_KEY = "hunter2"}\n')
    shown = lambdaimg("settings").ok()
    assert "API_KEY=***" in shown.stdout
    assert "hunter2" not in shown.stdout + lambdaimg("settings", "--json").ok().stdout


def test_clean_where_there_is_nothing(lambdaimg: CommandLine) -> None:
    assert lambdaimg("clean").ok().stdout == "0 records removed\n"


def test_clean_leaves_no_record(tmp_path: Path, lambdaimg: CommandLine) -> None:
    state = tmp_path / ".lambdaimg" / "123456789012-us-east-1-fn"
    state.mkdir(parents=True)
    (state / "image.json").write_text("{}")
    (state.parent / "identity.json").write_text("{}")
    assert lambdaimg("clean", "--json").ok().json()["result"] == {"removed": 1}
    assert list(state.parent.rglob("*.json")) == []


def test_version(lambdaimg: CommandLine) -> None:
    from lambdaimg import __version__

    assert lambdaimg("--version").ok().stdout == f"lambdaimg {__version__}\n"


def test_completion_knows_every_command(lambdaimg: CommandLine) -> None:
    offered = lambdaimg(
        _LAMBDAIMG_COMPLETE="complete_bash", COMP_WORDS="lambdaimg lambda-", COMP_CWORD="1"
    )
    names = {target.name for target in TARGETS if target.name.startswith("lambda-")}
    assert names <= set(offered.stdout.split())


def test_where_a_run_takes_place_may_be_said_before_the_command(lambdaimg: CommandLine) -> None:
    words = ("--region", "eu-west-1", "--profile", "p", "settings", "--json", "--region=eu-west-2")
    found = lambdaimg(*words).ok().json()["result"]
    assert (found["region"]["value"], found["profile"]["value"]) == ("eu-west-2", "p")
    assert "--region" in lambdaimg("--help").ok().stdout


def test_usage_errors_end_with_status_2(lambdaimg: CommandLine) -> None:
    assert lambdaimg("nonsense").status == 2
    assert lambdaimg("image", "--batch-size", "3").status == 2
    assert lambdaimg("--env", "prod", "settings").status == 2


def test_errors_are_json_too(lambdaimg: CommandLine) -> None:
    result = lambdaimg("settings", "--json", LAMBDAIMG_MEMORY="1")
    assert result.status == 2
    assert json.loads(result.stdout)["error"]["code"] == "Settings"


def test_spans_of_time() -> None:
    assert [seconds_of(x) for x in ("30s", "10m", "2h", "1d")] == [30, 600, 7200, 86_400]
    with pytest.raises(UsageError):
        seconds_of("soon")


def test_a_log_is_followed_until_ctrl_c() -> None:
    looks: list[int] = []

    def look() -> None:
        looks.append(1)
        if len(looks) % 3 == 0:
            raise KeyboardInterrupt

    waiter = Waiter(sleep=lambda _seconds: None)
    repeated(look, True, waiter)
    assert len(looks) == 3
    repeated(look, False, waiter)
    assert len(looks) == 4
    looks.append(1)
    with pytest.raises(KeyboardInterrupt):
        repeated(look, False, waiter)


def test_a_trace_is_one_event_of_the_log_and_stands_in_lines() -> None:
    assert told("[ERROR] x\rTraceback:\r  File\n") == "[ERROR] x\nTraceback:\n  File"
    assert told("one\rtwo\n", "mail  ") == "mail  one\nmail  two"


def test_mistakes_in_the_command_line_are_json_too(lambdaimg: CommandLine) -> None:
    for words in (("nonsense",), ("show",), ("invoke", "--nonsense"), ("local", "nonsense")):
        result = lambdaimg(*words, "--json")
        assert result.status == 2
        error = result.json()["error"]
        assert error["code"] == "Usage"
        whose = "" if words == ("nonsense",) else f"{words[0]} "
        assert error["hint"] == f"See lambdaimg {whose}--help."


def test_a_reader_that_goes_away_is_no_failure(tmp_path: Path, lambdaimg: CommandLine) -> None:
    with lambdaimg.start("settings") as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        said = process.stderr.read().decode()
    assert "Traceback" not in said
    assert "fault of lambdaimg" not in said


def test_a_payload_that_a_flag_names_is_found_from_here(
    tmp_path: Path, lambdaimg: CommandLine
) -> None:
    (tmp_path / "lambdaimg.toml").write_text("")
    folder = tmp_path / "sub"
    folder.mkdir()
    (folder / "p.json").write_text("{nope}")
    result = lambdaimg("invoke", "--payload", "p.json", folder=folder)
    assert "p.json is not JSON" in result.stderr


def test_what_cannot_be_shown_is_shown_as_an_escape(tmp_path: Path, lambdaimg: CommandLine) -> None:
    (tmp_path / "lambdaimg.toml").write_text('description = "grüße ☃"\n', "utf-8")
    shown = lambdaimg("settings", PYTHONIOENCODING="ascii").ok()
    assert r"gr\xfc\xdfe \u2603" in shown.stdout


def test_a_folder_that_is_gone_is_said(tmp_path: Path, lambdaimg: CommandLine) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    program = "import os, sys; os.rmdir(os.getcwd()); from lambdaimg.cli import main; main()"
    for words in (["status"], ["init"], ["invoke", "--payload", "x.json", "-C", "/"]):
        gone.mkdir(exist_ok=True)
        ended = subprocess.run(
            [sys.executable, "-c", program, *words],
            cwd=gone,
            env=lambdaimg.environment({}),
            capture_output=True,
            text=True,
        )
        assert (ended.returncode, "you are in is gone" in ended.stderr) == (2, True), ended.stderr


@pytest.mark.parametrize("module", ["lambdaimg.session", "lambdaimg.plain", "lambdaimg.targets"])
@pytest.mark.parametrize("words", [["settings"], ["status", "--verify"]])
def test_ctrl_c_while_it_starts_is_one_sentence(
    tmp_path: Path, module: str, words: list[str]
) -> None:
    program = (
        "import os, signal, sys\n"
        "class Interrupting:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name == {module!r}:\n"
        "            os.kill(os.getpid(), signal.SIGINT)\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "sys.meta_path.insert(0, Interrupting())\n"
        "from lambdaimg.__main__ import main\n"
        "main()\n"
    )
    command = [sys.executable, "-c", program, *words]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (130, "error: Interrupted.\n")
