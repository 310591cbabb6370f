"""An image has the charts and their text, and a machine that cannot draw one says why."""

import sys
import xml.etree.ElementTree as ElementTree

import pytest

from beam_pipeline.pages import charts, image
from beam_pipeline.pages.page import Figure

FIGURES = [
    Figure("Bars & <more>", charts.bars("bars", [("a", 3), ("b", 2)], str)),
    Figure("Lines", charts.lines("lines", {"a": [(1, 2), (10, 3)]}, str, str)),
]


def test_the_drawing_needs_no_style_sheet_and_has_all_figures() -> None:
    svg = image.to_svg("<Title>", FIGURES)
    root = ElementTree.fromstring(svg)
    texts = {element.text for element in root.iter() if element.tag.endswith("text")}
    assert {"<Title>", "Bars & <more>", "Lines", "a", "b"} <= texts
    assert "var(" not in svg
    assert "font-family:DejaVu Sans" in svg and "font-family:inherit" not in svg
    places = [
        (float(part.attrib["x"]), float(part.attrib["width"])) for part in root if part.get("id")
    ]
    assert len(places) == 2
    assert places[0][0] + places[0][1] < places[1][0]
    assert places[1][0] + places[1][1] < float(root.attrib["width"])


def test_an_image_is_a_png_in_which_text_is_drawn() -> None:
    pytest.importorskip("resvg_py")
    if reason := image.why_unavailable():
        pytest.skip(reason)
    drawn = image.to_png("Title", FIGURES)
    assert drawn.startswith(b"\x89PNG")
    assert drawn != image.to_png("Other", FIGURES)


def test_an_image_without_figures_is_one_too() -> None:
    pytest.importorskip("resvg_py")
    assert image.to_png("Title", []).startswith(b"\x89PNG")


def test_a_missing_library_is_named_with_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    reason = image.why_unavailable()
    assert reason and "resvg-py" in reason and "[plots]" in reason and ".html" in reason


def test_missing_fonts_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    resvg_py = pytest.importorskip("resvg_py")
    draw = resvg_py.svg_to_bytes
    monkeypatch.setattr(
        resvg_py, "svg_to_bytes", lambda **given: draw(**given, skip_system_fonts=True)
    )
    reason = image.why_unavailable()
    assert reason and "font" in reason and ".html" in reason
