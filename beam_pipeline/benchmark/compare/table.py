"""The table of one subject: for a terminal, in Markdown, and as cells for a page."""

import re
from dataclasses import dataclass
from typing import NamedTuple

from rich.table import Table as RichTable
from rich.text import Text

from beam_pipeline.benchmark.compare.metrics import DETAILS, METRICS, winners
from beam_pipeline.benchmark.compare.results import SubjectResult
from beam_pipeline.benchmark.compare.summary import summarize
from beam_pipeline.benchmark.units import format_bytes, format_count
from beam_pipeline.standard_streams import printable

_MAX_WORD = 40
# With more orchestrators than this, each has a row instead of a column.
_MAX_COLUMNS = 4
_BEST = "bold green"


class Cell(NamedTuple):
    """What is shown of an orchestrator for a metric, and whether nobody is better."""

    text: str
    is_best: bool


@dataclass(frozen=True)
class Table:
    """Labelled rows and columns of cells.

    Attributes:
      title: what it is about.
      columns: the labels of the columns.
      rows: the label and the cells of each row.
    """

    title: str
    columns: list[str]
    rows: list[tuple[str, list[Cell]]]

    def transposed(self) -> "Table":
        """Returns the table with its rows as columns."""
        labels = [label for label, _ in self.rows]
        columns = zip(*(cells for _, cells in self.rows), strict=True)
        rows = [(label, list(cells)) for label, cells in zip(self.columns, columns, strict=True)]
        return Table(self.title, labels, rows)


def make_table(result: SubjectResult, *, detailed: bool) -> Table:
    """Makes the table of a subject, with a row for each orchestrator.

    Args:
      result: of all orchestrators on the subject.
      detailed: whether to show the further metrics.
    """
    summaries = summarize(result)
    best = winners(summaries)
    metrics = (*METRICS, *(DETAILS if detailed else ()))
    rows = [
        (
            printable(summary.name),
            [
                Cell(printable(metric.show(summary)), summary.name in best.get(metric.name, ()))
                for metric in metrics
            ],
        )
        for summary in summaries
    ]
    return Table(title(result), [metric.label for metric in metrics], rows)


def terminal_table(result: SubjectResult, *, detailed: bool) -> RichTable:
    """Makes a table in which the best of each metric is green."""
    table = _arranged(make_table(result, detailed=detailed))
    shown = for_terminal(table)
    shown.title, shown.title_justify = Text(table.title), "left"
    return shown


def markdown_table(result: SubjectResult, *, detailed: bool) -> str:
    """Makes a table in which the best of each metric is bold."""
    return in_markdown(_arranged(make_table(result, detailed=detailed)))


def mistakes_tables(result: SubjectResult) -> list[Table]:
    """Makes a table for each orchestrator that was wrong: some words, what was expected, and got.

    The words are of its first wrong answer.
    """
    tables = []
    for one in result.orchestrators:
        wrong = next((judged for judged in one.runs if judged.is_wrong), None)
        if wrong is None:
            continue
        differs = wrong.difference
        words = len(differs.missing) + len(differs.wrong) + len(differs.extra)
        heading = f"{one.name}, first wrong answer ({wrong.purpose.value} text): "
        heading += f"{format_count(words)} word{'s' * (words != 1)} differ{'s' * (words == 1)}"
        rows = [
            (
                f"'{printable(mistake.word[:_MAX_WORD])}'",
                [Cell(_count(mistake.expected), False), Cell(_count(mistake.got), False)],
            )
            for mistake in wrong.mistakes
        ]
        tables.append(Table(printable(heading), ["expected", "got"], rows))
    return tables


def for_terminal(table: Table) -> RichTable:
    """Draws a table for a terminal, without its title, which may be wider."""
    shown = RichTable()
    shown.add_column("", no_wrap=True)
    for label in table.columns:
        shown.add_column(Text(label), justify="right")
    for label, cells in table.rows:
        styled = (Text.assemble((cell.text, _BEST if cell.is_best else "")) for cell in cells)
        shown.add_row(Text(label), *styled)
    return shown


def in_markdown(table: Table) -> str:
    """Writes a table in Markdown."""
    lines = [["", *map(_escaped, table.columns)], ["---", *["---:"] * len(table.columns)]]
    for label, cells in table.rows:
        texts = [(_escaped(cell.text), cell.is_best) for cell in cells]
        lines.append([_escaped(label), *(f"**{text}**" if best else text for text, best in texts)])
    rows = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"{_escaped(table.title)}\n\n{rows}\n"


def title(result: SubjectResult) -> str:
    """Says what was compared on."""
    words = f"{format_count(result.words)} word{'s' * (result.words != 1)}"
    return f"{printable(result.subject)}: {words}, {format_bytes(result.size_bytes)}"


def notes(result: SubjectResult) -> list[str]:
    """Says what else there is to know of each orchestrator, in a line each."""
    return [
        printable(f"{summary.name}: {note}")
        for summary in summarize(result)
        for note in summary.notes
    ]


def _count(count: int | None) -> str:
    return "-" if count is None else format_count(count)


def _escaped(text: str) -> str:
    """Returns a text as Markdown shows it as it is."""
    return re.sub(r"([\\`*\[<|])", r"\\\1", text)


def _arranged(table: Table) -> Table:
    """Turns the table so that it is not too wide: few orchestrators get a column each."""
    return table.transposed() if len(table.rows) <= _MAX_COLUMNS else table
