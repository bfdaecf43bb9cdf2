"""Events and results as JSON, read and written as AWS's Python runtime does.

`import json` costs half as much as starting the interpreter, mostly for regular expressions
that the C scanner and encoder underneath never use; so those two are called directly. What
they cannot do (error messages, named tuples, `Decimal`, odd keys) is in `codec_exact`, which is
loaded when first met.
"""

import gc
from marshal import dumps

from .faults import MARSHAL_ERROR, UNMARSHAL_ERROR, Fault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

JSON = "application/json"
BINARY = "application/unknown"
BLANKS = " \t\n\r"
_LARGE = 4096
"""Bytes from which on it pays to load orjson, and to hold off garbage collection."""


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON")


class _Rules:
    """What the C scanner reads its settings from."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = staticmethod(_no_constant)
    memo: "dict[str, str]" = {}  # noqa: RUF012 - the scanner asks for the attribute


class Codec:
    """Reads events and writes results.

    Args:
        ascii_only: write everything beyond ASCII as `\\u` escapes, as AWS's runtime does except
            on its own images of Python 3.12 and later.
    """

    def __init__(self, ascii_only: bool = True) -> None:
        import _json

        quote = _json.encode_basestring_ascii if ascii_only else _json.encode_basestring
        self.ascii_only = ascii_only
        self._scan = _json.make_scanner(_Rules)  # type: ignore[arg-type]
        self._looked_for_orjson = False
        self._orjson: ModuleType | None = None
        # No markers: a circle then shows as a RecursionError, and codec_exact names it.
        self._chunks = _json.make_encoder(
            None, _refuse, quote, None, ": ", ", ", False, False, True
        )

    def decode(self, body: "bytes | bytearray") -> "Any":
        """The value of a JSON document.

        Raises:
            Fault: `Runtime.UnmarshalError`, with the reason and the place.
        """
        if len(body) > _LARGE:
            self._load_orjson()
        try:
            if self._orjson is not None:
                try:
                    return self._orjson.decode(body)
                except ValueError:
                    pass
            text = body.decode()
            if text[:1] in BLANKS:
                text = text.lstrip(BLANKS)
            value, end = self._scan(text, 0) if len(text) < _LARGE else self._scan_large(text)
            if end == len(text) or not text[end:].strip(BLANKS):
                return value
        except Exception:  # noqa: S110 - json.loads says below what is wrong, and where
            pass
        import json

        try:
            return json.loads(body, parse_constant=_no_constant)
        except Exception as error:
            raise Fault(UNMARSHAL_ERROR, f"Unable to unmarshal input: {error}") from None

    def _scan_large(self, text: str) -> "tuple[Any, int]":
        """As the scanner, without the collections that many new containers would set off."""
        collecting = gc.isenabled()
        gc.disable()
        try:
            return self._scan(text, 0)
        finally:
            if collecting:
                gc.enable()

    def encode(self, value: "Any") -> bytes:
        """A value as a JSON document in UTF-8.

        Raises:
            Fault: `Runtime.MarshalError`, with the reason.
        """
        try:
            if self._orjson is not None:
                try:
                    fast: bytes = self._orjson.encode(value)
                    return fast
                except (TypeError, ValueError):
                    pass
            text = "".join(self._chunks(value, 0))
            large = len(text) > _LARGE
            if large:
                self._load_orjson()
            # A named tuple looks like a list here and must become an object. Whether there is
            # such a class at all is soon found out, and worth it where the value is large.
            if "[" not in text or (large and not _can_be_named()) or _is_plain(value):
                return text.encode()
        except Exception:  # noqa: S110 - codec_exact does it or says why not
            pass
        from .codec_exact import encode

        try:
            return encode(value, self.ascii_only)
        except Exception as error:
            raise Fault(MARSHAL_ERROR, f"Unable to marshal response: {error}") from None

    def _load_orjson(self) -> None:
        """Use orjson from now on, where it is installed."""
        if not self._looked_for_orjson:
            self._looked_for_orjson = True
            try:
                from . import codec_orjson
            except ImportError:
                return
            self._orjson = codec_orjson


def _refuse(value: object) -> None:
    raise TypeError


def _can_be_named() -> bool:
    """Whether any class in this process is a container of JSON's and has `_asdict`."""
    kinds: list[type] = [tuple, list, dict]
    for kind in kinds:
        if hasattr(kind, "_asdict"):
            return True
        kinds += kind.__subclasses__()
    return False


def _is_plain(value: "Any") -> bool:
    """Whether a value that the encoder took is made of JSON's own Python types alone.

    `marshal` refuses subclasses, named tuples among them, and looks faster than anything else.
    """
    try:
        dumps(value)
    except ValueError:
        return False
    return True
