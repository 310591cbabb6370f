"""The formats of result files: how counted words are written, and read again."""

import csv
import io
import itertools
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import PurePosixPath
from typing import BinaryIO

import pyarrow
import pyarrow.parquet

from transforms.files.compression import is_compressed
from transforms.text.signature import signature

#: A word and its count.
Counted = tuple[str, int]


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


# Words consist of letters, marks and digits only, so no format has to escape anything in them.


def _write_json(counts: Iterable[Counted], file: BinaryIO) -> None:
    before = "{\n"
    for word, count in counts:
        file.write(f'{before}  "{word}": {count}'.encode())
        before = ",\n"
    file.write(b"{}\n" if before == "{\n" else b"\n}\n")


def _write_jsonl(counts: Iterable[Counted], file: BinaryIO) -> None:
    for word, count in counts:
        line = f'{{"word": "{word}", "count": {count}, "signature": "{signature(word)}"}}\n'
        file.write(line.encode())


def _write_csv(counts: Iterable[Counted], file: BinaryIO) -> None:
    file.write(b"word,count,signature\n")
    for word, count in counts:
        file.write(f"{word},{count},{signature(word)}\n".encode())


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
    yield from json.load(file).items()


def _read_jsonl(file: BinaryIO) -> Iterator[Counted]:
    for line in io.TextIOWrapper(file, "utf-8"):  # not every decompressed file yields lines
        record = json.loads(line)
        yield record["word"], record["count"]


def _read_csv(file: BinaryIO) -> Iterator[Counted]:
    for row in csv.DictReader(io.TextIOWrapper(file, "utf-8", newline="")):
        yield row["word"], int(row["count"])


def _read_parquet(file: BinaryIO) -> Iterator[Counted]:
    for batch in pyarrow.parquet.ParquetFile(file).iter_batches(columns=["word", "count"]):
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


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
