"""Writes the parts of the README that are made from the code: `python scripts/docs.py [--check]`.

A part stands between `<!-- made: NAME -->` and `<!-- end: NAME -->`. `--check` changes nothing
and ends with status 1 where a part is stale.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from lambdaimg.cli import COMMANDS, command_names
from lambdaimg.session import Takes
from lambdaimg.settings import FIELDS, PREFIX, Settings
from lambdaimg.targets import TARGETS

ROOT = Path(__file__).resolve().parent.parent
PART = re.compile(r"<!-- made: (\w+) -->\n.*?<!-- end: \1 -->", re.DOTALL)


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table."""
    head = list(head)
    lines = [head, ["---"] * len(head), *[[cell.replace("|", "\\|") for cell in r] for r in rows]]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def codes(names: Iterable[str]) -> str:
    """Names as code, with commas."""
    return ", ".join(f"`{name}`" for name in names)


def targets() -> str:
    """The table of targets."""
    rows = []
    for target in TARGETS:
        needs = codes(target.needs)
        if target.order_only:
            needs += ("; " if needs else "") + "after " + codes(target.order_only)
        rows.append([f"`{target.name}`", target.help, needs])
    return table(("target", "what it does", "needs"), rows)


def commands() -> str:
    """The table of the commands that are no targets."""
    names = {target.name for target in TARGETS}
    rows = [
        [f"`{name}`", help_text, group]
        for name, (group, help_text) in command_names().items()
        if name not in names
    ]
    return table(("command", "what it does", "group"), rows)


def settings() -> str:
    """The table of settings."""
    rows = []
    for name, spec in FIELDS.items():
        default = getattr(Settings(), name)
        if isinstance(default, Mapping | tuple) or default == "":
            shown = ""
        else:
            shown = f"`{str(default).lower() if isinstance(default, bool) else default}`"
        rows.append([f"`{name}`", codes(spec.metadata["env"]), shown, spec.metadata["help"]])
    note = (
        f"Every setting is also read from `{PREFIX}` and its name in capitals, "
        f"as in `{PREFIX}MEMORY=512`."
    )
    return table(("setting", "environment variable", "default", "meaning"), rows) + f"\n\n{note}"


def permissions() -> str:
    """The IAM permissions of each target."""
    rows = [[f"`{t.name}`", codes(t.permissions)] for t in TARGETS if t.permissions]
    return table(("target", "IAM actions"), rows)


BARE = {
    Takes.ALL: "all of them",
    Takes.ASKED: "asks which; `--all` is all of them",
    Takes.ONE: "asks which; takes one",
    Takes.TOP: "the project as a whole; `--all` is each of them",
    Takes.NONE: "has nothing to do with functions",
}


def takes() -> str:
    """What each command means where no function is named."""
    rows = [["every target", BARE[Takes.ALL]]]
    for kind, words in BARE.items():
        names = [name for name, command in COMMANDS.items() if command.takes is kind]
        rows.append([codes(names), words])
    return table(("command", "where no function is named"), rows)


def project_settings() -> str:
    """The settings that hold for all functions of a project."""
    return codes(name for name, spec in FIELDS.items() if spec.metadata["project"]) + "."


PARTS: dict[str, Callable[[], str]] = {
    "targets": targets,
    "commands": commands,
    "settings": settings,
    "permissions": permissions,
    "takes": takes,
    "project_settings": project_settings,
}


def made(text: str) -> str:
    """The text with every part made anew."""

    def part(match: re.Match[str]) -> str:
        name = match[1]
        if name not in PARTS:  # another script's, which has its own test
            return match[0]
        return f"<!-- made: {name} -->\n{PARTS[name]()}\n<!-- end: {name} -->"

    return PART.sub(part, text)


def stale(root: Path = ROOT) -> list[Path]:
    """The files with a part that is not as the code says."""
    files = [root / "README.md", *sorted((root / "docs").glob("*.md"))]
    return [file for file in files if made(file.read_text()) != file.read_text()]


def main() -> int:
    """Writes the parts, or checks them."""
    files = stale()
    for file in files:
        if "--check" in sys.argv:
            print(f"stale: {file.relative_to(ROOT)}; run: make docs")
        else:
            file.write_text(made(file.read_text()))
            print(f"written: {file.relative_to(ROOT)}")
    return 1 if files and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
