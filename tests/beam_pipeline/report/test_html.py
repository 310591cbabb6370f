"""The page of a report shows all text as text, needs nothing from elsewhere, runs nothing."""

import shutil
import subprocess
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beam_pipeline.report.html import to_html
from beam_pipeline.report.model import (
    DeadLetters,
    DictionaryIdentity,
    Distribution,
    Input,
    LargestClass,
    ResultFile,
    RunReport,
)
from tests.support.cli import GIVE_UP
from tests.support.examples import at_most
from tests.support.reports import Page, done, failed

#: Texts that would do something on a careless page.
HOSTILE = (
    "<script>document.title = 'run'</script>",
    "</title><img src=x onerror=\"document.title = 'run'\">",
    "' onmouseover='document.title = 1' \"quoted\" &amp; &lt;",
    "{{ 7 * 7 }} {% raw %}",
    "\u05e9\u05dc\u05d5\u05dd \u202eevil\u202c \u2066isolated\u2069",
    "zero\u200bwidth\u200d\ufeff joined",
)


def with_text(text: str) -> RunReport:
    """A report that has `text` wherever text from outside can be."""
    return done(
        error=text,
        options={"text": text, text: 1},
        dictionary=DictionaryIdentity(text, "unicode"),
        input=Input((text,), 1, 1),
        runner=text,
        dead_letters=DeadLetters(text, 1, {text: 1}),
        result=(ResultFile(text, 1, "ab" * 32),),
    )


PLACES = 9  # of it on the page


@pytest.mark.parametrize("text", HOSTILE)
def test_text_from_outside_is_shown_as_it_is(text: str) -> None:
    page, harmless = Page(to_html(with_text(text))), Page(to_html(with_text("harmless")))
    assert sum(piece == text for piece in page.texts) == PLACES
    assert sum(piece == "harmless" for piece in harmless.texts) == PLACES
    assert page.tags == harmless.tags
    assert page.attributes == harmless.attributes


@settings(max_examples=at_most(30))
@given(st.text().map(lambda text: f"({text})"))
def test_any_text_is_shown_as_it_is(text: str) -> None:
    shown = "".join(
        repr(char)[1:-1] if unicodedata.category(char) in ("Cc", "Cs") else char for char in text
    )
    page = Page(to_html(with_text(text)))
    assert sum(piece == shown for piece in page.texts) == PLACES
    assert "script" not in page.tags


@pytest.mark.parametrize("report", [done(), failed(), with_text(HOSTILE[0])])
def test_a_page_needs_nothing_from_elsewhere_and_runs_nothing(report: RunReport) -> None:
    page = Page(to_html(report))
    assert not page.tags & {"script", "link", "img", "iframe", "object", "embed", "image", "base"}
    for tag, name, value in page.attributes:
        assert name not in ("src", "srcset", "href", "xlink:href", "data", "action"), (tag, value)
        assert not name.startswith("on"), (tag, name)
    assert "url(" not in page.styles
    assert "@import" not in page.styles
    assert ("meta", "content", "default-src 'none'; style-src 'unsafe-inline'") in page.attributes


def test_words_in_charts_are_text_too() -> None:
    classes = (LargestClass("x", 5, ("\u05d0\u05d1\u05d2", "\u05d2\u05d1\u05d0")),)
    page = Page(to_html(done(largest_classes=classes)))
    label = "\u05d0\u05d1\u05d2 \u05d2\u05d1\u05d0"
    assert sum(label in piece for piece in page.texts) >= 2  # in the chart, and in its figures


def test_every_chart_is_there_when_there_is_something_to_show() -> None:
    page = to_html(done())
    charts = {value for tag, name, value in Page(page).attributes if (tag, name) == ("svg", "id")}
    assert charts == {
        f"chart-{name}"
        for name in ("matched", "lengths", "classes", "phases", "throughput", "memory")
    }


def test_nothing_is_said_of_a_few_words_that_means_nothing() -> None:
    one = {"bytes_read": 3, "words": 1, "words_matched": 1, "words_unmatched": 0}
    report = done(
        input=Input(("<text>",), 0, 3),
        words_per_second=0.2,
        bytes_per_second=0.7,
        metrics={**done().metrics, **one, "word_length": Distribution(1, 3, 3.0, 3)},
    )
    texts = Page(to_html(report)).texts
    for said in ("3 bytes", "given as text", "1 word", "one value, 3"):
        assert said in texts
    for nonsense in ("files: 0", "in 0 files", "1 words", "0 a second", "throughput", "0 bytes/s"):
        assert nonsense not in texts
    assert "Bytes read in a second" not in texts


def test_what_a_failed_run_does_not_know_is_not_zero() -> None:
    page = Page(to_html(failed(error="a.txt: byte 7: not valid")))
    assert "a.txt: byte 7: not valid" in page.texts
    assert "unknown: the run failed" in page.texts
    assert "svg" not in page.tags
    assert not any(piece.strip() in ("0", "0.0%", "0 bytes") for piece in page.texts)


def test_the_same_report_is_the_same_page() -> None:
    assert to_html(done()) == to_html(done())


CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no chromium here to show the page in")
@pytest.mark.parametrize("text", HOSTILE)
def test_a_real_browser_shows_text_as_text(text: str, tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text(to_html(with_text(text)), encoding="utf-8")
    shown = Page(_dumped(tmp_path))
    assert sum(piece == text for piece in shown.texts) == PLACES
    assert "Anagram counts: report of a run" in shown.texts  # the title: no script has run


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium here to show the page in")
def test_the_browser_of_these_tests_does_run_scripts(tmp_path: Path) -> None:
    careless = f"<title>untouched</title><p>{HOSTILE[0]}</p>"
    (tmp_path / "report.html").write_text(careless, encoding="utf-8")
    assert "run" in Page(_dumped(tmp_path)).texts


def _dumped(folder: Path) -> str:
    """The page in `folder` as a browser has it once all is loaded and run."""
    command = [
        *(str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"),
        *(f"--user-data-dir={folder / 'profile'}", (folder / "report.html").as_uri()),
    ]
    finished = subprocess.run(command, capture_output=True, timeout=GIVE_UP, check=True)
    return finished.stdout.decode()
