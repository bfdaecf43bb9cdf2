"""The documents say what the code does."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]


def load_script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_script", ROOT / "scripts" / "docs.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_made_parts_are_not_stale() -> None:
    assert load_script().stale() == []


def test_a_changed_part_is_noticed(tmp_path: Path) -> None:
    text = (ROOT / "README.md").read_text().replace("| `image` |", "| `picture` |", 1)
    (tmp_path / "README.md").write_text(text)
    assert load_script().stale(tmp_path) == [tmp_path / "README.md"]


def test_links_lead_somewhere() -> None:
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]:
        for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / link).exists(), f"{page.name}: {link}"
