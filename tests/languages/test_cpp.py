"""The C++ runtime and its example."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from lambdaimg.emulator.containers import DockerExecutor
from lambdaimg.emulator.protocol import FunctionSpec
from tests.languages.conftest import Serve, scaffold_image
from tests.languages.contract import do, error_of
from tests.languages.language import CPP, Served
from tests.languages.streaming import StreamingContract
from tests.languages.wire import WireContract
from tests.support.commandline import CommandLine

# The last digits of the first 1,000 and 10,000 behind the point.
LAST = {10: "6535", 1000: "64201989", 10_000: "56375678"}


class TestCpp(WireContract, StreamingContract):
    language = CPP

    @pytest.mark.parametrize(
        ("file", "function", "error"), [("cases", "nowhere", "Runtime.HandlerNotFound")]
    )
    def test_init_errors(self, serve: Serve, file: str, function: str, error: str) -> None:
        told = self.init_error(serve(self.language.handler(file, function)), error)
        assert told["errorMessage"] == "There is no handler 'cases.nowhere'"

    def test_a_malformed_handler(self, serve: Serve) -> None:
        self.init_error(serve("nodots"), "Runtime.HandlerNotFound")

    def test_a_failure_that_is_returned(self, pool: Served) -> None:
        told = error_of(pool.invoke(do("returned")))
        assert (told["errorType"], told["errorMessage"]) == ("Returned", "not thrown")

    def test_a_message_that_is_no_utf8_is_told_as_json(self, pool: Served) -> None:
        assert error_of(pool.invoke(do("latin")))["errorMessage"] == "a\ufffdb \ufffd 😀"

    def test_whatever_is_thrown_is_told(self, pool: Served) -> None:
        assert error_of(pool.invoke(do("odd")))["errorType"] == "UnknownException"

    def test_a_syntax_error_ends_the_build(self, scaffold: CommandLine, tmp_path: Path) -> None:
        folder = tmp_path / "broken"
        shutil.copytree(scaffold.folder, folder, ignore=shutil.ignore_patterns(".lambdaimg"))
        source = next((folder / "src").glob("*.cpp"))
        source.write_text("int main() { return missing; }\n")
        result = scaffold("image", folder=folder)
        assert result.status == 1
        assert "'missing' was not declared" in result.stderr + result.stdout
        assert "Traceback" not in result.stderr

    def test_digits_of_pi(
        self, scaffold: CommandLine, image: str, executor: DockerExecutor, engine: Any
    ) -> None:
        name = scaffold_image(scaffold)
        assert engine.images.get(name).attrs["Size"] < 5_000_000
        spec = FunctionSpec("pi", image=name, command=("hello.pi",), timeout=60.0)
        served = Served(spec, executor)

        def ask(event: Any) -> Any:
            return json.loads(served.invoke(json.dumps(event).encode()).payload)

        try:
            assert ask({"number": 0}) == {"message": "3"}
            for count, last in LAST.items():
                message = ask({"number": count})["message"]
                assert re.fullmatch(rf"3\.141592653\d{{{count - 9}}}", message)
                assert message.endswith(last)
            assert ask({"queryStringParameters": {"number": "5"}}) == {"message": "3.14159"}
            http = ask({"queryStringParameters": {"number": "2"}, "requestContext": {}})
            assert (http["statusCode"], json.loads(http["body"])) == (200, {"message": "3.14"})
            for wrong in ("many", -1, "7 days", "", 3.7, 1e300, True, 2**64):
                assert ask({"number": wrong})["errorType"] == "BadNumber", wrong
        finally:
            served.close()
