"""The bash runtime."""

from __future__ import annotations

import json

from tests.languages.conftest import Serve
from tests.languages.contract import Contract, do, error_of
from tests.languages.foreign import ForeignContract
from tests.languages.language import BASH, Served
from tests.languages.wire import Play, WireContract
from tests.support.commandline import CommandLine


class TestBash(WireContract, ForeignContract, Contract):
    language = BASH

    def test_a_variable_that_is_not_set(self, pool: Served) -> None:
        assert error_of(pool.invoke(do("unset")))["errorType"] == "UnboundVariable"
        pool.logged("nothing_of_that_name: unbound variable")

    def test_a_status_other_than_0(self, pool: Served) -> None:
        told = error_of(pool.invoke(do("status")))
        assert told["errorMessage"] == "the handler ended with status 5: return 5"

    def test_set_e_names_the_command(self, pool: Served) -> None:
        told = error_of(pool.invoke(do("fail")))
        assert told["errorMessage"] == "the handler ended with status 2: ls /nonexistent"
        assert [frame.split(" at ")[0] for frame in told["stackTrace"]] == [
            "deeper",
            "do_fail",
            "handler",
        ]

    def test_what_a_failed_handler_printed_is_logged(self, pool: Served) -> None:
        assert error_of(pool.invoke(do("partial")))["errorType"] == "Error"
        pool.logged("half an answer\n")

    def test_a_trap_on_exit_runs_where_the_handler_fails(self, pool: Served) -> None:
        told = error_of(pool.invoke(do("clean")))
        assert (told["errorType"], told["errorMessage"]) == ("Cleaned", "and told")
        assert json.loads(pool.invoke(do("usage")).payload)["files"] == 0

    def test_a_command_that_fails_fails_its_message(self, scaffold: CommandLine) -> None:
        module = scaffold("settings", "--json").ok().json()["result"]["lambda_module"]["value"]
        path = scaffold.folder / module
        text = path.read_text()
        path.write_text(
            text.partition("handle_message() {")[0]
            + 'handle_message() {\n    cat\n    [[ $1 != bad ]]\n    echo "done with $1"\n}\n'
        )
        records = [
            {"eventSource": "aws:sqs", "messageId": f"of {body}", "body": body}
            for body in ("one", "bad", "two")
        ]
        try:
            result = scaffold("run", "--json-payload", json.dumps({"Records": records})).ok()
        finally:
            path.write_text(text)
        assert result.json() == {"batchItemFailures": [{"itemIdentifier": "of bad"}]}
        assert [body for body in ("one", "bad", "two") if f"done with {body}" in result.stderr] == [
            "one",
            "two",
        ]

    def test_the_file_can_refuse_to_serve(self, serve: Serve, play: Play) -> None:
        told = self.init_error(serve("refusing.handler"), "NoTable")
        assert told["errorMessage"] == 'there is no "table"'
        (posted,) = play(handler="refusing.handler")
        assert posted.path == "/init/error"
        assert posted.headers["lambda-runtime-function-error-type"] == "Function.NoTable"

    def test_the_event_is_on_stdin_and_the_first_argument(self, pool: Served) -> None:
        event = json.dumps({"a": "x" * 100_000}).encode()
        assert pool.invoke(event).payload == event
        assert json.loads(pool.invoke(do("length")).payload) == len(do("length"))
