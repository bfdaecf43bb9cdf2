"""What the languages that stream keep to."""

from __future__ import annotations

import json
from collections.abc import Callable

from tests.languages.contract import Contract, do, error_of
from tests.languages.language import Rie, Served
from tests.languages.scripted_api import Event
from tests.languages.wire import Play

HTTP = "application/vnd.awslambda.http-integration-response"


class StreamingContract(Contract):
    """Inherited by the classes of languages that stream, and that keep their variables."""

    def test_state_lives_on(self, pool: Served) -> None:
        first, second = (int(pool.invoke(do("count")).payload) for _ in range(2))
        assert second == first + 1

    def test_text_goes_out_as_utf8(self, pool: Served) -> None:
        assert pool.invoke(do("text")).payload == '"Grüße"'.encode()

    def test_a_result_that_is_0(self, pool: Served) -> None:
        assert pool.invoke(do("zero")).payload == b"0"

    def test_a_stream_comes_in_pieces(self, pool: Served) -> None:
        chunks: list[tuple[bytes, str]] = []
        outcome = pool.invoke(do("stream"), on_chunk=lambda *chunk: chunks.append(chunk))
        assert not outcome.function_error
        assert (
            b"".join(data for data, _ in chunks)
            == "".join(f"piece {n} ü\n" for n in (1, 2, 3)).encode()
        )
        types = {kind for _, kind in chunks}
        assert types == {
            "application/octet-stream" if self.language.name == "php" else "text/plain"
        }

    def test_a_stream_can_answer_http(self, pool: Served) -> None:
        outcome = pool.invoke(do("stream_http"))
        prelude, nulls, body = outcome.payload.partition(b"\0" * 8)
        assert outcome.content_type == HTTP
        assert json.loads(prelude) == {
            "statusCode": 201,
            "headers": {"Content-Type": "text/html"},
            "cookies": ["a=1"],
        }
        assert (len(nulls), body) == (8, b"<p>")

    def test_a_failure_after_the_first_byte_is_told_behind_it(self, pool: Served) -> None:
        chunks: list[bytes] = []
        outcome = pool.invoke(do("stream_fail"), on_chunk=lambda data, _: chunks.append(data))
        assert b"".join(chunks) == b"first"
        assert outcome.error_type == "Function.Broke"
        assert error_of(outcome)["errorMessage"] == "half-way"
        assert not pool.invoke(b"{}").function_error

    def test_a_long_failure_after_the_first_byte_is_shortened(
        self, pool: Served, rie: Callable[..., Rie]
    ) -> None:
        """Trailers beyond 4 KB lose the whole response."""
        told = error_of(pool.invoke(do("stream_long")))
        assert told["errorType"] == "Broke"
        assert told["errorMessage"].startswith("ééé")
        assert told["errorMessage"].endswith(" ...")
        if self.language.name != "cpp":
            assert "longer" in told["stackTrace"][0]
        theirs = rie(self.language.handler())
        assert theirs.invoke(do("stream_long")).payload == b"first"
        assert theirs.invoke(b"[7]").payload == b"[7]"

    def test_a_failure_before_it_is_an_ordinary_one(self, pool: Served) -> None:
        outcome = pool.invoke(do("stream_never"))
        assert not outcome.streamed
        assert error_of(outcome)["errorType"] == "Broke"

    def test_a_stream_of_nothing(self, pool: Served) -> None:
        outcome = pool.invoke(do("stream_nothing"))
        assert (outcome.payload, outcome.function_error) == (b"", "")

    def test_a_stream_after_a_connection_that_closed(self, play: Play) -> None:
        posted = play(Event(do("stream"), hang_up=True), Event(b"[7]"))
        assert [each.path for each in posted] == [
            "/invocation/request-1/response",
            "/invocation/request-2/response",
        ]
        assert posted[0].body.decode().endswith("piece 3 ü\n")
