"""The translation of AWS's errors: every row is reached, nothing foreign gets through."""

from __future__ import annotations

import errno
import importlib.util
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import botocore.exceptions
import botocore.parsers
import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from lambdaimg import os_errors
from lambdaimg.aws.client_errors import CLIENT_ROWS, NO_ANSWER
from lambdaimg.aws.error_table import ROWS, Row
from lambdaimg.aws.errors import find_row, is_lost, is_throttled, translate
from lambdaimg.commands.invoke import MAX_ASYNC_BYTES, MAX_SYNC_BYTES
from lambdaimg.errors import AwsError, LambdaimgError, MachineError, ResourceGoneError
from lambdaimg.targets import TABLE

ROOT = Path(__file__).resolve().parents[2]
# A message that AWS is known to give, for the rows that look at it.
SAID = {
    r"iam:PassRole": "User: x is not authorized to perform: iam:PassRole on resource: y",
    r"[Pp]olicy .*": "Policy arn:aws:iam::aws:policy/x does not exist or is not attachable.",
    r"role defined": "The role defined for the function cannot be assumed by Lambda.",
    r"[Ss]ource image": "Source image x does not exist. Provide a valid source image.",
    r"Lambda does not": "Lambda does not have permission to access the ECR image.",
    r"image manifest": "The image manifest, config or layer media type is not supported.",
    r"execution role": "The provided execution role does not have permissions to call "
    "ReceiveMessage on SQS",
    r"[Vv]isibility": "Queue visibility timeout: 1 seconds is less than Function timeout: 3",
    r"in progress": "An update is in progress for resource: x",
    r"[Ff]unction": "Function not found: arn:aws:lambda:us-east-1:1:function:f",
}


def answer(code: str, message: str = "a & b", status: int = 400) -> ClientError:
    response = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"RequestId": "r-1", "HTTPStatusCode": status},
    }
    return ClientError(response, "SomeOperation")


def said_by(row: Row) -> str:
    if not row.says:
        return "a & b"
    return next(text for start, text in SAID.items() if row.says.startswith(start))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.code}:{row.says}"[:60])
def test_every_row_is_reached(row: Row) -> None:
    for code in row.code.split("|"):
        assert find_row(code, said_by(row)) is row, "an earlier row takes it"
        told = translate(answer(code, said_by(row)), "eu-west-1")
        assert type(told) is row.kind
        assert told.hint == row.hint
        assert "{" not in told.message
        assert (told.details["aws_code"], told.details["request_id"]) == (code, "r-1")


@pytest.mark.parametrize("row", [*ROWS, *CLIENT_ROWS.values()], ids=lambda row: row.message[:50])
def test_every_row_says_what_to_do(row: Row) -> None:
    assert row.hint.endswith((".", ")"))
    assert not row.message.endswith("!")


def test_rows_of_what_is_gone_name_a_target() -> None:
    named = {row.gone for row in ROWS if row.gone}
    assert named <= set(TABLE)
    assert all(row.gone for row in ROWS if issubclass(row.kind, ResourceGoneError))


def test_the_limits_of_a_payload_are_those_that_invoke_keeps() -> None:
    row = find_row("RequestTooLargeException", "")
    assert row is not None
    assert (
        f"{MAX_SYNC_BYTES >> 20} MB, and {MAX_ASYNC_BYTES >> 20} MB asynchronously" in row.message
    )


def test_an_unknown_answer_keeps_its_code_message_and_request_id() -> None:
    told = translate(answer("BrandNewException", "AWS's own words"))
    assert type(told) is AwsError
    assert told.message == "AWS refused SomeOperation: BrandNewException: AWS's own words"
    assert "r-1" in told.hint


@pytest.mark.parametrize("name", CLIENT_ROWS)
def test_the_clients_own_exceptions_exist(name: str) -> None:
    assert hasattr(botocore.exceptions, name) or hasattr(botocore.parsers, name)


