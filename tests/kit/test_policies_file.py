"""The policies file: what is a policy, and what is refused with file, line and text."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdaimg.errors import ProjectError
from lambdaimg.policies import ARN, may_read_queues, parse, read
from lambdaimg.share import path

BASIC = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
OWN = "arn:aws-cn:iam::123456789012:policy/team/own"


def test_comments_blank_lines_and_repetitions() -> None:
    text = f"\ufeff# head\n\n  {BASIC}  # why\n\t\n{OWN}#x\r\n{BASIC}\n"
    assert [(p.arn, p.line) for p in parse(text, "policies")] == [(BASIC, 3), (OWN, 5)]


@pytest.mark.parametrize("partition", ["aws", "aws-cn", "aws-us-gov", "aws-iso-b"])
def test_every_partition(partition: str) -> None:
    arn = f"arn:{partition}:iam::aws:policy/AmazonS3ReadOnlyAccess"
    assert [p.arn for p in parse(arn, "policies")] == [arn]


@pytest.mark.parametrize(
    "line",
    [
        "AmazonS3ReadOnlyAccess",
        "arn:aws:iam::aws:role/x",
        "arn:aws:iam::12:policy/x",
        "arn:aws:iam::aws:policy/",
        f"{BASIC} {OWN}",
    ],
)
def test_a_malformed_line_is_named(line: str) -> None:
    with pytest.raises(ProjectError) as caught:
        parse(f"{BASIC}\n\n{line}  # why\n", "policies")
    assert caught.value.message.startswith("policies, line 3: ")
    assert line in caught.value.message
    assert caught.value.exit_status == 2


@given(text=st.text())
def test_any_text_is_parsed_or_refused(text: str) -> None:
    try:
        found = parse(text, "policies")
    except ProjectError as error:
        assert error.details["line"] >= 1
    else:
        assert all(ARN.fullmatch(policy.arn) for policy in found)


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="no policies file policies"):
        read(tmp_path / "policies")


def test_the_shipped_file_has_the_basic_policy_on_and_others_to_choose() -> None:
    shipped = path("policies")
    assert [p.arn for p in read(shipped)] == [BASIC]
    commented = [line for line in shipped.read_text().splitlines() if re.match(r"#\s*arn:", line)]
    assert len(commented) >= 4
    assert any("SQSQueueExecutionRole" in line for line in commented)


def test_which_policies_let_a_function_read_queues() -> None:
    sqs = "arn:aws:iam::aws:policy/service-role/AWSLambdaSQSQueueExecutionRole"
    assert not may_read_queues(parse(BASIC, "policies"))
    assert may_read_queues(parse(sqs, "policies"))
    assert may_read_queues(parse(OWN, "policies"))
