"""The parts of docs/runtime.md that are made from the code: `python -m tests.runtime.reference`.

A part stands between `<!-- made: NAME -->` and `<!-- end: NAME -->`. The part `speed` is written
by `python -m bench.runtime`.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from tests.runtime.cases import CASES, EVERYWHERE, LOADS

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "runtime.md"
PART = re.compile(r"<!-- made: (reference|differences) -->\n.*?<!-- end: \1 -->", re.DOTALL)
SECTION = re.compile(r"^(Args|Attributes|Returns|Raises):(.*)$")
ENTRY = re.compile(r"^    (\S[^:]*): (.*)$")

PAGES = (
    ("lambdaimg.runtime", None),
    ("lambdaimg.runtime.events", None),
    ("lambdaimg.runtime.testing", ("run", "Result", "sample_event")),
)


def reference() -> str:
    """Every public name with its signature and its docstring."""
    parts = []
    for name, only in PAGES:
        module = importlib.import_module(name)
        parts.append(f"### {name}")
        parts += [described(module, public) for public in only or module.__all__]
    return "\n\n".join(parts)


def described(module: ModuleType, name: str) -> str:
    """One name: a class with its own methods, or a function."""
    thing = getattr(module, name)
    parts = [f"#### `{signature(name, thing)}`", prose(thing)]
    if inspect.isclass(thing):
        for method, value in vars(thing).items():
            if method.startswith("_") or not getattr(value, "__doc__", None):
                continue
            if isinstance(value, property):
                parts.append(f"**`.{method}`**\n\n{prose(value)}")
            elif inspect.isfunction(value):
                parts.append(f"**`.{signature(method, value)}`**\n\n{prose(value)}")
    return "\n\n".join(parts)


def signature(name: str, thing: Any) -> str:
    """As it is called; without types, which the docstring tells."""
    try:
        found = inspect.signature(thing)
    except ValueError:
        return name
    shown = [
        one.replace(annotation=inspect.Parameter.empty)
        for one in found.parameters.values()
        if one.name != "self"
    ]
    bare = found.replace(parameters=shown, return_annotation=inspect.Signature.empty)
    return f"{name}{bare}"


def prose(thing: Any) -> str:
    """A docstring as Markdown: its sections become lists."""
    lines: list[str] = []
    within = False
    for line in inspect.cleandoc(thing.__doc__ or "").splitlines():
        section = SECTION.match(line)
        entry = ENTRY.match(line) if within else None
        if section:
            within = True
            rest = section[2].strip()
            lines += ["", f"{section[1]}:{' ' + rest if rest else ''}", ""]
        elif entry:
            lines.append(f"- {codes(entry[1])}: {entry[2]}")
        elif within and line.strip() and lines[-1].startswith("- "):
            lines[-1] += f" {line.strip()}"
        else:
            lines.append(line.strip() if within else line)
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def codes(names: str) -> str:
    """Names that are parted by commas, as code."""
    return ", ".join(f"`{name}`" for name in names.split(", "))


def differences() -> str:
    """The cases in which the two differ, by reason."""
    lines = [f"- everywhere, {where}: {reason}" for where, reason in EVERYWHERE.items()]
    reasons: dict[str, list[str]] = {}
    for case in (*CASES, *LOADS):
        if case.differs:
            reasons.setdefault(case.differs, []).append(case.id)
    lines += [f"- {reason} ({codes(', '.join(ids))})" for reason, ids in reasons.items()]
    return "\n".join(lines)


MADE: dict[str, Callable[[], str]] = {
    "reference": reference,
    "differences": differences,
}


def made(text: str) -> str:
    """The page with its parts made anew."""
    return PART.sub(
        lambda part: f"<!-- made: {part[1]} -->\n{MADE[part[1]]()}\n<!-- end: {part[1]} -->", text
    )


if __name__ == "__main__":
    PAGE.write_text(made(PAGE.read_text()))
