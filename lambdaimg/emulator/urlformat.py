"""Function URLs: HTTP requests as events of payload format 2.0, and responses back. Pure.

Sources: AWS's documentation of function URLs (request and response payload format, response
streaming) and of the Runtime API's HTTP prelude.
"""

from __future__ import annotations

import base64
import json
import re
import time
from urllib.parse import parse_qsl

from lambdaimg.emulator.message import Request, path_and_query
from lambdaimg.emulator.protocol import FunctionSpec, Outcome, new_trace_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

PRELUDE_TYPE = "application/vnd.awslambda.http-integration-response"
PRELUDE_END = bytes(8)
MAX_PRELUDE = 64 * 1024
TEXT_TYPES = frozenset(
    {
        "application/javascript",
        "application/json",
        "application/x-www-form-urlencoded",
        "application/xml",
    }
)
"""Content types, besides text/*, +json and +xml, whose bodies go into the event as text."""


OF_HTTP = frozenset({"connection", "content-length", "keep-alive", "transfer-encoding"})


class HttpResponse:
    """A response to the caller of a function URL. Header names are as the function gave them."""

    __slots__ = ("body", "cookies", "headers", "status")

    def __init__(
        self,
        status: int,
        headers: dict[str, str],
        body: bytes = b"",
        cookies: Sequence[str] = (),
    ) -> None:
        self.status = status
        self.headers = headers
        self.body = body
        self.cookies = cookies

    @property
    def bodiless(self) -> bool:
        """Whether HTTP allows it no body: what came behind its head would be the next answer's."""
        return self.status < 200 or self.status in (204, 304)

    def head(self) -> str:
        """The header lines, each ending in CRLF; those that HTTP itself governs left out."""
        lines = [f"{n}: {v}" for n, v in self.headers.items() if n.lower() not in OF_HTTP]
        lines += [f"Set-Cookie: {cookie}" for cookie in self.cookies]
        clean = (line.replace("\r", " ").replace("\n", " ") for line in lines)
        return "".join(f"{line}\r\n" for line in clean)


FAILED = HttpResponse(502, {"Content-Type": "application/json"}, b"Internal Server Error")
"""What a function URL answers when the function has failed, or has answered what it must not."""


def event_of(request: Request, spec: FunctionSpec, request_id: str, source_ip: str) -> bytes:
    """The event for an HTTP request, as JSON."""
    path, raw_query = path_and_query(request.target)
    headers = dict(request.headers)
    cookies = [c.strip() for c in headers.pop("cookie", "").split(";") if c.strip()]
    host = headers.get("host", "localhost")
    headers.setdefault("x-amzn-trace-id", new_trace_id().partition(";")[0])
    headers.setdefault("x-forwarded-for", source_ip)
    headers.setdefault("x-forwarded-proto", "http")
    headers.setdefault("x-forwarded-port", host.rpartition(":")[2] if ":" in host else "80")
    query: dict[str, str] = {}
    for name, value in parse_qsl(raw_query, keep_blank_values=True):
        query[name] = f"{query[name]},{value}" if name in query else value
    now = time.time()
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": raw_query,
        "headers": headers,
        "requestContext": {
            "accountId": "anonymous",
            "apiId": spec.name,
            "domainName": host,
            "domainPrefix": spec.name,
            "http": {
                "method": request.method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": source_ip,
                "userAgent": headers.get("user-agent", ""),
            },
            "requestId": request_id,
            "routeKey": "$default",
            "stage": "$default",
            "time": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(now)),
            "timeEpoch": int(now * 1000),
        },
        "isBase64Encoded": False,
    }
    if cookies:
        event["cookies"] = cookies
    if query:
        event["queryStringParameters"] = query
    if request.body:
        event["body"], event["isBase64Encoded"] = _body(request)
    return json.dumps(event, ensure_ascii=False).encode()


def _body(request: Request) -> tuple[str, bool]:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    textual = kind.startswith("text/") or kind.endswith(("+json", "+xml")) or kind in TEXT_TYPES
    if textual:
        try:
            return request.body.decode(), False
        except UnicodeDecodeError:
            pass
    return base64.b64encode(request.body).decode(), True


def response_of(outcome: Outcome) -> HttpResponse:
    """The response for a buffered outcome.

    An object with `statusCode` is a whole response; anything else is the body of a 200.
    """
    if outcome.status != 200:
        return HttpResponse(outcome.status, {"Content-Type": "application/json"}, outcome.payload)
    if outcome.function_error:
        return FAILED
    if outcome.content_type.partition(";")[0].strip().lower() == PRELUDE_TYPE:
        found = split_prelude(outcome.payload)
        if found is None:
            return FAILED
        response, response.body = found[0], found[1]
        return response
    try:
        answer = json.loads(outcome.payload)
    except (ValueError, RecursionError):
        return HttpResponse(200, {"Content-Type": "application/octet-stream"}, outcome.payload)
    if not isinstance(answer, dict) or "statusCode" not in answer:
        return HttpResponse(200, {"Content-Type": "application/json"}, outcome.payload)
    return _integration(answer) or FAILED


def split_prelude(data: bytes) -> tuple[HttpResponse, bytes] | None:
    """A streamed response's prelude and the body behind it; None while it is not complete.

    A prelude that makes no sense is a `FAILED` response.
    """
    end = data.find(PRELUDE_END)
    if end < 0:
        return (FAILED, b"") if len(data) > MAX_PRELUDE else None
    try:
        prelude = json.loads(data[:end])
    except (ValueError, RecursionError):
        return FAILED, b""
    if not isinstance(prelude, dict):
        return FAILED, b""
    prelude.setdefault("statusCode", 200)
    prelude.pop("body", None)
    response = _integration(prelude, "application/octet-stream")
    return (response, data[end + len(PRELUDE_END) :]) if response else (FAILED, b"")


def _integration(
    answer: dict[str, Any], default_type: str = "application/json"
) -> HttpResponse | None:
    """A response object of a handler; None where it is malformed."""
    status, headers, cookies = (answer.get(k) for k in ("statusCode", "headers", "cookies"))
    body = answer.get("body", "")
    if isinstance(status, str) and re.fullmatch("[0-9]{3}", status):
        status = int(status)
    if not isinstance(status, int) or not 100 <= status <= 599:
        return None
    if not isinstance(headers or {}, dict) or not isinstance(cookies or [], list):
        return None
    if body is None:
        body = ""
    if not isinstance(body, str):
        body = json.dumps(body)
    raw = body.encode("utf-8", "replace")  # JSON can write half of a pair, and UTF-8 cannot
    if answer.get("isBase64Encoded"):
        try:
            raw = base64.b64decode(body)
        except ValueError:
            return None
    texts = {str(name): _header_value(value) for name, value in (headers or {}).items()}
    if not any(name.lower() == "content-type" for name in texts):
        texts["Content-Type"] = default_type
    return HttpResponse(status, texts, raw, [str(cookie) for cookie in cookies or []])


def _header_value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
