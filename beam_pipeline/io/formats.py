"""The formats of result files: how counted words are written, and read again."""

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import PurePosixPath
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import pyarrow

from transforms.columns.tables import RECORDS, SMALL, letters_and_ends
from transforms.files.compression import is_compressed

#: A word and its count.
Counted = tuple[str, int]

_DIGITS = re.compile("[0-9]+")
_quoted = json.JSONEncoder(ensure_ascii=False).encode


def format_of(path: str) -> str | None:
    """Returns the format that the extension of a path names.

    The extension of a compression is skipped. A path without an extension means ``json``.

    Returns:
      One of `FORMATS`, or None if the extension names none of them.

    Example:
      >>> format_of("counts.csv.gz"), format_of("counts"), format_of("counts.xml")
      ('csv', 'json', None)
    """
    suffixes = PurePosixPath(path).suffixes
    if is_compressed(path):
        suffixes.pop()
    name = suffixes[-1].removeprefix(".").lower() if suffixes else "json"
    return name if name in FORMATS else None


class Format(NamedTuple):
    """How tables of records become a file.

    Attributes:
      columns: which ones it needs.
      encode: makes what is written of a table; other threads may do this ahead.
      write: writes what `encode` has made of tables, in order, to a binary file.
    """

    columns: tuple[str, ...]
    encode: Callable[[pyarrow.Table], Any]
    write: Callable[[Iterable[Any], BinaryIO], None]


# Words consist of letters, marks and digits, in which no format has anything to escape; such tables
# are encoded by columns. But the records of a pipeline of somebody's own may hold any string, so
# rows with anything else are encoded by the library of their format.


def _by_columns(table: pyarrow.Table, escaped: Iterable[int]) -> bool:
    """Whether a table is large, and none of its strings has any of some ASCII characters."""
    if table.num_rows <= SMALL:
        return False
    is_special = np.zeros(256, bool)
    is_special[list(escaped)] = True
    for column in table.columns:
        if pyarrow.types.is_large_string(column.type):
            letters, ends = letters_and_ends(column.combine_chunks())
            if is_special[letters[ends[0] : ends[-1]]].any():
                return False
    return True


def _joined(pieces: Sequence[str | pyarrow.ChunkedArray]) -> bytes:
    """Joins what stands in each row, or is the same in all, and then all rows."""
    import pyarrow.compute as pc  # only here, as it takes a while to load

    columns = [
        pyarrow.scalar(piece, pyarrow.large_string())
        if isinstance(piece, str)
        else piece.combine_chunks().cast(pyarrow.large_string())
        for piece in [*pieces, ""]  # the last one separates all others
    ]
    lines = pc.binary_join_element_wise(*columns)
    letters, ends = letters_and_ends(lines)
    return letters[ends[0] : ends[-1]].tobytes()


_ESCAPED_IN_JSON = (*range(0x20), *b'"\\')
_QUOTED_IN_CSV = tuple(b'",\r\n')


def _json_lines(table: pyarrow.Table) -> bytes:
    if _by_columns(table, _ESCAPED_IN_JSON):
        return _joined([',\n  "', table["word"], '": ', table["count"]])
    rows = zip(table["word"].to_pylist(), table["count"].to_pylist(), strict=True)
    return "".join(f",\n  {_quoted(word)}: {count}" for word, count in rows).encode()


def _write_json(lines: Iterable[bytes], file: BinaryIO) -> None:
    is_empty = True
    for text in lines:
        file.write(b"{" + text[1:] if is_empty else text)
        is_empty = False
    file.write(b"{}\n" if is_empty else b"\n}\n")


def _jsonl_lines(table: pyarrow.Table) -> bytes:
    names = ('{"word": "', '", "count": ', ', "signature": "')
    if _by_columns(table, _ESCAPED_IN_JSON):
        pieces = [piece for pair in zip(names, table.columns, strict=True) for piece in pair]
        return _joined([*pieces, '"}\n'])
    return "".join(
        f'{{"word": {_quoted(word)}, "count": {count}, "signature": {_quoted(key)}}}\n'
        for word, count, key in _rows_of(table)
    ).encode()


def _csv_lines(table: pyarrow.Table) -> bytes:
    if _by_columns(table, _QUOTED_IN_CSV):
        return _joined([table["word"], ",", table["count"], ",", table["signature"], "\n"])
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(_rows_of(table))
    return text.getvalue().encode()


def _rows_of(table: pyarrow.Table) -> Iterator[tuple[Any, ...]]:
    return zip(*(column.to_pylist() for column in table.columns), strict=True)


