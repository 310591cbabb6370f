"""The page of a comparison has its charts, its tables and its seed, and runs nothing."""

from pathlib import Path

import pytest

from beam_pipeline.benchmark.compare.charts import figures
from beam_pipeline.benchmark.compare.mistakes import Mistake
from beam_pipeline.benchmark.compare.page import chart, to_html
from beam_pipeline.benchmark.compare.verdict import JudgedRun, Purpose
from beam_pipeline.cases import Difference
from tests.beam_pipeline.benchmark.compare.build import measured, orchestrator, run, subject
from tests.support.reports import Page

WRONG = JudgedRun(Purpose.MEASURED, run(0.1), Difference(extra=("dog",)))
SMALL = subject(
    orchestrator("a", *measured(1, 2, 3)),
    orchestrator("b", *measured(4, 5, 6, memory=200)),
    orchestrator("c", WRONG),
    orchestrator("d"),
    name="small",
    size_bytes=10,
)
LARGE = subject(
    orchestrator("a", *measured(10, 20, 30)), orchestrator("b", *measured(40)), name="large"
)


def ids(page: Page) -> set[str]:
    return {value for tag, name, value in page.attributes if (tag, name) == ("svg", "id")}


def test_a_page_has_tables_charts_and_conditions() -> None:
    page = Page(to_html([SMALL, LARGE], "seed abc; 2 cores", detailed=False))
    assert ids(page) == {"chart-runtime", "chart-memory", "chart-success"}
    for text in ("seed abc; 2 cores", "small: 600 words, 10 B", "large: 600 words, 3.00 kB"):
        assert text in page.texts
    for text in ("success ↑", "100 % (3/3)", "WRONG", "c: measured text: 1 extra (dog)"):
        assert text in page.texts
    assert "standard deviation" not in page.texts
    assert "standard deviation" in Page(to_html([SMALL], "", detailed=True)).texts


def test_the_best_is_marked_and_each_cell_has_its_label_for_a_narrow_screen() -> None:
    page = Page(to_html([SMALL], "", detailed=False))
    labels = [value for tag, name, value in page.attributes if (tag, name) == ("td", "data-label")]
    assert labels.count("runtime, median ↓") == 4
    classes = [value for tag, name, value in page.attributes if (tag, name) == ("td", "class")]
    assert "number best" in classes
    assert "number" in classes


def test_a_page_needs_nothing_from_elsewhere_and_runs_nothing() -> None:
    page = Page(to_html([SMALL, LARGE], "", detailed=True))
    assert not page.tags & {"script", "link", "img", "iframe", "object", "embed", "image", "base"}
    for tag, name, value in page.attributes:
        assert name not in ("src", "srcset", "href", "xlink:href", "data", "action"), (tag, value)
        assert not name.startswith("on"), (tag, name)
    assert "url(" not in page.styles and "@import" not in page.styles


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", "{{ 7 * 7 }}", "a\x07\udc80b"])
def test_names_from_outside_are_shown_as_text(text: str) -> None:
    hostile = subject(orchestrator(text, *measured(1)), name=text)
    hostile.orchestrators[0].runs.append(WRONG)
    page = Page(to_html([hostile], text, detailed=False))
    shown = text.replace("\x07", r"\x07").replace("\udc80", r"\udc80")
    assert f"{shown}: 600 words, 3.00 kB" in page.texts
    assert shown in page.texts
    assert "script" not in page.tags


def test_one_size_is_drawn_as_bars_and_several_as_lines() -> None:
    (bars, *_) = figures([SMALL])
    assert bars.title == "Runtime, median"
    assert "horizontalbar-graph" in bars.svg and "2.00 s" in bars.svg
    (lines, *_) = figures([LARGE, SMALL])
    assert lines.title == "Runtime, median, by size of the text"
    assert "xy-graph" in lines.svg
    assert lines.rows[:2] == [("a, 10 B", "2.00 s"), ("a, 3.00 kB", "20.0 s")]


def test_several_texts_of_one_size_have_a_bar_each() -> None:
    again = subject(orchestrator("a", *measured(7, 8, 9)), name="again", size_bytes=10)
    (bars, *_) = figures([SMALL, again])
    assert "horizontalbar-graph" in bars.svg
    for text in ("a, small", "a, again", "2.00 s", "8.00 s"):
        assert f">{text}<" in bars.svg


def test_mistakes_and_remarks_are_on_the_page() -> None:
    mistaken = JudgedRun(
        Purpose.PROBE,
        run(1),
        Difference(missing=("act",), wrong=("cat",), extra=("dog",)),
        (Mistake("act", 2, None), Mistake("cat", 2, 1), Mistake("<b>", None, 1)),
    )
    page = Page(to_html([subject(orchestrator("c", mistaken))], "", ["skipped"], detailed=False))
    for text in ("c, first wrong answer (probe text): 3 words differ", "expected", "'<b>'"):
        assert text in page.texts
    assert "skipped" in page.texts


def test_who_was_wrong_is_in_no_chart_and_who_has_no_figures_is_not_zero() -> None:
    for figure in figures([SMALL]):
        assert ">c<" not in figure.svg
        assert ">d<" in figure.svg
    _, memory, success = figures([SMALL])
    assert "not measured" in memory.svg
    assert "0 %" in success.svg


def test_where_nobody_is_right_there_are_no_charts() -> None:
    wrong = subject(orchestrator("c", WRONG))
    assert figures([wrong]) == []
    assert ids(Page(to_html([wrong], "", detailed=False))) == set()


def test_an_empty_text_has_a_place_on_a_logarithmic_axis() -> None:
    empty = subject(orchestrator("a", *measured(1)), name="empty", size_bytes=0)
    assert "xy-graph" in figures([empty, LARGE])[0].svg


def test_the_extension_decides_what_is_drawn() -> None:
    assert b"seed abc" in chart(Path("a.HTML"), [SMALL], "seed abc", detailed=False)
    pytest.importorskip("resvg_py")
    image = chart(Path("a.png"), [SMALL, LARGE], "seed abc", detailed=False)
    assert image.startswith(b"\x89PNG")
