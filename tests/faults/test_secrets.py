"""No secret in a record, a message, a log, the process list, a label or Docker's configuration."""

from __future__ import annotations

import base64
import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.kit import Kit, Project
from tests.support.faults import ALWAYS, AwsFailure, Do, Side

VARIABLE = "hunter2-of-the-variable"
ARGUMENT = "hunter3-of-the-build"
KEY = "hunter4-of-the-account"
SECRETS = (VARIABLE, ARGUMENT, KEY)
LOUD = ("--debug", "--verbose")


@pytest.fixture
def project(kit: Kit) -> Project:
    """A project with a secret of each kind."""
    made = kit.project(environment=f'{{PASSWORD = "{VARIABLE}", MODE = "plain"}}')
    made.write(build_args=f'{{TOKEN = "{ARGUMENT}"}}')
    dockerfile = made.folder / "Dockerfile"
    dockerfile.write_text('FROM scratch\nARG TOKEN\nCOPY handler /\nCMD ["/handler"]\n')
    return made


@pytest.fixture
def env() -> dict[str, str]:
    """Credentials whose secret key would show."""
    return {"AWS_SECRET_ACCESS_KEY": KEY}


def files(folder: Path) -> Iterator[Path]:
    """Every file below a folder."""
    yield from (path for path in folder.rglob("*") if path.is_file())


def told(*texts: str) -> list[str]:
    """The secrets that some texts tell."""
    return [secret for secret in SECRETS if any(secret in text for text in texts)]


def test_nothing_that_is_written_or_said_tells_a_secret(
    project: Project, env: dict[str, str]
) -> None:
    ended = project.run("lambda-function", *LOUD, env=env).ok()
    again = project.run("lambda-function", *LOUD, "--json", env=env).ok()
    shown = [project.run(*words, env=env) for words in
             (("status", "--verify"), ("diff",), ("settings",), ("check",))]  # fmt: skip
    assert told(*(text for run in (ended, again, *shown) for text in (run.out, run.err))) == []
    assert "lambda.CreateFunction  201" in ended.err
    token = project.kit.client("ecr").get_authorization_token()["authorizationData"][0]
    password = base64.b64decode(token["authorizationToken"]).decode().partition(":")[2]
    for path in files(project.folder / ".lambdaimg"):
        text = path.read_text()
        assert told(text) == [], path
        assert password not in text
        private = path.name == ".gitignore" or stat.S_IMODE(path.stat().st_mode) == 0o600
        assert private, path
    docker = Path(os.environ["DOCKER_CONFIG"])
    assert [path for path in files(docker) if password in path.read_text("utf-8", "replace")] == []


def test_an_image_has_no_secret_in_its_labels(project: Project, env: dict[str, str]) -> None:
    project.run("image", env=env).ok()
    (name,) = project.names_in_engine()
    attributes = project.kit.engine.images.get(name).attrs
    assert told(json.dumps(attributes["Config"])) == []


def test_nobody_sees_a_secret_in_the_process_list(project: Project, env: dict[str, str]) -> None:
    seen: list[str] = []

    def look() -> None:
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                seen.append(path.read_bytes().decode("utf-8", "replace"))
            except OSError:
                continue  # the process has ended

    rule = project.kit.docker_proxy.inject("docker.POST /build", Do(look, Side.MIDDLE))
    project.run("image", env=env)
    assert rule.struck
    assert told(*seen) == []


@pytest.mark.parametrize("as_json", [False, True], ids=["text", "json"])
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            "lambda.CreateFunction",
            f"1 validation error detected: Value '{{PASSWORD={VARIABLE}}}' at 'environment' failed",
        ),
        ("ecr.DescribeRepositories", f"the key {KEY} does not fit"),
        ("iam.GetRole", f"{ARGUMENT}: no"),
    ],
)
def test_a_secret_that_aws_repeats_is_hidden(
    project: Project, env: dict[str, str], call: str, message: str, as_json: bool
) -> None:
    failure = AwsFailure("ValidationException", message)
    project.kit.aws_proxy.inject(call, failure, times=ALWAYS)
    ended = project.run("lambda-function", *LOUD, *(["--json"] if as_json else []), env=env)
    assert ended.status in (1, 2)
    assert "***" in ended.err
    assert told(ended.out, ended.err) == []
    assert "Traceback" in ended.err, "--debug shows it"
