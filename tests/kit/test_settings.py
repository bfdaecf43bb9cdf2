"""Settings: where a value comes from, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdaimg.errors import LambdaimgError, SettingsError, UsageError
from lambdaimg.settings import FIELDS, Settings
from lambdaimg.settings_functions import load_all
from lambdaimg.settings_load import find_project


def load(
    project: Path, flags: dict[str, Any], environ: dict[str, str], env_name: str = ""
) -> Settings:
    """The settings of a project that has one function."""
    settings, functions = load_all(project, flags, environ, env_name)
    assert not functions
    return settings


def write(folder: Path, text: str) -> Path:
    (folder / "lambdaimg.toml").write_text(text)
    return folder


def test_flag_beats_environment_beats_file_beats_default(tmp_path: Path) -> None:
    project = write(tmp_path, "memory = 256\ntimeout = 7\nbatch_size = 4\n")
    environ = {"LAMBDAIMG_MEMORY": "512", "BATCH_SIZE": "5"}
    settings = load(project, {"memory": "1024"}, environ)
    assert (settings.memory, settings.batch_size, settings.timeout) == (1024, 5, 7)
    assert settings.ephemeral_storage == 512
    assert settings.source("memory") == "--memory"
    assert settings.source("batch_size") == "BATCH_SIZE"
    assert settings.source("timeout") == "lambdaimg.toml"
    assert settings.source("ephemeral_storage") == "default"


@pytest.mark.parametrize(
    ("variable", "name", "value"),
    [
        ("IMAGE_NAME", "image_name", "some-image"),
        ("AWS_PROFILE", "profile", "work"),
        ("AWS_REGION", "region", "eu-west-1"),
        ("AWS_DEFAULT_REGION", "region", "eu-west-2"),
        ("REGION", "region", "eu-west-3"),
        ("AWS_ACCOUNT", "account", "123456789012"),
        ("REPO_NAME", "repo_name", "team/repo"),
        ("FUNCTION_NAME", "function_name", "fn"),
        ("ROLE_NAME", "role_name", "a-role"),
        ("POLICIES_FILE", "policies_file", "other"),
        ("LAMBDA_MODULE", "lambda_module", "other.py"),
        ("PAYLOAD", "payload", "other.json"),
        ("QUEUE_NAME", "queue_name", "q"),
    ],
)
def test_environment_variables_of_the_design(
    tmp_path: Path, variable: str, name: str, value: str
) -> None:
    assert getattr(load(tmp_path, {}, {variable: value}), name) == value


def test_an_environment_table_is_laid_over_the_file(tmp_path: Path) -> None:
    project = write(
        tmp_path,
        'memory = 256\nenvironment = {AA = "1", BB = "2"}\n'
        '[env.prod]\nmemory = 1024\nenvironment = {BB = "3"}\n',
    )
    plain, prod = load(project, {}, {}), load(project, {}, {}, "prod")
    assert (plain.memory, dict(plain.environment)) == (256, {"AA": "1", "BB": "2"})
    assert (prod.memory, dict(prod.environment)) == (1024, {"AA": "1", "BB": "3"})
    assert prod.source("memory") == "lambdaimg.toml [env.prod]"
    with pytest.raises(UsageError, match="no environment stage"):
        load(project, {}, {}, "stage")


def test_pyproject_serves_where_there_is_no_file_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.lambdaimg]\nmemory = 300\n")
    assert load(tmp_path, {}, {}).memory == 300
    write(tmp_path, "memory = 400\n")
    assert load(tmp_path, {}, {}).memory == 400


def test_a_byte_order_mark_is_no_part_of_the_file(tmp_path: Path) -> None:
    assert load(write(tmp_path, "\ufeffmemory = 256\n"), {}, {}).memory == 256


def test_the_project_is_the_nearest_folder_with_settings(tmp_path: Path) -> None:
    write(tmp_path, "")
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    assert find_project(deep) == tmp_path.resolve()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("memory = 64", "memory must be from 128 to 10240 MB, not 64"),
        ('memory = "many"', "memory must be a whole number"),
        ("memory = true", "memory must be a whole number"),
        ("timeout = 901", "timeout must be from 1 to 900"),
        ("batch_size = 0", "batch_size must be from 1 to 10000"),
        ("batch_size = 20000", "batch_size must be from 1 to 10000"),
        ("batch_size = 11", "batch_size 11 needs a batching_window"),
        ('batch_size = 11\nqueue_name = "a.fifo"', "from 1 to 10 for a FIFO queue"),
        ('queue_name = "a.fifo"\nbatching_window = 5', "must be 0 for a FIFO queue"),
        ('queue_name = "a.b"', "queue_name must be"),
        ('function_name = "a b"', "function_name must be"),
        ('image_name = "Upper"', "image_name must be"),
        ('account = "12"', "account must be an account number"),
        ('architecture = "i386"', "must be one of x86_64, arm64"),
        ("visibility_timeout = 2\ntimeout = 10", "below the function's timeout"),
        ('dead_letter_queue = "a.fifo"', "must both be FIFO"),
        ("memroy = 256", "no setting memroy"),
        ("memory = ", "not valid TOML"),
        ("env = 3", "env must be a table"),
        ("environment = 3", "environment must be NAME=VALUE pairs"),
        ('environment = {"a-b" = "x"}', "names are letters, digits and _"),
        ('tags = {a = ["x"]}', "tags must be a table of text"),
        ("command = 3", "command must be a list of words"),
        ('partial_batch_responses = "maybe"', "must be true or false"),
    ],
)
def test_what_is_refused(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(write(tmp_path, text), {}, {})
    assert says in caught.value.message
    assert caught.value.hint.endswith((".", "?"))
    assert caught.value.exit_status == 2


def test_a_refused_value_tells_what_the_setting_is(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        load(write(tmp_path, "memory = 3"), {}, {})
    assert caught.value.hint == "Memory of the function in MB; the default is 128."


def test_a_mistyped_name_gets_a_suggestion(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        load(write(tmp_path, "memroy = 256"), {}, {})
    assert caught.value.hint == "Did you mean memory?"


def test_a_secret_value_is_not_repeated(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        load(write(tmp_path, 'environment = {"1bad" = "hunter2"}'), {}, {})
    assert "hunter2" not in caught.value.message


def test_pairs_come_as_flags_too(tmp_path: Path) -> None:
    settings = load(tmp_path, {"environment": ["AA=1", "BB=x=y"]}, {})
    assert dict(settings.environment) == {"AA": "1", "BB": "x=y"}
    with pytest.raises(SettingsError, match="number 2 is none"):
        load(tmp_path, {"environment": ["AA=1", "BB"]}, {})


def test_the_rest_of_a_secret_with_a_comma_is_not_repeated(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, {}, {"LAMBDAIMG_ENVIRONMENT": "PASSWORD=hunter2,hunter3"})
    assert "hunter" not in caught.value.message


@pytest.mark.parametrize(
    ("key", "value"),
    [("aws:x", ""), ("lambdaimg:made-by", "me"), ("", "x"), ("k" * 129, ""), ("k", "v" * 257)],
)
def test_tags_that_aws_or_the_kit_would_not_take(tmp_path: Path, key: str, value: str) -> None:
    with pytest.raises(SettingsError, match=r"^tags .* \(from lambdaimg.toml\)\.$") as caught:
        load(write(tmp_path, f'tags = {{"{key}" = "{value}"}}'), {}, {})
    assert "mappingproxy" not in caught.value.message


def test_what_is_no_table_is_no_environment(tmp_path: Path) -> None:
    write(tmp_path, "[env]\nprod = 3\n[env.test]\nmemory = 256\n")
    with pytest.raises(UsageError) as caught:
        load(tmp_path, {}, {}, "prod")
    assert caught.value.hint == "There are: test."


def test_derived_values() -> None:
    settings = Settings(image_name="img", timeout=20)
    assert settings.repository == "img"
    assert settings.queue_visibility == 120
    assert Settings(timeout=1).queue_visibility == 30
    assert Settings(visibility_timeout=60).queue_visibility == 60
    assert Settings(architecture="arm64").platform == "linux/arm64"


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(name=st.sampled_from(sorted(FIELDS)), value=VALUES)
def test_any_value_is_taken_or_refused_in_one_sentence(name: str, value: Any) -> None:
    try:
        load(Path("/nonexistent"), {name: value}, {})
    except LambdaimgError as error:
        assert error.exit_status == 2
        assert error.message.startswith(name) or name in error.message


@given(text=st.text())
def test_any_file_is_taken_or_refused(text: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("settings")
    (folder / "lambdaimg.toml").write_text(text, encoding="utf-8", errors="surrogatepass")
    try:
        load(folder, {}, {})
    except LambdaimgError as error:
        assert error.exit_status == 2
