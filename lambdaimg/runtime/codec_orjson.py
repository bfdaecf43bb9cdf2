"""JSON by orjson, for what it treats exactly as the standard library does.

orjson needs a quarter of the time. Where it would do otherwise than `json` (whole numbers of
more than 64 bits, `NaN`, keys that are no strings, lone surrogates, named tuples, enumerations,
UUIDs, errors) it is not used. Loaded for the first large event or result.
"""

import gc
from marshal import dumps as marshalled

import orjson

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_OPTIONS = (
    orjson.OPT_PASSTHROUGH_DATACLASS
    | orjson.OPT_PASSTHROUGH_DATETIME
    | orjson.OPT_PASSTHROUGH_SUBCLASS
)
_STEP = 10
_DIGITS = bytes(1 if 48 <= byte <= 57 else 0 for byte in range(256))
_LONG_NUMBER = b"\1" * (2 * _STEP)  # no number of 64 bits has as many digits


def decode(body: bytes | bytearray) -> "Any":
    """The value of a JSON document. Raises: ValueError, `json` is to do it."""
    if _has_long_number(body):
        raise ValueError("a number beyond 64 bits")
    collecting = gc.isenabled()
    gc.disable()
    try:
        return orjson.loads(body)
    finally:
        if collecting:
            gc.enable()


def encode(value: "Any") -> bytes:
    """A value as a JSON document in UTF-8. Raises: ValueError, TypeError, `json` is to do it."""
    data: bytes = orjson.dumps(value, option=_OPTIONS)
    # What orjson takes and `json` does not, an Enum or a UUID, marshal refuses with a ValueError.
    seen = marshalled(value)
    # orjson makes null of what JSON has no number for.
    if _may_hold_no_number(seen) and b"null" in data and _holds_no_number(value):
        raise ValueError("not a number, or infinite")
    return data


def _may_hold_no_number(seen: bytes) -> bool:
    """A quick look for NaN and infinity in marshalled data; a yes may be wrong.

    A float is the letter g, maybe with the high bit set, and eight bytes, little-endian; the
    exponent of what is no number is all ones (IEEE 754).
    """
    for last in (0x7F, 0xFF):
        at = seen.find(last, 8)
        while at >= 0:
            if seen[at - 1] >= 0xF0 and seen[at - 8] in (0x67, 0xE7):
                return True
            at = seen.find(last, at + 1)
    return False


def _holds_no_number(value: "Any") -> bool:
    seen = marshalled(value, 1)  # the version that writes floats as text
    return b"\3nan" in seen or b"\3inf" in seen or b"\4-inf" in seen


def _has_long_number(body: bytes | bytearray) -> bool:
    # Of so many digits in a row, every tenth byte gives two: a quick look that mostly says no.
    if b"\1\1" not in body[::_STEP].translate(_DIGITS):
        return False
    return _LONG_NUMBER in body.translate(_DIGITS)
