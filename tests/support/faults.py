"""What the proxy can do to a call instead of passing it on faithfully.

A fault has a side: `BEFORE` means that AWS never hears of the call, `AFTER` that AWS did it and
the answer is lost or changed on its way back, `MIDDLE` that the answer has begun to come.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from xml.sax.saxutils import escape

from tests.support.wire import protocol_of

ALWAYS = None
"""As a number of calls: each."""


class Side(enum.Enum):
    """Whether the call reaches AWS."""

    BEFORE = "before"
    MIDDLE = "middle"
    AFTER = "after"


@dataclass(frozen=True)
class Delay:
    """Wait, then pass the call on.

    Attributes:
        seconds: how long; the proxy's own clock, on which no test should assert.
    """

    seconds: float


@dataclass(frozen=True)
class Drop:
    """Close the connection without a word."""

    side: Side = Side.BEFORE


@dataclass(frozen=True)
class Do:
    """Do something of the test's, such as killing the caller, and drop the connection."""

    action: Callable[[], object]
    side: Side = Side.BEFORE


@dataclass(frozen=True)
class Rewrite:
    """Pass the call on, and change the body of a good answer on its way back.

    Attributes:
        change: body to body.
    """

    change: Callable[[bytes], bytes]


@dataclass(frozen=True)
class Truncate:
    """Promise the whole answer, send some bytes of it, and close the connection."""

    keep: int


@dataclass(frozen=True)
class Slow:
    """Send the answer in small pieces with pauses between them."""

    piece: int
    pause: float


@dataclass(frozen=True)
class Answer:
    """Answer this instead of what AWS would have said, or said."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    side: Side = Side.BEFORE


@dataclass(frozen=True)
class AwsFailure:
    """Answer with an AWS error in the protocol of the service that is called.

    Attributes:
        code: such as `ThrottlingException`.
        message: AWS's sentence.
        status: the HTTP status.
    """

    code: str
    message: str = "injected"
    status: int = 400
    side: Side = Side.BEFORE

    def answer(self, service: str) -> Answer:
        """The bytes of it."""
        body, headers = _failure_body(protocol_of(service), self.code, self.message)
        return Answer(self.status, body, headers, self.side)


Fault = Delay | Drop | Do | Rewrite | Truncate | Slow | Answer | AwsFailure


@dataclass
class Rule:
    """A fault for some calls.

    Attributes:
        call: `service.Operation`, or `service.*`, or `*`.
        fault: what happens to them.
        times: how many calls it strikes; None for all.
        skip: how many it lets pass first.
        struck: how many it has struck.
    """

    call: str
    fault: Fault
    times: int | None = 1
    skip: int = 0
    struck: int = field(default=0, init=False)

    def strikes(self, service: str, operation: str) -> bool:
        """Whether this call is one of them; counts it."""
        if self.call not in ("*", f"{service}.*", f"{service}.{operation}"):
            return False
        if self.skip:
            self.skip -= 1
            return False
        if self.times is not None and self.struck >= self.times:
            return False
        self.struck += 1
        return True


def fields(**values: Any) -> Rewrite:
    """Lambda's answers with other values, as in `fields(State="Pending")`, wherever they stand."""

    def change(body: bytes) -> bytes:
        answer = json.loads(body)
        inner = answer.get("Configuration", answer)
        inner.update(values)
        return json.dumps(answer).encode()

    return Rewrite(change)


def throttled(side: Side = Side.BEFORE) -> AwsFailure:
    """Too many requests, as most services say it."""
    return AwsFailure("ThrottlingException", "Rate exceeded", 400, side)


def _failure_body(
    protocol: str, code: str, message: str
) -> tuple[bytes, tuple[tuple[str, str], ...]]:
    if protocol == "rest-json":
        body = json.dumps({"Type": "User", "Message": message, "message": message}).encode()
        return body, (("Content-Type", "application/json"), ("x-amzn-ErrorType", code))
    if protocol in ("query", "rest-xml", "ec2"):
        error = f"<Code>{escape(code)}</Code><Message>{escape(message)}</Message>"
        if protocol == "rest-xml":
            text = f"<Error>{error}<RequestId>injected</RequestId></Error>"
        else:
            text = (
                f"<ErrorResponse><Error><Type>Sender</Type>{error}</Error>"
                "<RequestId>injected</RequestId></ErrorResponse>"
            )
        return text.encode(), (("Content-Type", "text/xml"),)
    body = json.dumps({"__type": code, "message": message}).encode()
    return body, (
        ("Content-Type", "application/x-amz-json-1.0"),
        ("x-amzn-query-error", f"{code};Sender"),
    )
