"""The one translation of botocore's exceptions into `lambdaimg.errors`.

`error_table` and `client_errors` say what an error becomes. One that no row fits keeps AWS's code,
message and request id.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from lambdaimg.aws.client_errors import CLIENT_ROWS, NO_ANSWER
from lambdaimg.aws.error_table import ROWS, THROTTLED, Row
from lambdaimg.errors import AwsError, LambdaimgError


def code_of(error: Exception) -> str:
    """The AWS error code of a botocore ClientError; '' for anything else."""
    response = getattr(error, "response", None)
    if not isinstance(response, dict):
        return ""
    return str(response.get("Error", {}).get("Code", ""))


def message_of(error: Exception) -> str:
    """AWS's message of a ClientError, else the exception's own text; one line."""
    response = getattr(error, "response", None)
    text = response.get("Error", {}).get("Message", "") if isinstance(response, dict) else ""
    return _one_line(text or error)


def _one_line(text: object) -> str:
    return " ".join(str(text).split())


def is_code(error: Exception, *codes: str) -> bool:
    """Whether AWS answered with one of these codes."""
    return code_of(error) in codes


def says(error: Exception, pattern: str) -> bool:
    """Whether AWS's message matches `pattern`."""
    return re.search(pattern, message_of(error)) is not None


def is_throttled(error: Exception) -> bool:
    """Whether AWS refused since there are too many requests."""
    return is_code(error, *THROTTLED)


def is_lost(error: Exception) -> bool:
    """Whether nobody knows if AWS did what was asked: no answer, or a fault of its own."""
    response = getattr(error, "response", None)
    if isinstance(response, dict) and code_of(error):
        return int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)) >= 500
    return any(kind.__name__ in NO_ANSWER for kind in type(error).__mro__)


def find_row(code: str, message: str) -> Row | None:
    """The first row that fits."""
    for row in ROWS:
        if code in row.code.split("|") and (not row.says or re.search(row.says, message)):
            return row
    return None


def translate(error: Exception, region: str = "") -> LambdaimgError | None:
    """A botocore exception as one of ours; None for an exception that is not botocore's."""
    if not type(error).__module__.startswith(("botocore", "boto3")):
        return None
    if code_of(error):
        return _from_answer(error, region)
    facts = {"message": message_of(error), "operation": "", "region": region}
    for kind in type(error).__mro__:
        if kind.__name__ in CLIENT_ROWS:
            return _made(CLIENT_ROWS[kind.__name__], facts, exception=type(error).__name__)
    return AwsError(f"{type(error).__name__}: {facts['message']}")


def _from_answer(error: Exception, region: str) -> LambdaimgError:
    response: Mapping[str, Any] = error.response  # type: ignore[attr-defined]
    code, message = _one_line(code_of(error)), message_of(error)
    operation = _one_line(getattr(error, "operation_name", ""))
    metadata = response.get("ResponseMetadata", {})
    details = {
        "aws_code": code,
        "aws_message": message,
        "operation": operation,
        "request_id": str(metadata.get("RequestId", "")),
    }
    facts = {"message": message, "operation": operation, "region": region}
    row = find_row(code, message)
    if row is None:
        return AwsError(
            f"AWS refused {operation}: {code}: {message}",
            hint=f"Request id {details['request_id']}." if details["request_id"] else "",
            **details,
        )
    if row.gone:
        details["target"] = row.gone
    return _made(row, facts, **details)


def _made(row: Row, facts: Mapping[str, str], **details: str) -> LambdaimgError:
    return row.kind(row.message.format(**facts), row.hint, **details)
