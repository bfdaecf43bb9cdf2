"""HTTP/1.1 response heads and chunked bodies, as pure functions over bytes.

Only what a client of the Lambda Runtime API meets, and strict: whatever is not plainly framed
is refused with `ProtocolError`, because a wrong guess would be a wrong event.
"""

MAX_HEAD = 256 * 1024
MAX_BODY = 256 * 1024 * 1024

_TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz")
_FRAMING = frozenset(("content-length", "transfer-encoding"))
_MAX_NAMES = 200
_names: dict[str, str] = {}  # field names as they came, which are always the same few


class ProtocolError(Exception):
    """The other side did not speak HTTP/1.1 as RFC 9112 has it."""


def parse_head(head: bytes) -> tuple[int, dict[str, str]]:
    """Read a response's status line and header fields.

    Args:
        head: everything before the blank line, lines ended by CRLF.

    Returns:
        The status and the fields by lower-case name, values without outer blanks. Values are
        UTF-8 where that can be, Latin-1 elsewhere.

    Raises:
        ProtocolError: the status line or a field is malformed, or the framing is ambiguous.
    """
    try:
        text = head.decode()
    except UnicodeDecodeError:
        text = head.decode("latin-1")
    lines = text.split("\r\n")
    ends = len(lines) - 1
    if text.count("\n") != ends or text.count("\r") != ends or "\0" in text:
        raise ProtocolError("control characters in a head")
    first = lines[0]
    code = first[9:12]
    if first[:7] != "HTTP/1." or first[8:9] != " " or not (code.isascii() and code.isdigit()):
        raise ProtocolError(f"no HTTP status line: {first[:80]!r}")
    headers: dict[str, str] = {}
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if not colon:
            raise ProtocolError(f"malformed header field: {line[:80]!r}")
        key = _names.get(name) or _learn(name)
        value = value.strip(" \t")
        if key in headers:
            value = _repeated(key, headers[key], value)
        headers[key] = value
    return int(code), headers


def _learn(name: str) -> str:
    """Check a field's name and remember it in lower case."""
    key = name.lower()
    if not key or not _TOKEN.issuperset(key):
        raise ProtocolError(f"malformed name of a header field: {name[:80]!r}")
    if len(_names) < _MAX_NAMES:
        _names[name] = key
    return key


def _repeated(key: str, first: str, second: str) -> str:
    """The value of a field that came twice."""
    if first == second:
        return first
    if key in _FRAMING or key.startswith("lambda-runtime-"):
        raise ProtocolError(f"two values of {key}")
    return f"{first}, {second}"


def body_length(status: int, headers: dict[str, str]) -> int:
    """How long the body is: a number of bytes, or -1 where it is chunked.

    Raises:
        ProtocolError: no length is given, it is no number or beyond `MAX_BODY`, or it stands
            beside a transfer coding. A body that ends with the connection is refused as well:
            one cut short could not be told from a whole one.
    """
    if status in (204, 304):
        return 0
    length = headers.get("content-length")
    coding = headers.get("transfer-encoding")
    if coding is not None:
        if length is not None or coding.lower() != "chunked":
            raise ProtocolError(f"cannot frame transfer coding {coding!r}")
        return -1
    if length is None:
        raise ProtocolError("response without a length")
    if not (length.isascii() and length.isdigit()) or len(length) > 12:
        raise ProtocolError(f"bad Content-Length {length[:40]!r}")
    size = int(length)
    if size > MAX_BODY:
        raise ProtocolError(f"body of {size} bytes")
    return size


def chunk_size(line: bytes) -> int:
    """The size in a chunk's first line, extensions passed over.

    Raises:
        ProtocolError: no hexadecimal number, or one beyond `MAX_BODY`.
    """
    digits = line.partition(b";")[0].rstrip(b" \t")
    if not digits or len(digits) > 8 or digits.strip(b"0123456789abcdefABCDEF"):
        raise ProtocolError(f"bad chunk size {line[:40]!r}")
    size = int(digits, 16)
    if size > MAX_BODY:
        raise ProtocolError(f"chunk of {size} bytes")
    return size
