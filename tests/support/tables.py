"""Tables of counts and of records, to and from rows."""

from collections.abc import Iterable, Mapping
from typing import Any, BinaryIO

import pyarrow

from beam_pipeline.io.formats import FORMATS
from transforms.columns.buckets import BucketOfCounts
from transforms.columns.packing import from_bytes
from transforms.columns.tables import records_table


def rows_of(table: pyarrow.Table) -> list[tuple[Any, ...]]:
    """Returns the rows of a table."""
    return list(zip(*(column.to_pylist() for column in table.columns), strict=True))


def counts_of(buckets: Iterable[BucketOfCounts]) -> dict[str, int]:
    """Returns the counts of buckets, none of which has a key of another."""
    rows = [row for _, columns in buckets for row in rows_of(from_bytes(columns))]
    assert len(dict(rows)) == len(rows)
    return dict(rows)


def records_of(counts: Mapping[str, int]) -> pyarrow.Table:
    """Returns the records of counted words, in the order of words."""
    words = sorted(counts)
    signatures = ["".join(sorted(word)) for word in words]
    return records_table(words, [counts[word] for word in words], signatures)


def write_counts(
    output_format: str, counts: Mapping[str, int], file: BinaryIO, rows_at_once: int = 1 << 16
) -> None:
    """Writes a result as a run does."""
    form = FORMATS[output_format]
    table = records_of(counts).select(form.columns)
    parts = (table.slice(at, rows_at_once) for at in range(0, table.num_rows, rows_at_once))
    form.write(map(form.encode, parts), file)
