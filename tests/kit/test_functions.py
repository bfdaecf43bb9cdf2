"""Several functions in one project: their settings, and which of them a run is about."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lambdaimg.cli import COMMANDS
from lambdaimg.errors import AwsError, BuildError, LambdaimgError, SettingsError, UsageError
from lambdaimg.make.target import Action, Outcome
from lambdaimg.session import Session, Takes
from lambdaimg.settings import FIELDS, Settings
from lambdaimg.settings_functions import load_all
from lambdaimg.several import Part, alike, side_by_side, status_of, summary
from tests.support.commandline import CommandLine

THREE = """
function_name = "shop"
image_name = "shop"
queue_name = "shop-queue.fifo"
memory = 256
[environment]
LOG_LEVEL = "info"

[functions.resize]
command = ["handlers.resize"]
memory = 1024
[functions.resize.environment]
SIZE = "big"

[functions.thumb]
command = ["handlers.thumb"]

[functions.mail]
lambda_module = "mail.py"
function_name = "mailer"
role_name = "mail-role"

[env.prod]
function_name = "shop-prod"
memory = 512
[env.prod.functions.thumb]
timeout = 60
"""


def load(folder: Path, text: str, env: str = "", **environ: str) -> dict[str, Settings]:
    """The settings of each function of a settings file."""
    (folder / "lambdaimg.toml").write_text(text)
    return load_all(folder, {}, environ, env)[1]


def test_a_table_says_what_is_its_own_and_the_rest_is_the_projects(tmp_path: Path) -> None:
    found = load(tmp_path, THREE)
    assert list(found) == ["resize", "thumb", "mail"]
    assert [one.memory for one in found.values()] == [1024, 256, 256]
    assert dict(found["resize"].environment) == {"LOG_LEVEL": "info", "SIZE": "big"}
    assert dict(found["thumb"].environment) == {"LOG_LEVEL": "info"}
    assert found["resize"].source("memory") == "lambdaimg.toml [functions.resize]"
    assert found["thumb"].source("memory") == "lambdaimg.toml"
    assert found["thumb"].source("timeout") == "default"


def test_names_that_are_not_given_are_made_of_the_functions(tmp_path: Path) -> None:
    found = load(tmp_path, THREE)
    assert [one.function_name for one in found.values()] == ["shop-resize", "shop-thumb", "mailer"]
    assert found["thumb"].queue_name == "shop-queue-thumb.fifo"
    assert found["resize"].image_name == found["thumb"].image_name == "shop"
    assert found["mail"].image_name == "shop-mail", "it is built otherwise than the rest"
    bare = load(tmp_path, "[functions.Ab_c]\nbuild_target = 'x'\n[functions.d]\n")
    assert [one.function_name for one in bare.values()] == ["Ab_c", "d"]
    assert [one.image_name for one in bare.values()] == ["lambda-image-ab-c", "lambda-image"]


def test_environments_lie_between_the_project_and_the_function(tmp_path: Path) -> None:
    found = load(tmp_path, THREE, "prod")
    assert [one.memory for one in found.values()] == [1024, 512, 512]
    assert [one.timeout for one in found.values()] == [3, 60, 3]
    assert found["thumb"].function_name == "shop-prod-thumb"
    source = found["thumb"].source("timeout")
    assert source == "lambdaimg.toml [env.prod.functions.thumb]"


def test_a_variable_holds_for_every_function(tmp_path: Path) -> None:
    found = load(tmp_path, THREE, LAMBDAIMG_MEMORY="2048")
    assert {one.memory for one in found.values()} == {2048}


def test_pyproject_has_functions_too(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.lambdaimg.functions.a]\nmemory = 300\n")
    assert load_all(tmp_path, {}, {})[1]["a"].memory == 300


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("functions = 3", "functions must be a table of tables"),
        ("[functions]\na = 1", "functions must be a table of tables"),
        ("[functions.'a b']", "cannot name a function"),
        ("[functions.a]\nmemroy = 1", r"\[functions.a\]: there is no setting memroy"),
        ("[functions.a]\nmemory = 1", r"memory must be from .*\[functions.a\]"),
        ("[functions.a]\nbatch_size = 50", "^a: batch_size 50 needs"),
        ("[functions.a]\n[env.p.functions.b]", "a function b, which has no table"),
        ("[functions.a]\nfunction_name='x'\n[functions.b]\nfunction_name='x'", "a and b are both"),
        ("[functions.a]\nqueue_name='q'\n[functions.b]\nqueue_name='q'\ntimeout=90", "the queue q"),
        ("[functions.a]\npolicies_file='p'\n[functions.b]", "the role lambda-role, but not pol"),
        ("[functions.a]\nimage_name='i'\n[functions.b]\nimage_name='i'\ndockerfile='D'", "image i"),
        ("[functions.a.tags]\nT='1'\n[functions.b.tags]\nT='2'", "share the .*, but not tags"),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said) as caught:
        load(tmp_path, text, "p" if "env.p" in text else "")
    assert caught.value.hint or "must be" in caught.value.message


@pytest.mark.parametrize("name", [n for n, spec in FIELDS.items() if spec.metadata["project"]])
def test_what_holds_for_the_project_is_no_matter_of_one_function(tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingsError, match=f"{name} holds for all functions"):
        load(tmp_path, f"[functions.a]\n{name} = 1")


def test_tags_may_add_to_each_other(tmp_path: Path) -> None:
    found = load(tmp_path, "[tags]\nT='1'\n[functions.a.tags]\nA='1'\n[functions.b.tags]\nB='2'")
    assert dict(found["a"].tags) == {"T": "1", "A": "1"}


def test_one_name_for_two_functions_says_where_it_came_from(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="from FUNCTION_NAME"):
        load(tmp_path, "[functions.a]\n[functions.b]", FUNCTION_NAME="x")
    assert load(tmp_path, "[functions.a]", FUNCTION_NAME="x")["a"].function_name == "x"


# --- which functions ------------------------------------------------------------------------------


@pytest.fixture
def three(tmp_path: Path) -> Path:
    """A project with three functions."""
    (tmp_path / "lambdaimg.toml").write_text(THREE)
    return tmp_path


def chosen(folder: Path, takes: Takes, *names: str, every: bool = False) -> tuple[str, ...]:
    """The functions that a run is about; none where it is about the project as a whole."""
    session = Session("a-command", folder=folder, functions=names, every=every)
    session.choose(takes)
    assert not (session.function and session.several)
    return (session.function,) if session.function else session.several


EVERY = ("resize", "thumb", "mail")


@pytest.mark.parametrize(
    ("takes", "bare", "every"),
    [
        (Takes.ALL, EVERY, EVERY),
        (Takes.ASKED, UsageError, EVERY),
        (Takes.ONE, UsageError, UsageError),
        (Takes.TOP, (), EVERY),
        (Takes.NONE, (), UsageError),
    ],
)
def test_which_functions_a_command_takes(three: Path, takes: Takes, bare: Any, every: Any) -> None:
    for asked, wanted in ((False, bare), (True, every)):
        if isinstance(wanted, type):
            with pytest.raises(wanted):
                chosen(three, takes, every=asked)
        else:
            assert chosen(three, takes, every=asked) == wanted


def test_functions_are_named(three: Path) -> None:
    for takes in (Takes.ALL, Takes.ASKED, Takes.ONE, Takes.TOP):
        assert chosen(three, takes, "thumb") == ("thumb",)
        assert chosen(three, takes, "thumb", "thumb") == ("thumb",)
    assert chosen(three, Takes.ALL, "thumb", "mail") == ("thumb", "mail")
    for words, said in (
        ((Takes.ONE, "thumb", "mail"), "takes one"),
        ((Takes.ALL, "nope"), "no function nope"),
        ((Takes.NONE, "thumb"), "nothing to do with"),
    ):
        with pytest.raises(UsageError, match=said):
            chosen(three, *words)
    with pytest.raises(UsageError) as caught:
        chosen(three, Takes.ALL, "resise")
    assert caught.value.hint == "Did you mean resize?"
    with pytest.raises(UsageError, match="not both"):
        chosen(three, Takes.ALL, "thumb", every=True)


def test_a_project_without_tables_is_its_one_function(tmp_path: Path) -> None:
    assert chosen(tmp_path, Takes.ONE) == chosen(tmp_path, Takes.ALL, every=True) == ()
    with pytest.raises(UsageError, match="needs no --function") as caught:
        chosen(tmp_path, Takes.ALL, "x")
    assert "[functions.NAME]" in caught.value.hint


def test_one_table_needs_no_naming(tmp_path: Path) -> None:
    (tmp_path / "lambdaimg.toml").write_text("[functions.only]")
    for takes in (Takes.ALL, Takes.ASKED, Takes.ONE):
        assert chosen(tmp_path, takes) == ("only",)
    assert chosen(tmp_path, Takes.ALL, every=True) == ("only",)


def test_broken_settings_never_widen_what_was_named(tmp_path: Path) -> None:
    (tmp_path / "lambdaimg.toml").write_text("memory = 1")
    assert chosen(tmp_path, Takes.ALL) == ()
    with pytest.raises(SettingsError):
        chosen(tmp_path, Takes.TOP, "x")


def test_what_removes_or_runs_something_is_never_meant_for_all_by_itself() -> None:
    for name in ("teardown", "prune", "invoke"):
        assert COMMANDS[name].takes is Takes.ASKED


# --- what is told ---------------------------------------------------------------------------------


def part(name: str, action: Action = Action.CREATED, error: LambdaimgError | None = None) -> Part:
    """A function whose run is over."""
    found = Part(name, name, [Outcome("image", Action.BUILT), Outcome("queue", action)], over=True)
    if error:
        found.failed(error)
    return found


def test_a_defect_in_one_of_them_is_raised_when_all_are_over() -> None:
    done: list[int] = []

    def work(number: int) -> None:
        done.append(number)
        if number % 2:
            raise ZeroDivisionError(number)

    with pytest.raises(ZeroDivisionError):
        side_by_side([lambda n=n: work(n) for n in range(40)], lambda: None)
    assert sorted(done) == list(range(40))


def test_the_summary_counts_what_became_of_them() -> None:
    parts = [part("a"), part("b"), part("c", error=BuildError("No.")), Part("d", "d")]
    assert summary(parts, "queue") == "4 functions: 2 created, 1 failed, 1 interrupted"
    assert summary(parts[:1], "queue") == "1 function: 1 created"


def test_the_status_is_the_one_of_all_failures() -> None:
    parts = {status: Part("x", "x", status=status) for status in (0, 1, 2, 3, 4)}
    for those, wanted in (((0,), 0), ((0, 2, 2), 2), ((1, 2), 1), ((3, 0), 3), ((0, 4), 4)):
        assert status_of([parts[status] for status in those]) == wanted
    assert status_of([parts[4], parts[2]]) == 2


def test_the_same_failure_is_told_once() -> None:
    gone, other = BuildError("Gone.", "Mend it."), AwsError("Other.")
    parts = [
        part("a", error=gone),
        part("b", error=other),
        part("c", error=BuildError("Gone.", "Mend it.")),
    ]
    assert [(str(e), names) for e, names in alike(parts)] == [
        ("Gone.", ["a", "c"]),
        ("Other.", ["b"]),
    ]


def test_settings_of_one_of_all_and_of_the_project(lambdaimg: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "lambdaimg.toml").write_text(THREE)
    one = lambdaimg("settings", "--function", "resize", "--json").ok().json()
    assert (one["function"], one["result"]["memory"]["value"]) == ("resize", 1024)
    assert lambdaimg("settings", "--json").ok().json()["result"]["memory"]["value"] == 256
    every = lambdaimg("--all", "settings", "--json").ok().json()["result"]["functions"]
    names = [(each["function"], each["function_name"]) for each in every]
    assert names == [("resize", "shop-resize"), ("thumb", "shop-thumb"), ("mail", "mailer")]
    assert [each["result"]["memory"]["value"] for each in every] == [1024, 256, 256]


def test_clean_forgets_the_functions_that_are_named(lambdaimg: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "lambdaimg.toml").write_text(THREE)
    for name in ("shop-resize", "shop-thumb", "mailer"):
        for where in ("", "@localhost-1"):
            folder = tmp_path / ".lambdaimg" / f"123456789012-eu-west-1-{name}{where}"
            folder.mkdir(parents=True)
            (folder / "image.json").write_text("{}")

    def left() -> set[str]:
        return {path.parent.name for path in (tmp_path / ".lambdaimg").glob("*/*.json")}

    assert lambdaimg("clean", "--function", "mail", "--json").ok().json()["result"]["removed"] == 2
    assert not any("mailer" in name for name in left())
    lambdaimg("clean", "--function", "resise")
    assert len(left()) == 4
    lambdaimg("clean", "--function", "resize", "--function", "mail").ok()
    assert {name.partition("@")[0] for name in left()} == {"123456789012-eu-west-1-shop-thumb"}
    assert lambdaimg("clean", "--all", "--json").ok().json()["result"]["removed"] == 2
    assert not list((tmp_path / ".lambdaimg").iterdir())
