"""The figures as an SVG: a panel of bars per measure, on logarithmic scales where they are needed.

Written as text; the colours are plain enough for light and dark pages.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

WIDTH, PANEL, ROW, LABEL, VALUE = 880, 400, 22, 150, 70
COLOURS = ("#2f6f9f", "#a5562f")
TEXT = "#7a7a7a"


@dataclass(frozen=True)
class Panel:
    """One measure.

    Attributes:
        title: what is measured, with its unit.
        values: (contender, value) in the order of the bars.
        logarithmic: a bar ten times as long says more than a factor of ten would.
    """

    title: str
    values: Sequence[tuple[str, float]]
    logarithmic: bool = False


def length(panel: Panel, value: float, full: float) -> float:
    """How long a bar is."""
    most = max(value for _, value in panel.values)
    if not panel.logarithmic:
        return full * value / most
    low = 10 ** math.floor(math.log10(min(value for _, value in panel.values)) - 0.3)
    return full * math.log(value / low) / math.log(most / low)


def number(value: float) -> str:
    """A value with three figures or so."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}" if value >= 0.1 else f"{value:.3f}"


def draw(panels: Sequence[Panel], title: str, theirs: str) -> str:
    """The picture, two panels to a row.

    Args:
        panels: the measures.
        title: for those who cannot see it.
        theirs: the contender that has a colour of its own.
    """
    parts: list[str] = []
    top = 0
    for start in range(0, len(panels), 2):
        pair = panels[start : start + 2]
        for column, panel in enumerate(pair):
            parts += bars(panel, column * (WIDTH - PANEL), top, theirs)
        top += 46 + ROW * max(len(panel.values) for panel in pair)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top}" width="{WIDTH}" '
        f'height="{top}" font-family="sans-serif" font-size="12" role="img">\n'
        f"<title>{escape(title)}</title>\n"
    )
    return head + "\n".join(parts) + "\n</svg>\n"


def bars(panel: Panel, left: int, top: int, theirs: str) -> list[str]:
    """The elements of one panel."""
    scale = ", logarithmic" if panel.logarithmic else ""
    found = [
        f'<text x="{left}" y="{top + 18}" fill="{TEXT}" font-weight="bold">'
        f"{escape(panel.title + scale)}</text>"
    ]
    for row, (name, value) in enumerate(panel.values):
        y = top + 30 + row * ROW
        wide = max(1.0, length(panel, value, PANEL - LABEL - VALUE))
        colour = COLOURS[name == theirs]
        found += [
            f'<text x="{left + LABEL - 8}" y="{y + 12}" fill="{TEXT}" text-anchor="end">'
            f"{escape(name)}</text>",
            f'<rect x="{left + LABEL}" y="{y}" width="{wide:.1f}" height="{ROW - 7}" rx="2" '
            f'fill="{colour}"/>',
            f'<text x="{left + LABEL + wide + 6:.1f}" y="{y + 12}" fill="{TEXT}">'
            f"{number(value)}</text>",
        ]
    return found