def _write_csv(lines: Iterable[bytes], file: BinaryIO) -> None:
    file.write(b"word,count,signature\n")
    _write_all(lines, file)


def _write_all(lines: Iterable[bytes], file: BinaryIO) -> None:
    for text in lines:  # not every file of Beam's has `writelines`
        file.write(text)


_PARQUET_SCHEMA = pyarrow.schema(
    [
        pyarrow.field("word", pyarrow.string(), nullable=False),
        pyarrow.field("count", pyarrow.int64(), nullable=False),
        pyarrow.field("signature", pyarrow.string(), nullable=False),
    ]
)


def _parquet_columns(table: pyarrow.Table) -> pyarrow.Table:
    return table.cast(_PARQUET_SCHEMA)


def write_parquet(
    tables: Iterable[pyarrow.Table], file: BinaryIO, *, rows_in_group: int = 100_000
) -> None:
    """Writes tables of records as Parquet, in row groups that do not depend on where tables end."""
    from pyarrow import parquet  # only here, as it takes a while to load

    with parquet.ParquetWriter(file, _PARQUET_SCHEMA) as writer:
        rest = _PARQUET_SCHEMA.empty_table()
        for table in tables:
            rest = pyarrow.concat_tables([rest, table])
            while rest.num_rows >= rows_in_group:
                writer.write_table(rest.slice(0, rows_in_group).combine_chunks(), rows_in_group)
                rest = rest.slice(rows_in_group)
        if rest.num_rows:
            writer.write_table(rest.combine_chunks(), rows_in_group)


#: How each format is written.
FORMATS: dict[str, Format] = {
    "json": Format(("word", "count"), _json_lines, _write_json),
    "jsonl": Format(tuple(RECORDS.names), _jsonl_lines, _write_all),
    "csv": Format(tuple(RECORDS.names), _csv_lines, _write_csv),
    "parquet": Format(tuple(RECORDS.names), _parquet_columns, write_parquet),
}


def _read_json(file: BinaryIO) -> Iterator[Counted]:
    counts = json.load(file, object_pairs_hook=_object)
    if not isinstance(counts, dict):
        raise ValueError("it is not an object of words and their counts")
    yield from counts.items()


def _read_jsonl(file: BinaryIO) -> Iterator[Counted]:
    # Not every decompressed file yields lines.
    for number, line in enumerate(io.TextIOWrapper(file, "utf-8-sig"), 1):
        if line.isspace():
            continue
        record = json.loads(line, object_pairs_hook=_object)
        if not isinstance(record, dict) or not record.keys() >= {"word", "count"}:
            raise ValueError(f"line {number}: is not an object with word and count")
        yield record["word"], record["count"]


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Makes an object of JSON; of equal keys the parser would silently take the last."""
    made = dict(pairs)
    if len(made) < len(pairs):
        twice = next(key for key, number in Counter(key for key, _ in pairs).items() if number > 1)
        raise ValueError(f"{twice!r:.60} is there twice")
    return made


def _read_csv(file: BinaryIO) -> Iterator[Counted]:
    rows = csv.reader(io.TextIOWrapper(file, "utf-8-sig", newline=""), strict=True)
    header = next(rows, [])
    word, count = (_index_of(name, header) for name in ("word", "count"))
    for row in filter(None, rows):
        if len(row) != len(header):
            raise ValueError(
                f"line {rows.line_num}: has {len(row)} fields, and the header {len(header)}"
            )
        if not _DIGITS.fullmatch(row[count]):
            raise ValueError(f"line {rows.line_num}: {row[count]!r:.60} is not a count")
        yield row[word], int(row[count])


def _read_parquet(file: BinaryIO) -> Iterator[Counted]:
    from pyarrow import parquet  # only here, as it takes a while to load

    table = parquet.ParquetFile(file)
    for name in ("word", "count"):
        _index_of(name, table.schema_arrow.names)
    for batch in table.iter_batches(columns=["word", "count"]):
        yield from zip(batch["word"].to_pylist(), batch["count"].to_pylist(), strict=True)


def _index_of(name: str, header: Sequence[str]) -> int:
    if header.count(name) != 1:
        number = "no column" if name not in header else "more than one column"
        raise ValueError(f"it has {number} {name!r}")
    return header.index(name)


#: For each format, a function that reads counted words from a binary file. It may raise whatever
#: its parser raises, and does not check types.
READERS: dict[str, Callable[[BinaryIO], Iterator[Counted]]] = {
    "json": _read_json,
    "jsonl": _read_jsonl,
    "csv": _read_csv,
    "parquet": _read_parquet,
}
