"""HTTP/1.1 messages: the request, its parser, and the words for a status. Pure."""

from __future__ import annotations

MAX_HEAD = 256 * 1024
REASONS = {
    100: "Continue",
    200: "OK",
    202: "Accepted",
    204: "No Content",
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    413: "Request Entity Too Large",
    429: "Too Many Requests",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}


class BadRequestError(Exception):
    """What came is not HTTP; the connection is answered 400 and closed."""


class Request:
    """One HTTP request. Header names are in lower case; a repeated header is joined by commas."""

    __slots__ = ("body", "close", "cut", "headers", "method", "target")

    def __init__(self, method: str, target: str, headers: dict[str, str], close: bool) -> None:
        self.method = method
        self.target = target
        self.headers = headers
        self.close = close
        self.body = b""
        self.cut = False


def parse_head(head: bytes) -> Request:
    """A request's line and headers, without the blank line that ends them.

    Raises:
        BadRequestError: it is no HTTP/1 request.
    """
    lines = head.decode("latin-1").split("\r\n")
    try:
        method, target, version = lines[0].split(" ")
    except ValueError:
        raise BadRequestError("malformed request line") from None
    if not version.startswith("HTTP/1."):
        raise BadRequestError("not HTTP/1")
    headers: dict[str, str] = {}
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if not colon or not name or name[-1] in " \t":
            raise BadRequestError("malformed header")
        name = name.lower()
        value = value.strip(" \t")
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    wish = headers.get("connection", "").lower()
    close = "close" in wish or (version == "HTTP/1.0" and "keep-alive" not in wish)
    return Request(method, target, headers, close)


def path_and_query(target: str) -> tuple[str, str]:
    """The path of a request, as it stands, and its query; proxies send a whole URL."""
    path, _, query = target.partition("?")
    if not path.startswith("/") and "://" in path:
        path = f"/{path.partition('://')[2].partition('/')[2]}"
    return path, query
