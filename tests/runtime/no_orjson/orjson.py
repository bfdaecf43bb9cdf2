"""Stands before the installed orjson, for processes that are to do without it."""

raise ImportError("made to be missing")
