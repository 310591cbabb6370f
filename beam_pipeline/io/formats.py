"""The formats of result files: how counted words are written, and read again."""

import csv
import functools
import io
import itertools
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import PurePosixPath
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import pyarrow

from transforms.columns.tables import GROUP, RECORDS, SMALL, letters_and_ends
from transforms.files.compression import is_compressed

#: A word and its count.
Counted = tuple[str, int]
#: A group, a word and its count.
CountedInGroup = tuple[str, str, int]

_COUNTED = ("word", "count")
_COUNTED_IN_GROUP = ("group", *_COUNTED)
_HAS_GROUPS = "its words are counted by group"

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
    """How tables of records are written to a file.

    Attributes:
      columns: the names of the columns that it needs.
      encode: encodes a table; several threads may do this in advance.
      write: writes the results of `encode`, in order, to a binary file.
    """

    columns: tuple[str, ...]
    encode: Callable[[pyarrow.Table], Any]
    write: Callable[[Iterable[Any], BinaryIO], None]


# Words consist of letters, marks and digits, which no format needs to escape; tables of words are
# encoded by columns. But records of a user's own pipeline may have any strings, so tables with
# other characters are encoded by the library of their format.


def _by_columns(table: pyarrow.Table, escaped: Iterable[int]) -> bool:
    """Whether a table is large, and none of its strings contains any of these ASCII characters."""
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
    """Joins the pieces of each row, which are columns or constants, and then all rows."""
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


def _json_lines(table: pyarrow.Table, indent: str = "  ") -> bytes:
    if _by_columns(table, _ESCAPED_IN_JSON):
        return _joined([f',\n{indent}"', table["word"], '": ', table["count"]])
    rows = zip(table["word"].to_pylist(), table["count"].to_pylist(), strict=True)
    return "".join(f",\n{indent}{_quoted(word)}: {count}" for word, count in rows).encode()


def _write_json(lines: Iterable[bytes], file: BinaryIO) -> None:
    is_empty = True
    for text in lines:
        file.write(b"{" + text[1:] if is_empty else text)
        is_empty = False
    file.write(b"{}\n" if is_empty else b"\n}\n")


def _json_groups(table: pyarrow.Table) -> list[tuple[str, bytes]]:
    """Returns for each sequence of rows of one group the group and the lines of its words."""
    groups = table["group"].to_pylist()
    begins = [at for at, group in enumerate(groups) if at == 0 or group != groups[at - 1]]
    return [
        (groups[begin], _json_lines(table.slice(begin, end - begin), "    "))
        for begin, end in zip(begins, [*begins[1:], len(groups)], strict=True)
    ]


def _write_json_groups(parts: Iterable[list[tuple[str, bytes]]], file: BinaryIO) -> None:
    current = None
    for group, lines in itertools.chain.from_iterable(parts):
        if group == current:
            file.write(lines)
            continue
        before = b"{" if current is None else b"\n  },"
        file.write(before + b"\n  " + _quoted(group).encode() + b": {" + lines[1:])
        current = group
    file.write(b"{}\n" if current is None else b"\n  }\n}\n")


def _jsonl_lines(table: pyarrow.Table) -> bytes:
    *groups, words, counts, signatures = table.columns
    if _by_columns(table, _ESCAPED_IN_JSON):
        first = ['{"group": "', *groups, '", "word": "'] if groups else ['{"word": "']
        last = [', "signature": "', signatures, '"}\n']
        return _joined([*first, words, '", "count": ', counts, *last])
    lines = (
        f'"word": {_quoted(word)}, "count": {count}, "signature": {_quoted(key)}}}\n'
        for *_, word, count, key in _rows_of(table)
    )
    if not groups:
        return "".join(f"{{{line}" for line in lines).encode()
    named = zip(groups[0].to_pylist(), lines, strict=True)
    return "".join(f'{{"group": {_quoted(group)}, {line}' for group, line in named).encode()


def _csv_lines(table: pyarrow.Table) -> bytes:
    if _by_columns(table, _QUOTED_IN_CSV):
        pieces = [piece for column in table.columns for piece in (",", column)]
        return _joined([*pieces[1:], "\n"])
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(_rows_of(table))
    return text.getvalue().encode()


def _rows_of(table: pyarrow.Table) -> Iterator[tuple[Any, ...]]:
    return zip(*(column.to_pylist() for column in table.columns), strict=True)


def _write_csv(lines: Iterable[bytes], file: BinaryIO) -> None:
    file.write(b"word,count,signature\n")
    _write_all(lines, file)


def _write_csv_groups(lines: Iterable[bytes], file: BinaryIO) -> None:
    file.write(b"group,")
    _write_csv(lines, file)


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


_GROUPED_PARQUET_SCHEMA = _PARQUET_SCHEMA.insert(
    0, pyarrow.field("group", pyarrow.string(), nullable=False)
)


def _parquet_columns(table: pyarrow.Table) -> pyarrow.Table:
    return table.cast(_PARQUET_SCHEMA)


