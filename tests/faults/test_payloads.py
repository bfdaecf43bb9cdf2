"""Any bytes as a payload: sent as they are, or refused in one sentence."""

from __future__ import annotations

import json

from hypothesis import example, given
from hypothesis import strategies as st

from lambdaimg.commands.invoke import checked
from lambdaimg.errors import ProjectError

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode()))
@example(b"\xff\xfe[]")
@example(b"\xef\xbb\xbf{}")
@example(b"[" * 100_000)
@example(b"1" * 10_000)
@example(b'{"a": NaN}')
@example(b"")
def test_any_bytes_are_json_or_refused(data: bytes) -> None:
    try:
        sent = checked(data, "payload.json")
    except ProjectError as error:
        assert error.message.startswith("payload.json is not JSON")
        assert "\n" not in error.message
        assert error.exit_status == 2
    else:
        assert sent == data
        json.loads(sent, parse_int=str)


@given(JSON)
def test_every_json_document_is_sent_as_it_stands(document: object) -> None:
    data = json.dumps(document).encode()
    assert checked(data, "payload.json") == data
