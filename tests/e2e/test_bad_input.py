"""Wrong input ends in one sentence, a hint, the right exit status, and nothing half done."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.conftest import Project
from tests.support.commandline import CommandLine, Result
from tests.support.endpoint import AwsEndpoint


def refused(result: Result, status: int, *says: str) -> None:
    """Asserts one clear sentence with what it must say, and no traceback."""
    assert result.status == status, result.stderr
    assert "lambdaimg/cli.py" not in result.stderr + result.stdout, "a traceback of the kit's"
    lines = result.stderr.splitlines()
    errors = [line for line in lines if line.startswith("error: ")]
    assert len(errors) == 1, result.stderr
    hints = [line for line in lines if line.startswith("  ") and line.endswith((".", "?"))]
    assert hints, f"no hint: {result.stderr}"
    for text in says:
        assert text in result.stderr


def nothing_made(project: Project) -> None:
    """Asserts that the run left nothing at AWS."""
    functions = project.aws.client("lambda").list_functions()["Functions"]
    assert project.name not in {function["FunctionName"] for function in functions}
    roles = {role["RoleName"] for role in project.aws.client("iam").list_roles()["Roles"]}
    assert f"{project.name}-role" not in roles
    repositories = project.aws.client("ecr").describe_repositories()["repositories"]
    assert project.name not in {repository["repositoryName"] for repository in repositories}


def test_a_malformed_policies_line(project: Project) -> None:
    (project.folder / "policies").write_text("# head\nAmazonS3ReadOnlyAccess\n")
    refused(project("lambda-function"), 2, "policies, line 2", "AmazonS3ReadOnlyAccess")
    nothing_made(project)


@pytest.mark.parametrize("missing", ["Dockerfile", "handler"])
def test_a_missing_file(project: Project, missing: str) -> None:
    name = project.module if missing == "handler" else missing
    (project.folder / name).unlink()
    refused(project("lambda-function"), 2, name)
    nothing_made(project)


def test_payloads(project: Project) -> None:
    (project.folder / "payload.json").unlink()
    refused(project("invoke"), 2, "no payload payload.json")
    (project.folder / "payload.json").write_text("{nope}")
    refused(project("invoke"), 2, "payload.json is not JSON", "line 1, column 2")
    refused(project("invoke", "--json-payload", "{"), 2, "--json-payload is not JSON")
    refused(project("invoke", "--event", "nonsense"), 2, "no sample event nonsense", "sqs")
    both = project("invoke", "--json-payload", "1", "--event", "sqs")
    refused(both, 2, "one of --payload, --json-payload and --event")


def test_a_setting_out_of_range(project: Project) -> None:
    refused(project("lambda-sqs-trigger", "--batch-size", "0"), 2, "batch_size", "--batch-size")
    nothing_made(project)


def test_a_function_that_is_not_there(project: Project) -> None:
    refused(project("invoke"), 1, f"no function {project.name}", "lambda-function")


def test_no_engine(project: Project) -> None:
    result = project("image", DOCKER_HOST="unix:///nonexistent/docker.sock")
    refused(result, 1, "does not answer", "Start Docker")
    result = project("lambda-function", DOCKER_HOST="unix:///nonexistent/docker.sock")
    refused(result, 1, "does not answer", "Start Docker")
    nothing_made(project)


def test_no_credentials(project: Project) -> None:
    result = project.command("ecr-repo", AWS_ENDPOINT_URL=project.aws.url)
    refused(result, 1, "no AWS credentials", "--local")


def test_an_endpoint_that_is_no_address(project: Project) -> None:
    result = project.command("--region", "eu-west-1", "invoke", AWS_ACCESS_KEY_ID="a",
                             AWS_SECRET_ACCESS_KEY="b", AWS_ENDPOINT_URL="blah")  # fmt: skip
    refused(result, 2, "Invalid endpoint: blah", "AWS_ENDPOINT_URL")
    assert "fault of lambdaimg" not in result.stderr


def test_an_unknown_region_and_profile(project: Project) -> None:
    aws = project.aws.variables
    moon = project.command("ecr-repo", "--region", "moon-east-1", **aws)
    refused(moon, 2, "region moon-east-1")
    nobody = project.command("ecr-repo", "--profile", "nobody", **aws)
    refused(nobody, 2, "profile", "nobody")


@pytest.mark.parametrize(
    "lines",
    ["credential_process = echo nonsense", "credential_process = /no/such/program",
     "role_arn = arn:aws:iam::123456789012:role/x\nweb_identity_token_file = /no/such/token"],
)  # fmt: skip
def test_a_profile_that_leads_to_no_credentials(project: Project, lines: str) -> None:
    config = project.folder / "aws-config"
    config.write_text(f"[default]\n{lines}\n")
    result = project.command("ecr-repo", AWS_CONFIG_FILE=str(config))
    refused(result, 1, "credentials could not be fetched", "credential_process")


@pytest.mark.parametrize("endpoint", ["localhost:4566", "nonsense", "http://"])
def test_an_endpoint_that_is_none(project: Project, endpoint: str) -> None:
    variables = {**project.aws.variables, "AWS_ENDPOINT_URL": endpoint}
    refused(project.command("ecr-repo", **variables), 2, endpoint, "AWS_ENDPOINT_URL")


def test_a_dockerfile_that_fails(project: Project) -> None:
    dockerfile = project.folder / "Dockerfile"
    dockerfile.write_text("FROM debian:trixie-slim\n\n# why\nRUN echo telling words; exit 7\n")
    result = project("lambda-function")
    refused(result, 1, "line 4", "telling words", "7")
    functions = project.aws.client("lambda").list_functions()["Functions"]
    assert project.name not in {function["FunctionName"] for function in functions}


def test_handlers_that_fail(project: Project) -> None:
    (project.folder / project.module).write_text(
        "import os, time\n"
        "def handler(event, context):\n"
        "    if event == 'raise':\n"
        "        raise LookupError('not on the shelf')\n"
        "    if event == 'exit':\n"
        "        os._exit(9)\n"
        "    if event == 'sleep':\n"
        "        time.sleep(60)\n"
        "    return 'fine'\n"
    )
    project.set("timeout", "timeout = 2")
    project("lambda-function").ok()
    raised = project("invoke", "--json-payload", '"raise"')
    refused(raised, 3, "LookupError", "not on the shelf", project.module)
    refused(project("invoke", "--json-payload", '"exit"'), 3, "The function failed")
    refused(project("invoke", "--json-payload", '"sleep"'), 3, "imed out")
    assert project("invoke", "--json-payload", '"well"').ok().json() == "fine"
    document = project("invoke", "--json-payload", '"raise"', "--json")
    assert document.status == 3
    assert document.json()["error"]["code"] == "FunctionFailed"
    assert document.json()["result"]["payload"]["errorType"] == "LookupError"


def test_outside_a_project(tmp_path: Path, aws_local: AwsEndpoint) -> None:
    command = CommandLine(tmp_path)
    refused(command("--local", "lambda-function"), 2, "Dockerfile", "lambdaimg init")
    unknown = command("lamda-function")
    assert unknown.status == 2
    assert "lambda-function" in unknown.stderr
    assert command("show", "nonsense").status == 2
