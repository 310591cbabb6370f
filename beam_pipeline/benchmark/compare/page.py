"""A comparison as an HTML page, and its charts as an image."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from beam_pipeline.benchmark.compare.charts import figures
from beam_pipeline.benchmark.compare.metrics import LEGEND
from beam_pipeline.benchmark.compare.results import SubjectResult
from beam_pipeline.benchmark.compare.table import (
    Table,
    make_table,
    mistakes_tables,
    notes,
)
from beam_pipeline.pages.image import to_png
from beam_pipeline.pages.page import render

#: The extensions of the files that `chart` can draw.
FORMATS = (".png", ".html")
_TITLE = "Anagram counts, compared"


class _Section(NamedTuple):
    """What the page says of one subject."""

    table: Table
    notes: list[str]
    mistakes: list[Table]


def chart(
    path: Path,
    results: Sequence[SubjectResult],
    conditions: str,
    remarks: Sequence[str] = (),
    *,
    detailed: bool,
) -> bytes:
    """Draws the charts of a comparison, as an image or as a page with the tables too.

    Args:
      path: ends in one of `FORMATS`.
      results: of all subjects.
      conditions: the seed and whatever else the figures should be read with.
      remarks: what else there is to say, in a line each.
      detailed: whether the tables show the further metrics.
    """
    if path.suffix.lower() == ".png":
        return to_png(_TITLE, figures(results))
    return to_html(results, conditions, remarks, detailed=detailed).encode()


def to_html(
    results: Sequence[SubjectResult],
    conditions: str,
    remarks: Sequence[str] = (),
    *,
    detailed: bool,
) -> str:
    """Renders a comparison as a page. The arguments are those of `chart`."""
    return render(
        "beam_pipeline.benchmark.compare",
        "comparison.html",
        heading=_TITLE,
        conditions=conditions,
        figures=figures(results),
        sections=[
            _Section(make_table(result, detailed=detailed), notes(result), mistakes_tables(result))
            for result in results
        ],
        remarks=remarks,
        legend=LEGEND,
    )
