from __future__ import annotations

from pathlib import Path

from bench import __main__ as benches
from bench import report


def test_a_result_names_its_bench_the_day_and_the_machine(tmp_path: Path) -> None:
    rows = [["ours", report.spread([3.0, 1.0, 2.0])], ["bare", report.spread([1000.04], 2)]]
    path = report.write(
        "loop", "The loop", report.table(["client", "µs"], rows), how="5 runs.", folder=tmp_path
    )
    text = path.read_text()
    assert text.startswith("## The loop\n\n| client | µs |\n| :-- | --: |\n")
    assert "| ours | 2.0 (1.0 to 3.0) |\n| bare | 1,000.04 (1,000.04 to 1,000.04) |\n" in text
    assert "python -m bench.loop" in text
    assert f"on {report.machine()}." in text


def test_the_page_holds_every_result_once_in_order(tmp_path: Path) -> None:
    for name in ("b", "a"):
        report.write(name, f"Bench {name}", "body", how="", folder=tmp_path / "results")
    page = tmp_path / "RESULTS.md"
    text = report.join(tmp_path / "results", page)
    assert page.read_text() == text
    headings = [line for line in text.splitlines() if line.startswith("#")]
    assert headings == ["# Results", "## Bench a", "## Bench b"]


def test_benches_are_found_as_modules_and_packages(tmp_path: Path) -> None:
    for name in ("report.py", "__init__.py", "_tools.py", "loop.py", "deploy/__main__.py"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    assert benches.names(tmp_path) == ["deploy", "loop"]
    assert benches.main(["no-such-bench"]) == 2
