"""The results: one Markdown file per bench, joined into one page with the machine at its top.

Figures are medians with their spread. A result names the machine and the day it was measured on,
so that a page joined from several days cannot mislead.
"""

from __future__ import annotations

import datetime
import os
import platform
import statistics
from collections.abc import Sequence
from pathlib import Path

FOLDER = Path(__file__).parent
RESULTS = FOLDER / "results"
PAGE = FOLDER / "RESULTS.md"
HEAD = """\
# Results

Written by `make bench` from the files in `bench/results`. Figures are medians; the spread stands
behind them. Ratios between the rows of one table carry over to other machines, figures do not.
"""


def machine() -> str:
    """One line on what was measured on: processor, cores, system, Python."""
    system = f"{platform.system()} {platform.release()}"
    cores = os.cpu_count() or 1
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{_processor()}, {cores} cores, {system}, {python}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.machine()


def spread(values: Sequence[float], digits: int = 1) -> str:
    """A median with the lowest and highest value behind it, such as `4.2 (4.0 to 5.1)`.

    Args:
        values: at least one figure, in the unit that the table's head names.
        digits: digits behind the point.
    """
    middle, low, high = (
        f"{value:,.{digits}f}" for value in (statistics.median(values), min(values), max(values))
    )
    return f"{middle} ({low} to {high})"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table: the first column to the left, figures to the right."""
    marks = [":--", *["--:"] * (len(head) - 1)]
    return "".join(f"| {' | '.join(row)} |\n" for row in (head, marks, *rows))


def write(name: str, title: str, body: str, *, how: str, folder: Path = RESULTS) -> Path:
    """Keep the result of one bench.

    Args:
        name: the bench's module, which names the file.
        title: its heading.
        body: tables and what is to be said about them, in Markdown.
        how: what was run, how often, and the versions of what it was compared with.
        folder: where results are kept.

    Returns:
        The file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    today = datetime.datetime.now(tz=datetime.UTC).date().isoformat()
    path = folder / f"{name}.md"
    said = f"Repeat with `python -m bench.{name}`. {how}\n\nMeasured {today} on {machine()}.\n"
    path.write_text(f"## {title}\n\n{body.strip()}\n\n{said}")
    return path


def join(folder: Path = RESULTS, page: Path = PAGE) -> str:
    """Make the page of all results that there are, in the order of their names.

    Returns:
        Its text.
    """
    parts = [path.read_text().strip() + "\n" for path in sorted(folder.glob("*.md"))]
    text = "\n".join([HEAD, *parts])
    page.write_text(text)
    return text


if __name__ == "__main__":
    print(join())
