"""The table of all trials, for a terminal or in Markdown."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from rich.table import Table
from rich.text import Text

from beam_pipeline.benchmark.throughput.rows import Row
from beam_pipeline.benchmark.units import format_bytes, format_seconds
from beam_pipeline.standard_streams import printable

T = TypeVar("T")
_NOTHING = "-"
_COLUMNS = ("", "text", "time", "MB/s", "ratio", "CPU", "peak memory", "largest process")


def terminal_table(rows: Sequence[Row]) -> Table:
    """Makes a table with a line between sections."""
    table = Table()
    for index, column in enumerate(_COLUMNS):
        table.add_column(column, justify="right" if index else "left", no_wrap=not index)
    for before, row in zip([None, *rows], rows, strict=False):
        if before and before.section != row.section:
            table.add_section()
        table.add_row(*map(Text, _cells(row)))
    return table


def markdown_table(rows: Sequence[Row]) -> str:
    """Makes a table in Markdown."""
    cells = [[cell.replace("|", "\\|") for cell in _cells(row)] for row in rows]
    lines = [_COLUMNS, ["---", *["---:"] * (len(_COLUMNS) - 1)], *cells]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cells(row: Row) -> list[str]:
    size = format_bytes(row.size_bytes)
    if row.error:
        return [printable(f"{row.name}: {row.error}"), size, *[_NOTHING] * (len(_COLUMNS) - 2)]
    return [
        row.name,
        size,
        _shown(row.seconds, format_seconds),
        _shown(row.megabytes_per_second, "{:,.1f}".format),
        _shown(row.ratio, "{:.2f}".format),
        _shown(row.cpu_seconds, format_seconds),
        _shown(row.peak_bytes, format_bytes),
        _shown(row.peak_process_bytes, format_bytes),
    ]


def _shown(value: T | None, show: Callable[[T], str]) -> str:
    return _NOTHING if value is None else show(value)
