"""The parts of the languages' bench that need no engine."""

from __future__ import annotations

import importlib.util
import xml.etree.ElementTree as ElementTree

from bench.languages.images import CONTENDERS, HERE
from bench.languages.measure import PI_10, PI_1000_END
from bench.languages.picture import Panel, draw, number

SVG = "{http://www.w3.org/2000/svg}"


def test_a_picture_is_an_svg_whose_bars_are_in_order() -> None:
    values = [("C++ & co", 0.013), ("bash", 4.5), ("theirs", 0.06)]
    panels = [Panel("linear", values), Panel("many", values, logarithmic=True)]
    root = ElementTree.fromstring(draw(panels, "A <title>", "theirs"))
    assert root.findtext(f"{SVG}title") == "A <title>"
    bars = [float(rect.get("width", "0")) for rect in root.iter(f"{SVG}rect")]
    assert len(bars) == 6
    for found in (bars[:3], bars[3:]):
        assert found[0] < found[2] < found[1]
    assert bars[4] == bars[1]
    assert bars[3] > bars[0]
    texts = [text.text for text in root.iter(f"{SVG}text")]
    assert "C++ & co" in texts
    assert "many, logarithmic" in texts


def test_numbers_are_short() -> None:
    shown = [number(value) for value in (0.0131, 0.456, 4.567, 45.67, 1234.5)]
    assert shown == ["0.013", "0.46", "4.57", "45.7", "1,234"]


def test_the_handlers_are_there_and_compute_pi() -> None:
    for contender in CONTENDERS:
        assert any((HERE / "handlers" / contender.language).iterdir())
    path = HERE / "handlers/python/bench_handlers.py"
    spec = importlib.util.spec_from_file_location("bench_handlers", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.pi({"number": 10}, None) == {"message": PI_10}
    assert module.pi({"number": 1000}, None)["message"].endswith(PI_1000_END)
