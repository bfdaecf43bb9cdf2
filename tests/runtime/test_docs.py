"""docs/runtime.md: what is made from the code is as the code is, and its examples run."""

from __future__ import annotations

import re
import subprocess
import sys

from tests.runtime.reference import MADE, PAGE, PART, made


def test_made_parts_are_not_stale() -> None:
    text = PAGE.read_text()
    assert {part[1] for part in PART.finditer(text)} == set(MADE)
    assert made(text) == text, "stale: python -m tests.runtime.reference"


def test_links_within_the_page_lead_somewhere() -> None:
    text = PAGE.read_text()
    heads = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}
    wanted = set(re.findall(r"\]\(#([^)]+)\)", text))
    assert wanted
    assert wanted <= anchors


def test_examples_are_python() -> None:
    for example in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL):
        compile(example, "example", "exec")


def test_the_reference_can_be_made_by_hand() -> None:
    """The command that the test above names: it must run from a clean interpreter."""
    done = subprocess.run(
        [sys.executable, "-c", "import tests.runtime.reference as r; print(len(r.reference()))"],
        capture_output=True,
        text=True,
        check=True,
        cwd=PAGE.parents[1],
    )
    assert int(done.stdout) > 1000
