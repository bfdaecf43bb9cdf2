"""Sizes as a person reads them. Pure."""

from __future__ import annotations


def text(size: int) -> str:
    """Bytes in the largest decimal unit that leaves a digit before the point."""
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= factor:
            scaled = size / factor
            return f"{scaled:.0f} {unit}" if scaled >= 10 else f"{scaled:.1f} {unit}"
    return f"{size} bytes"
