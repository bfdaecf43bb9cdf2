"""HTTP requests from function URLs, API Gateway (both payload versions) and load balancers.

Their forms: https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html,
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html,
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/lambda-functions.html.
"""

import json
from base64 import b64decode, b64encode

from ..loop import is_streamed
from .handler import EventHandler, missing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from ..context import Context

V2, V1, ALB = "v2", "v1", "alb"
"""Kinds of events: function URLs and API Gateway 2.0, API Gateway 1.0, load balancers."""


class Request:
    """A request, whatever it came through.

    Args:
        event: as it came.

    Attributes:
        kind: `v2`, `v1` or `alb`.
        method: in capitals.
        path: decoded as the service decodes it, with a `/` at its start.
        headers: fields by lower-case name; several values are parted by `, `.
        query: parameters by name, the last value of each; `query_all` has the list of all.
        cookies: value by name.
        body: bytes, decoded where the service sent base64.
        path_parameters: by name, as API Gateway found them in the path.
        source_ip: the caller's address, empty where it is not told.
        event: all of it.
    """

    def __init__(self, event: "dict[str, Any]") -> None:
        context = event.get("requestContext") or {}
        self.event = event
        self.kind = kind_of(event)
        self.path_parameters: dict[str, str] = event.get("pathParameters") or {}
        body = event.get("body") or ""
        self.body = b64decode(body) if event.get("isBase64Encoded") else body.encode()
        self.headers: dict[str, str] = {}
        self.query_all: dict[str, list[str]] = {}
        if self.kind == V2:
            about = context.get("http") or {}
            self.method: str = about.get("method") or "GET"
            self.path: str = event.get("rawPath") or "/"
            self.source_ip: str = about.get("sourceIp") or ""
            self._take_headers((event.get("headers") or {}).items())
            self._take_query_string(event.get("rawQueryString") or "")
            pairs = event.get("cookies") or []
        else:
            self.method = event.get("httpMethod") or "GET"
            self.path = event.get("path") or "/"
            self._take_headers(_pairs(event, "headers", "multiValueHeaders"))
            self._take_query(event)
            self.source_ip = (context.get("identity") or {}).get("sourceIp") or ""
            pairs = self.headers.get("cookie", "").split(";")
        if self.kind == ALB:
            forwarded = self.headers.get("x-forwarded-for", "")
            self.source_ip = forwarded.rpartition(",")[2].strip()
        self.cookies = _cookies(pairs)
        self.query = {name: values[-1] for name, values in self.query_all.items()}

    @property
    def text(self) -> str:
        """The body as text in UTF-8. Raises: UnicodeDecodeError."""
        return self.body.decode()

    def json(self) -> "Any":
        """The body, decoded. Raises: ValueError, it is no JSON."""
        return json.loads(self.body)

    def _take_headers(self, pairs: "Iterable[tuple[str, str]]") -> None:
        for name, value in pairs:
            key = name.lower()
            self.headers[key] = f"{self.headers[key]}, {value}" if key in self.headers else value

    def _take_query_string(self, text: str) -> None:
        from urllib.parse import parse_qsl

        for name, value in parse_qsl(text, keep_blank_values=True):
            self.query_all.setdefault(name, []).append(value)

    def _take_query(self, event: "dict[str, Any]") -> None:
        from urllib.parse import unquote_plus

        # API Gateway decodes parameters, a load balancer passes them on as they were.
        decode = unquote_plus if self.kind == ALB else str
        pairs = _pairs(event, "queryStringParameters", "multiValueQueryStringParameters")
        for name, value in pairs:
            self.query_all.setdefault(decode(name), []).append(decode(value))


class Response:
    """A response, which is put into the form of what the request came through.

    Args:
        status: the HTTP status.
        body: str and bytes go out as they are, bytes in base64; None is an empty body;
            everything else becomes JSON.
        headers: fields by name. A `Content-Type` is added where there is a body without one.
        cookies: values for `Set-Cookie`, one each.
    """

    def __init__(
        self,
        status: int = 200,
        body: "Any" = None,
        headers: "Mapping[str, str] | None" = None,
        cookies: "Sequence[str]" = (),
    ) -> None:
        self.status = status
        self.body = body
        self.headers = dict(headers or {})
        self.cookies = list(cookies)

    def as_event(self, request: Request) -> "dict[str, Any]":
        """The response in the form that the request's service wants. Raises: TypeError."""
        text, encoded, default_type = _body(self.body)
        headers = dict(self.headers)
        if default_type and not any(name.lower() == "content-type" for name in headers):
            headers["Content-Type"] = default_type
        told: dict[str, Any] = {
            "statusCode": self.status,
            "headers": headers,
            "body": text,
            "isBase64Encoded": encoded,
        }
        if request.kind == V2:
            told["cookies"] = self.cookies
        elif request.kind == V1 or "multiValueHeaders" in request.event:
            told["multiValueHeaders"] = {name: [value] for name, value in headers.items()}
            if self.cookies:
                told["multiValueHeaders"]["Set-Cookie"] = self.cookies
            del told["headers"]
        elif self.cookies:
            # A load balancer without multi-value headers takes one cookie and no more.
            headers["Set-Cookie"] = self.cookies[-1]
        return told


class HttpHandler(EventHandler):
    """Calls `request` and puts what it returns into the service's form.

    A result that is no `Response` is the body of one: str and bytes as they are, everything else
    as JSON. A stream (`HttpStream`, a generator) is passed on.
    """

    def __call__(self, event: "Any", context: "Context") -> "Any":
        """Handle a request."""
        request = Request(event)
        result = self.request(request, context)
        if is_streamed(result):
            return result
        response = result if isinstance(result, Response) else Response(body=result)
        return response.as_event(request)

    def request(self, request: Request, context: "Context") -> "Any":
        """Handle a request; to be overridden. Returns: a `Response`, or the body of one."""
        raise missing(self, "request(request, context)")


def kind_of(event: "dict[str, Any]") -> str:
    """`V2`, `V1` or `ALB`."""
    context = event.get("requestContext") or {}
    if "elb" in context:
        return ALB
    return V2 if "http" in context else V1


def _pairs(event: "dict[str, Any]", single: str, several: str) -> "list[tuple[str, str]]":
    lists = event.get(several)
    if lists:
        return [(name, value) for name, values in lists.items() for value in values]
    return list((event.get(single) or {}).items())


def _cookies(pairs: "Iterable[str]") -> dict[str, str]:
    cookies: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.strip().partition("=")
        if equals:
            cookies[name] = value
    return cookies


def _body(body: "Any") -> tuple[str, bool, str]:
    """A body as text, whether that is base64, and the media type where none is given."""
    if body is None:
        return "", False, ""
    if isinstance(body, str):
        return body, False, "text/plain; charset=utf-8"
    if isinstance(body, (bytes, bytearray)):
        return b64encode(body).decode(), True, "application/octet-stream"
    return json.dumps(body), False, "application/json"
