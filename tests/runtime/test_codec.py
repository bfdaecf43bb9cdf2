"""Reading and writing JSON: against AWS's marshaller, and orjson against the standard library."""

from __future__ import annotations

import collections
import json
import math
import struct
import subprocess
import sys
from decimal import Decimal
from typing import Any

import pytest
from awslambdaric.lambda_runtime_marshaller import LambdaMarshaller
from hypothesis import given, settings
from hypothesis import strategies as st

from lambdaimg.runtime import codec_orjson
from lambdaimg.runtime.codec import Codec
from lambdaimg.runtime.faults import Fault
from tests.runtime.api import ROOT

Pair = collections.namedtuple("Pair", "left right")

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.text(alphabet=st.characters(categories=["Cs", "L"]))
)
KEYS = st.text() | st.integers() | st.booleans() | st.none() | st.floats(allow_nan=False)
ODD = SCALARS | st.decimals() | st.binary(max_size=8) | st.just(Ellipsis)


def nested(leaves: st.SearchStrategy[Any], keys: st.SearchStrategy[Any]) -> Any:
    return st.recursive(
        leaves,
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(keys, inner, max_size=4)
            | st.tuples(inner, inner)
            | st.builds(Pair, inner, inner)
        ),
        max_leaves=12,
    )


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def encoded(codec: Codec, value: Any) -> bytes | str:
    try:
        return codec.encode(value)
    except Fault as fault:
        return fault.type


def by_aws(value: Any) -> bytes | str:
    try:
        return LambdaMarshaller().marshal_response(value)[0].encode()
    except Exception as error:
        return error.exception_type


@given(nested(ODD, KEYS))
@settings(max_examples=400, deadline=None)
def test_results_are_written_as_by_aws(value: Any) -> None:
    if not isinstance(value, bytes):
        assert encoded(Codec(), value) == by_aws(value)


@given(JSON_VALUES, st.booleans())
@settings(max_examples=200, deadline=None)
def test_what_is_written_reads_back(value: Any, ascii_only: bool) -> None:
    codec = Codec(ascii_only)
    assert codec.decode(codec.encode(value)) == value


@given(st.text(alphabet='[]{}",:0123456789.eE+-truefalsn \\u\n'))
@settings(max_examples=400, deadline=None)
def test_texts_are_read_as_by_json_or_not_at_all(text: str) -> None:
    try:
        wanted = json.loads(text)
    except ValueError:
        with pytest.raises(Fault):
            Codec().decode(text.encode())
    else:
        assert repr(Codec().decode(text.encode())) == repr(wanted)


@given(nested(ODD, KEYS))
@settings(max_examples=400, deadline=None)
def test_orjson_writes_the_same_values_or_is_not_used(value: Any) -> None:
    try:
        text = codec_orjson.encode(value)
    except (TypeError, ValueError):
        return
    assert json.loads(text) == json.loads(Codec().encode(value))


@given(st.integers() | st.lists(st.integers()) | st.floats(allow_nan=False) | JSON_VALUES)
@settings(max_examples=400, deadline=None)
def test_orjson_reads_the_same_values_or_is_not_used(value: Any) -> None:
    text = json.dumps(value).encode()
    try:
        read = codec_orjson.decode(text)
    except ValueError:
        return
    assert repr(read) == repr(json.loads(text))


@pytest.mark.parametrize("digits", range(17, 45))
@pytest.mark.parametrize("offset", range(11))
def test_orjson_reads_no_number_that_it_would_round(digits: int, offset: int) -> None:
    number = int("9" * digits)
    text = json.dumps([" " * offset, number]).encode()
    try:
        read = codec_orjson.decode(text)[1]
    except ValueError:
        read = number
    assert (read, type(read)) == (number, int)


ODD_NAN = struct.unpack("<d", b"\1\2\3\4\5\6\xf1\xff")[0]


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf, -math.nan, ODD_NAN])
def test_orjson_makes_no_null_of_a_number(number: float) -> None:
    for value in (number, [number], {"n": [None, {"deep": number}]}, [0.5, number] * 3):
        with pytest.raises(ValueError):
            codec_orjson.encode(value)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False) | st.none() | st.integers()))
@settings(max_examples=300, deadline=None)
def test_orjson_is_used_for_numbers_and_nulls(value: list[Any]) -> None:
    if all(one is None or isinstance(one, float) or abs(one) < 2**63 for one in value):
        assert json.loads(codec_orjson.encode(value)) == value


def test_orjson_is_in_use_after_a_large_event() -> None:
    codec = Codec()
    event = {"text": "x" * 5000}
    assert codec.encode(codec.decode(codec.encode(event))) == b'{"text":"' + b"x" * 5000 + b'"}'


def test_a_lone_surrogate_is_escaped_where_letters_are_not() -> None:
    assert Codec(ascii_only=False).encode("é\ud800") == b'"\\u00e9\\ud800"'
    assert Codec(ascii_only=False).encode("é") == '"é"'.encode()


def test_decimals_keep_all_their_digits() -> None:
    value = {"price": Decimal("1.10"), "text": "1.10", "large": Decimal("1" + "0" * 30)}
    assert Codec().encode(value) == (
        b'{"price": 1.10, "text": "1.10", "large": 1000000000000000000000000000000}'
    )


LATE_CLASSES = """
import sys
from lambdaimg.runtime.codec import Codec
codec = Codec()
wide = {"pad": "x" * 5000, "items": [1, (2, 3)]}
before = codec.encode(wide)
assert "collections" not in sys.modules

class Base(tuple):
    pass

class Named(Base):
    def _asdict(self):
        return {"a": self[0]}

class Mapped(dict):
    def _asdict(self):
        return {"mapped": True}

after = codec.encode({**wide, "items": [Named((1, 2)), Mapped()]})
for text in (before, after):
    print(text.decode().partition('"items": ')[2])
"""


def test_named_tuples_are_seen_in_large_results_whenever_their_class_was_made() -> None:
    done = subprocess.run(
        [sys.executable, "-S", "-c", LATE_CLASSES],
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == ["[1, [2, 3]]}", '[{"a": 1}, {"mapped": true}]}']


def test_the_depth_that_json_takes_is_taken() -> None:
    value: list[Any] = []
    for _ in range(sys.getrecursionlimit() // 3):
        value = [value]
    assert Codec().decode(Codec().encode(value)) == value
