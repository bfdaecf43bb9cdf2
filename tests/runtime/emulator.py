"""What the real emulator (RIE) must answer, wherever the runtime under it runs."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

PATH = "/2015-03-31/functions/function/invocations"
TIMEOUT = 2  # seconds, of the function


def invoke(url: str, event: Any) -> bytes:
    """The body of an invocation's answer, whatever its status."""
    request = urllib.request.Request(url + PATH, json.dumps(event).encode(), method="POST")
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.read()
    except urllib.error.HTTPError as error:
        return error.read()


def check_common(url: str) -> None:
    """What both kinds of handler do alike, failures between successes."""
    for event in ({"a": [1, "é"]}, 0, None, [], "x" * 100_000):
        assert json.loads(invoke(url, event)) == event
    assert invoke(url, "stream") == b"one two"
    told = json.loads(invoke(url, "error"))
    assert (told["errorType"], told["errorMessage"]) == ("ValueError", "bad value")
    assert 'raise ValueError("bad value")' in told["stackTrace"][-1]
    head, _, body = invoke(url, "http").partition(b"\0" * 8)
    assert json.loads(head)["statusCode"] == 201
    assert body == b"hello"
    assert invoke(url, "stream-error") == b"begun"
    assert json.loads(invoke(url, "after a failed stream")) == "after a failed stream"
    told = json.loads(invoke(url, "too-large"))
    assert told["errorType"] == "Function.ResponseSizeTooLarge"
    assert json.loads(invoke(url, "after a large one")) == "after a large one"


def check_ends(url: str) -> None:
    """Handlers that end the process or outlast their time, and that the next event is served."""
    told = json.loads(invoke(url, "exit"))
    assert told["errorType"] == "Runtime.ExitError"
    assert "exit status 3" in told["errorMessage"]
    assert json.loads(invoke(url, "after an exit")) == "after an exit"
    assert invoke(url, "timeout") == b"Task timed out after 2.00 seconds"
    assert json.loads(invoke(url, "after a timeout")) == "after a timeout"
