"""What is hidden of a secret, however others repeat it."""

from __future__ import annotations

import json

import pytest

from lambdaimg.secrets import hider, secret_values, spellings, tells
from lambdaimg.settings import Settings

KEY = "-----BEGIN KEY-----\nMIIabcdefgh+/==\nzyxwvut\n-----END KEY-----\n"
VALUES = [KEY, 'pass "word"\\one', "grüße  aus\tnirgends", "hunter2"]


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize(
    "repeated",
    [str, repr, json.dumps, lambda value: " ".join(value.split()), lambda value: f"A={value};"],
    ids=["plain", "repr", "json", "one line", "beside other characters"],
)
def test_a_value_is_hidden_however_it_is_repeated(value: str, repeated: object) -> None:
    assert callable(repeated)
    text = f"it says {repeated(value)}: no"
    hidden = hider(spellings(value))(text)
    assert "***" in hidden
    for word in (word for word in value.replace('"', " ").split() if len(word) > 5):
        assert word not in hidden
    assert tells({"a": [1, text]}, spellings(value))


def test_each_line_of_a_value_is_hidden_where_it_stands_alone() -> None:
    hide = hider(spellings(KEY))
    assert [hide(f"  {line}") for line in KEY.splitlines()] == ["  ***"] * 4


def test_what_holds_no_secret_stays() -> None:
    text = "the key is MIIx, hunter22 and x-amz-security-token"
    assert hider(VALUES)(text) == hider([])(text) == text
    assert not tells({"a": ["hunter", 1, None]}, VALUES)


def test_what_everybody_may_read_is_no_secret() -> None:
    both = Settings(environment={"A": "hello-lambda\nhunter2", "B": "short"})
    found = secret_values(both, {"AWS_SESSION_TOKEN": "token-of-mine"})
    assert {"hunter2", "token-of-mine"} < found
    assert not {"hello-lambda", "short"} & found


@pytest.mark.parametrize("values", [[], VALUES])
def test_a_session_token_that_aws_repeats_is_hidden(values: list[str]) -> None:
    said = "'POST / host:x X-Amz-Security-Token:IQoJb3JpZ2lu/+== host;x-amz-security-token abc'"
    assert hider(values)(said) == said.replace("IQoJb3JpZ2lu/+==", "***")
