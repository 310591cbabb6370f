"""A page shows what it is given as text, except its charts."""

from pathlib import Path

import pytest

from beam_pipeline.pages.page import Figure, render
from tests.support.reports import Page


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A package with a template of its own."""
    folder = tmp_path / "some_pages" / "templates"
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").touch()
    (folder / "some.html").write_text(
        '{% extends "base.html" %}{% from "macros.html" import charts %}'
        "{% block title %}{{ title }}{% endblock %}"
        "{% block content %}<p>{{ text }}</p>{{ charts(figures) }}{% endblock %}"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    return "some_pages"


def test_a_template_extends_the_base_and_its_text_is_escaped(package: str) -> None:
    figure = Figure("A <figure>", "<svg><text>drawn</text></svg>", [("<name>", "1 & 2")])
    page = Page(render(package, "some.html", title="<title>", text="<b>\x07</b>", figures=[figure]))
    for text in ("<title>", r"<b>\x07</b>", "A <figure>", "<name>", "1 & 2", "drawn"):
        assert text in page.texts
    assert {"svg", "figure"} <= page.tags
    assert not page.tags & {"script", "link", "img", "b"}


def test_colors_are_there_for_light_and_dark_and_paper(package: str) -> None:
    page = Page(render(package, "some.html", title="", text="", figures=[]))
    assert page.styles.count("--series-1:") == 3
    assert "prefers-color-scheme: dark" in page.styles
    assert "@media print" in page.styles
