"""The formats of result files: how counted words are written, and read again."""

import csv
import io
import itertools
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import PurePosixPath
from typing import Any, BinaryIO

import pyarrow
import pyarrow.parquet

from transforms.files.compression import is_compressed
from transforms.text.signature import signature

#: A word and its count.
Counted = tuple[str, int]

_ROWS_AT_ONCE = 10_000
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


# Words consist of letters, marks and digits, in which no format has anything to escape. But the
# records of a pipeline of somebody's own may hold any string, so each format's library writes it.


def _write_json(counts: Iterable[Counted], file: BinaryIO) -> None:
    before = "{\n"
    for word, count in counts:
        file.write(f"{before}  {_quoted(word)}: {count}".encode())
        before = ",\n"
    file.write(b"{}\n" if before == "{\n" else b"\n}\n")


def _write_jsonl(counts: Iterable[Counted], file: BinaryIO) -> None:
    for word, count in counts:
        key = _quoted(signature(word))
        line = f'{{"word": {_quoted(word)}, "count": {count}, "signature": {key}}}\n'
        file.write(line.encode())


def _write_csv(
    counts: Iterable[Counted], file: BinaryIO, *, rows_at_once: int = _ROWS_AT_ONCE
) -> None:
    file.write(b"word,count,signature\n")
    remaining = iter(counts)
    while rows := list(itertools.islice(remaining, rows_at_once)):
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerows((word, count, signature(word)) for word, count in rows)
        file.write(text.getvalue().encode())


_PARQUET_SCHEMA = pyarrow.schema(
    [
        pyarrow.field("word", pyarrow.string(), nullable=False),
        pyarrow.field("count", pyarrow.int64(), nullable=False),
        pyarrow.field("signature", pyarrow.string(), nullable=False),
    ]
)


def write_parquet(
    counts: Iterable[Counted], file: BinaryIO, *, rows_in_group: int = 100_000
) -> None:
    """Writes counted words as Parquet, of which at most one row group is in memory."""
    with pyarrow.parquet.ParquetWriter(file, _PARQUET_SCHEMA) as writer:
        remaining = iter(counts)
        while rows := list(itertools.islice(remaining, rows_in_group)):
            words, numbers = zip(*rows, strict=True)
            columns = [list(words), list(numbers), [signature(word) for word in words]]
            arrays = map(pyarrow.array, columns, _PARQUET_SCHEMA.types)
            writer.write_batch(pyarrow.record_batch(list(arrays), schema=_PARQUET_SCHEMA))


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
    table = pyarrow.parquet.ParquetFile(file)
    for name in ("word", "count"):
        _index_of(name, table.schema_arrow.names)
    for batch in table.iter_batches(columns=["word", "count"]):
        yield from zip(batch["word"].to_pylist(), batch["count"].to_pylist(), strict=True)


def _index_of(name: str, header: Sequence[str]) -> int:
    if header.count(name) != 1:
        number = "no column" if name not in header else "more than one column"
        raise ValueError(f"it has {number} {name!r}")
    return header.index(name)


#: For each format, a function that writes counted words, which come in order, to a binary file.
FORMATS: dict[str, Callable[[Iterable[Counted], BinaryIO], None]] = {
    "json": _write_json,
    "jsonl": _write_jsonl,
    "csv": _write_csv,
    "parquet": write_parquet,
}

#: For each format, a function that reads counted words from a binary file. It may raise whatever
#: its parser raises, and does not check types.
READERS: dict[str, Callable[[BinaryIO], Iterator[Counted]]] = {
    "json": _read_json,
    "jsonl": _read_jsonl,
    "csv": _read_csv,
    "parquet": _read_parquet,
}
