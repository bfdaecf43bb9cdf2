"""The PHP runtime."""

from __future__ import annotations

import json

from tests.languages.conftest import Serve
from tests.languages.contract import do, error_of
from tests.languages.foreign import ForeignContract
from tests.languages.language import PHP, Served
from tests.languages.streaming import StreamingContract
from tests.languages.wire import WireContract


class TestPhp(WireContract, ForeignContract, StreamingContract):
    language = PHP

    def test_what_is_printed_follows_the_result(self, pool: Served) -> None:
        assert pool.invoke(do("print")).payload == b"[1][2]"
        assert pool.invoke(do("print_only")).payload == b'"printed"'
        assert pool.invoke(do("nothing")).payload == b"null"

    def test_warnings_go_to_the_log(self, pool: Served) -> None:
        assert pool.invoke(do("warn")).payload == b'"survived"'
        pool.logged("Undefined variable $alsoUndefined")

    def test_a_fatal_error_is_told(self, pool: Served) -> None:
        told = error_of(pool.invoke(do("fatal")))
        assert told["errorType"] == "FatalError"
        assert "Allowed memory size" in told["errorMessage"]
        assert not pool.invoke(b"{}").function_error

    def test_a_result_that_cannot_be_json(self, pool: Served) -> None:
        assert error_of(pool.invoke(do("code")))["errorType"] == "Runtime.MarshalError"

    def test_an_event_that_is_no_json(self, pool: Served) -> None:
        assert error_of(pool.invoke(b"{"))["errorType"] == "Runtime.UnmarshalError"

    def test_an_event_of_another_type_comes_as_bytes(self, pool: Served) -> None:
        assert json.loads(pool.invoke(b"<xml/>", content_type="text/xml").payload) == "<xml/>"

    def test_variables_of_the_file_are_global(self, pool: Served) -> None:
        (first, others), (second, _) = (
            json.loads(pool.invoke(do("global")).payload) for _ in range(2)
        )
        assert first.startswith("orders!")
        assert second == first + "!"
        # Nothing of the runtime's own is in a function's way.
        assert {"name", "value", "file", "address"}.isdisjoint(others)

    def test_a_static_method_will_do(self, serve: Serve) -> None:
        assert json.loads(serve("cases.Shop::order").invoke(b"[1]").payload) == {"static": [1]}

    def test_what_loading_throws_is_an_init_error(self, serve: Serve) -> None:
        told = self.init_error(serve("dying.handler"), "DomainException")
        assert told["errorMessage"] == "there is no table"