def every_botocore_exception() -> list[type[Exception]]:
    kinds = [kind for kind in vars(botocore.exceptions).values() if isinstance(kind, type)]
    return [kind for kind in kinds if issubclass(kind, botocore.exceptions.BotoCoreError)]


@pytest.mark.parametrize("kind", every_botocore_exception(), ids=lambda kind: kind.__name__)
def test_every_exception_of_botocore_is_one_sentence(kind: type[Exception]) -> None:
    fields = re.findall(r"\{(\w+)", getattr(kind, "fmt", ""))
    more = {"last_response": {}} if kind is botocore.exceptions.WaiterError else {}
    error = kind(**{field: field for field in fields}, **more)
    told = translate(error)
    assert isinstance(told, LambdaimgError)
    assert "\n" not in told.message


def test_others_exceptions_are_not_ours() -> None:
    assert translate(ValueError("x")) is None
    assert translate(OSError(errno.ENOSPC, "full")) is None


@pytest.mark.parametrize(
    ("error", "lost"),
    [
        (answer("InternalFailure", status=500), True),
        (answer("ServiceUnavailable", status=503), True),
        (answer("AccessDenied", status=403), False),
        (botocore.exceptions.ConnectionClosedError(endpoint_url="x"), True),
        (botocore.exceptions.ReadTimeoutError(endpoint_url="x"), True),
        (botocore.exceptions.EndpointConnectionError(endpoint_url="x"), True),
        (botocore.exceptions.IncompleteReadError(actual_bytes=1, expected_bytes=2), True),
        (botocore.parsers.ResponseParserError("x"), True),
        (botocore.exceptions.NoCredentialsError(), False),
        (ValueError("x"), False),
    ],
)
def test_whether_nobody_knows_if_it_was_done(error: Exception, lost: bool) -> None:
    assert is_lost(error) is lost


def test_the_names_of_lost_answers_exist() -> None:
    for name in NO_ANSWER:
        assert hasattr(botocore.exceptions, name) or hasattr(botocore.parsers, name)


def test_throttling() -> None:
    assert is_throttled(answer("ThrottlingException"))
    assert not is_throttled(answer("AccessDenied"))


# --- the operating system -------------------------------------------------------------------------


@pytest.mark.parametrize("row", os_errors.ROWS, ids=lambda row: row.names[0])
def test_errors_of_the_operating_system(row: os_errors.Row) -> None:
    for name in row.names:
        number = getattr(errno, name)
        told = os_errors.translate(OSError(number, "why", "some/file"))
        assert isinstance(told, MachineError)
        assert told.message == row.message.format(file="some/file", why="why")
        assert told.details["errno"] == name
        assert told.hint


def test_an_unknown_error_of_the_operating_system_keeps_its_words() -> None:
    told = os_errors.translate(OSError(errno.EXDEV, "crossing", "f"))
    assert told.message == "The operating system refused: crossing (f)."
    assert os_errors.translate(OSError("just words")).message.startswith("The operating system")


@given(code=st.text(max_size=30), message=st.text(max_size=200), operation=st.text(max_size=20))
def test_any_answer_becomes_a_sentence(code: str, message: str, operation: str) -> None:
    response: Any = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {}}
    told = translate(ClientError(response, operation))
    assert isinstance(told, LambdaimgError)
    assert "\n" not in told.message


# --- the page -------------------------------------------------------------------------------------


def script() -> ModuleType:
    path = ROOT / "scripts" / "errors_page.py"
    spec = importlib.util.spec_from_file_location("errors_page", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_of_errors_is_fresh_and_long_enough() -> None:
    module = script()
    assert module.PAGE.read_text() == module.page(), "run: make docs"
    rows = [line for line in module.page().splitlines() if line.startswith("| ")]
    assert len(rows) - 2 * 5 >= 40
    assert module.main(["--check"]) == 0
