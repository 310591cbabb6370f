"""Charts show their labels and numbers, and nothing that runs or comes from elsewhere."""

import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable

import pytest

from beam_pipeline.pages import charts
from beam_pipeline.pages.palette import DARK, LIGHT, PRINT, SERIES, resolve


def show(number: float) -> str:
    return f"{number:g} units"


HOSTILE = "<script>alert(1)</script> & \x07"
DRAWN: dict[str, Callable[[], str]] = {
    "bars": lambda: charts.bars("bars", [("first", 3), ("<second>", None)], show),
    "columns": lambda: charts.columns("columns", [("first", 3), ("<second>", 2)], show),
    "ring": lambda: charts.ring("ring", [("first", 3), ("<second>", 2)]),
    "area": lambda: charts.area("area", [(0, 1), (1, 2), (2, 1)], show, show),
    "lines": lambda: charts.lines(
        "lines", {"first": [(1, 2), (10, 3)], "<second>": [(1, 4)]}, show, show
    ),
}


def texts(svg: str) -> list[str]:
    return [
        element.text or ""
        for element in ElementTree.fromstring(svg).iter()
        if element.tag.endswith("text")
    ]


@pytest.mark.parametrize("kind", DRAWN)
def test_a_chart_is_svg_without_scripts_or_addresses(kind: str) -> None:
    svg = DRAWN[kind]()
    root = ElementTree.fromstring(svg)
    assert root.get("id") == f"chart-{kind}"
    tags = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert not tags & {"script", "image", "a", "foreignObject", "use"}
    assert "http" not in svg.replace('"http://www.w3.org/', "")


@pytest.mark.parametrize("kind", DRAWN)
def test_equal_figures_give_equal_bytes(kind: str) -> None:
    assert DRAWN[kind]() == DRAWN[kind]()


@pytest.mark.parametrize("kind", ["bars", "columns", "ring", "lines"])
def test_labels_are_text(kind: str) -> None:
    assert {"first", "<second>"} <= set(texts(DRAWN[kind]()))


def test_control_characters_in_labels_are_visible() -> None:
    svg = charts.bars("bars", [(HOSTILE, 3)], show)
    assert r"<script>alert(1)</script> & \x07" in texts(svg)


def test_bars_show_their_numbers_and_what_is_missing() -> None:
    found = texts(charts.bars("bars", [("a", 3), ("b", None), ("c", 0)], show, missing="unknown"))
    assert {"3 units", "unknown", "0 units"} <= set(found)


def test_bars_have_the_colors_given() -> None:
    svg = charts.bars("bars", [("a", 3), ("b", 2)], show, colors=["var(--good)", "var(--bad)"])
    first, second = svg.index("fill: var(--good)"), svg.index("fill: var(--bad)")
    assert second < first  # drawn from below


@pytest.mark.parametrize("lines", [1, 2, 3, 5, 12])
def test_lines_have_a_whole_legend_and_whole_axes(lines: int) -> None:
    series = {f"line {number}": [(3, 0.002), (4000, 0.9)] for number in range(lines)}
    svg = charts.lines("lines", series, show, show)
    root = ElementTree.fromstring(svg)
    assert {"0.001 units", "0.01 units", "0.1 units", "1 units"} <= set(texts(svg))
    assert {"3 units", "4000 units", *series} <= set(texts(svg))
    (legends,) = (node for node in root.iter() if node.get("class") == "legends")
    place = re.fullmatch(r"translate\(\d+, (\d+)\)", legends.get("transform", ""))
    assert place is not None
    top = float(place[1])
    bottom = top + max(float(node.attrib["y"]) for node in legends.iter() if node.get("y"))
    assert bottom + 4 < float(root.attrib["viewBox"].split()[-1])  # letters reach below their line


def test_every_color_of_a_chart_is_known_in_every_palette() -> None:
    assert LIGHT.keys() == DARK.keys() >= PRINT.keys()
    for draw in DRAWN.values():
        assert "var(" in draw()
        assert "var(" not in resolve(draw())
    assert len(set(map(resolve, SERIES))) == len(SERIES)


def test_nothing_of_pygal_stays_among_the_import_finders() -> None:
    code = (
        "import sys, beam_pipeline.pages.charts\n"
        "assert all(hasattr(finder, 'find_spec') for finder in sys.meta_path), sys.meta_path\n"
        "assert 'apache_beam' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
