"""Results that the C encoder alone cannot write as AWS's Python runtime does.

Named tuples and whatever else has `_asdict()` become objects, bytes within a result text,
`Decimal` a number with all its digits. Slower than `codec`, and loaded when first needed.
"""

import json
import os
import sys
from typing import Any


def encode(value: Any, ascii_only: bool) -> bytes:
    """A value as a JSON document in UTF-8.

    Text that UTF-8 cannot hold (a lone surrogate) is written as `\\u` escapes.

    Raises:
        TypeError, ValueError, RecursionError: it cannot be written; the text says why.
    """
    mark = os.urandom(12).hex()
    plain = _Plain(mark)(value)
    text = json.dumps(plain, ensure_ascii=ascii_only)
    try:
        data = text.encode()
    except UnicodeEncodeError:
        data = json.dumps(plain).encode()
    quoted = mark.encode()
    return data.replace(b'"' + quoted, b"").replace(quoted + b'"', b"")


class _Plain:
    """Turns a value into one of JSON's own types.

    Numbers that no Python type of JSON can carry stand as strings between two marks, which
    `encode` takes away together with the quotes.
    """

    def __init__(self, mark: str) -> None:
        self._mark = mark
        self._path: set[int] = set()

    def __call__(self, value: Any) -> Any:
        if value is None or isinstance(value, (str, int, float)):
            return value
        if isinstance(value, bytes):
            return value.decode()
        asdict = getattr(value, "_asdict", None)
        if callable(asdict):
            return self._within(value, asdict())
        if isinstance(value, (list, tuple, dict)):
            return self._within(value, value)
        decimal = sys.modules.get("decimal")
        if decimal is not None and isinstance(value, decimal.Decimal):
            return float("nan") if value.is_nan() else f"{self._mark}{value}{self._mark}"
        raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")

    def _within(self, owner: Any, items: Any) -> Any:
        if id(owner) in self._path:
            raise ValueError("Circular reference detected")
        self._path.add(id(owner))
        try:
            if isinstance(items, dict):
                return {_key(key): self(item) for key, item in items.items()}
            return [self(item) for item in items]
        finally:
            self._path.discard(id(owner))


def _key(key: Any) -> Any:
    return key.decode() if isinstance(key, bytes) else key