def _grouped_parquet_columns(table: pyarrow.Table) -> pyarrow.Table:
    return table.cast(_GROUPED_PARQUET_SCHEMA)


def write_parquet(
    tables: Iterable[pyarrow.Table],
    file: BinaryIO,
    *,
    rows_in_group: int = 100_000,
    schema: pyarrow.Schema = _PARQUET_SCHEMA,
) -> None:
    """Writes tables of records as Parquet, in row groups that do not depend on where tables end."""
    from pyarrow import parquet  # only here, as it takes a while to load

    with parquet.ParquetWriter(file, schema) as writer:
        rest = schema.empty_table()
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

_GROUPED = (GROUP.name, *RECORDS.names)
# How records of groups are written: the group comes first, in JSON as an object of its words.
_GROUPED_FORMATS: dict[str, Format] = {
    "json": Format(("group", "word", "count"), _json_groups, _write_json_groups),
    "jsonl": Format(_GROUPED, _jsonl_lines, _write_all),
    "csv": Format(_GROUPED, _csv_lines, _write_csv_groups),
    "parquet": Format(
        _GROUPED,
        _grouped_parquet_columns,
        functools.partial(write_parquet, schema=_GROUPED_PARQUET_SCHEMA),
    ),
}


def format_named(name: str, per_group: bool) -> Format:
    """Returns one of `FORMATS`, or its variant for records with groups."""
    return (_GROUPED_FORMATS if per_group else FORMATS)[name]


def _read_json(file: BinaryIO) -> Iterator[Counted]:
    counts = json.load(file, object_pairs_hook=_object)
    if not isinstance(counts, dict):
        raise ValueError("it is not an object of words and their counts")
    if any(isinstance(count, dict) for count in counts.values()):
        raise ValueError(_HAS_GROUPS)
    yield from counts.items()


def _read_json_groups(file: BinaryIO) -> Iterator[CountedInGroup]:
    groups = json.load(file, object_pairs_hook=_object)
    if not isinstance(groups, dict) or not all(isinstance(of, dict) for of in groups.values()):
        raise ValueError("it is not an object of groups, each an object of words and their counts")
    for group, counts in groups.items():
        for word, count in counts.items():
            yield group, word, count


def _read_jsonl(file: BinaryIO, names: Sequence[str] = _COUNTED) -> Iterator[Any]:
    # Not every decompressed file yields lines.
    for number, line in enumerate(io.TextIOWrapper(file, "utf-8-sig"), 1):
        if line.isspace():
            continue
        record = json.loads(line, object_pairs_hook=_object)
        if not isinstance(record, dict) or not record.keys() >= set(names):
            raise ValueError(f"line {number}: is not an object with {' and '.join(names)}")
        _check_groups(record, names)
        yield tuple(record[name] for name in names)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Makes a JSON object, and rejects duplicate keys; the parser would silently take the last."""
    made = dict(pairs)
    if len(made) < len(pairs):
        twice = next(key for key, number in Counter(key for key, _ in pairs).items() if number > 1)
        raise ValueError(f"{twice!r:.60} is there twice")
    return made


def _read_csv(file: BinaryIO, names: Sequence[str] = _COUNTED) -> Iterator[Any]:
    rows = csv.reader(io.TextIOWrapper(file, "utf-8-sig", newline=""), strict=True)
    header = next(rows, [])
    *keys, count = (_index_of(name, header) for name in names)
    _check_groups(header, names)
    for row in filter(None, rows):
        if len(row) != len(header):
            raise ValueError(
                f"line {rows.line_num}: has {len(row)} fields, and the header {len(header)}"
            )
        if not _DIGITS.fullmatch(row[count]):
            raise ValueError(f"line {rows.line_num}: {row[count]!r:.60} is not a count")
        yield (*(row[key] for key in keys), int(row[count]))


def _read_parquet(file: BinaryIO, names: Sequence[str] = _COUNTED) -> Iterator[Any]:
    from pyarrow import parquet  # only here, as it takes a while to load

    table = parquet.ParquetFile(file)
    for name in names:
        _index_of(name, table.schema_arrow.names)
    _check_groups(table.schema_arrow.names, names)
    for batch in table.iter_batches(columns=list(names)):
        yield from zip(*(batch[name].to_pylist() for name in names), strict=True)


def _check_groups(found: Iterable[str], names: Sequence[str]) -> None:
    if "group" not in names and "group" in found:
        raise ValueError(_HAS_GROUPS)


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
#: The same for words that were counted by group, which precedes each word.
GROUPED_READERS: dict[str, Callable[[BinaryIO], Iterator[CountedInGroup]]] = {
    "json": _read_json_groups,
    "jsonl": functools.partial(_read_jsonl, names=_COUNTED_IN_GROUP),
    "csv": functools.partial(_read_csv, names=_COUNTED_IN_GROUP),
    "parquet": functools.partial(_read_parquet, names=_COUNTED_IN_GROUP),
}
