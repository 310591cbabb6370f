"""`AnagramCount` records -> one sorted file, or shards, that appear whole or not at all.

Records are packed into sorted runs, the runs of a shard merged into a temporary file beside
the output, and the temporary files renamed when all of them stand. A run holds its records as
lines of text in UTF-8, whose byte order is the order of the words, so that merging needs
memory for the packed runs only.
"""

import glob
import heapq
import io
import itertools
import os
import re
import uuid
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

import apache_beam as beam
import pyarrow
import pyarrow.parquet
from apache_beam.io.filesystem import BeamIOError, CompressionTypes
from apache_beam.io.filesystems import FileSystems
from apache_beam.pvalue import AsList, PCollection
from apache_beam.utils.windowed_value import WindowedValue

from transforms.bundles import in_global_window
from transforms.checks import check_one_of, check_positive
from transforms.errors import AnagramError
from transforms.expand import AnagramCount
from transforms.signature import signature

#: A word and its count, as text: all that a packed run has to hold of a record.
Counted = tuple[str, int]

_RUN_RECORDS = 50_000
_ROW_GROUP = 100_000


@dataclass
class WriteResult(beam.PTransform):
    """`AnagramCount` -> the paths of the files written, once they stand.

    Attributes:
      path: the file; with more than one shard, ``path-00000-of-0000N`` and so on.
      format: one of `FORMATS`.
      num_shards: number of files. A word's shard depends on the word only.

    Raises (when it runs):
      AnagramError: the output cannot be written.
    """

    path: str
    format: str = "json"
    num_shards: int = 1
    token: str = field(default_factory=lambda: uuid.uuid4().hex[:12])

    def __post_init__(self) -> None:
        super().__init__()
        check_one_of(FORMATS, format=self.format)
        check_positive(num_shards=self.num_shards)

    def expand(self, records: PCollection[AnagramCount]) -> PCollection[str]:
        runs = records | "PackRuns" >> beam.ParDo(_PackFn(self.num_shards)).with_output_types(
            tuple[int, bytes]
        )
        # A shard without records is a file too, so every shard gets an empty run.
        empty = records.pipeline | "EmptyRuns" >> beam.Create(
            [(shard, b"") for shard in range(self.num_shards)], reshuffle=False
        ).with_output_types(tuple[int, bytes])
        written = (
            (runs, empty)
            | "AllRuns" >> beam.Flatten()
            | "GroupByShard" >> beam.GroupByKey()
            | "WriteShards" >> beam.Map(self._write_shard).with_output_types(tuple[str, str])
        )
        return (
            records.pipeline
            | "Publish" >> beam.Create([None], reshuffle=False)
            | "RenameShards" >> beam.FlatMap(_publish, AsList(written)).with_output_types(str)
        )

    def _write_shard(self, shard_and_runs: tuple[int, Iterable[bytes]]) -> tuple[str, str]:
        shard, runs = shard_and_runs
        final = shard_path(self.path, shard, self.num_shards)
        temporary = temporary_path(final, self.token)
        try:
            compression = CompressionTypes.detect_compression_type(self.path)
            with FileSystems.create(temporary, compression_type=compression) as file:
                FORMATS[self.format](merge(runs), file)
        except Exception as error:  # each filesystem raises its own
            raise AnagramError(f"--output={self.path}: cannot be written ({error})") from error
        return temporary, final


def shard_path(path: str, shard: int, num_shards: int) -> str:
    """The path of one shard of an output."""
    return path if num_shards == 1 else f"{path}-{shard:05d}-of-{num_shards:05d}"


def temporary_path(path: str, token: str) -> str:
    """Where `path` is written before it is published: beside it, hidden."""
    folder, name = FileSystems.split(path)
    return str(FileSystems.join(folder, f".{name}.{token}.{uuid.uuid4().hex[:8]}.tmp"))


class _PackFn(beam.DoFn):
    """Records -> (shard, a sorted run of them packed into bytes)."""

    def __init__(self, num_shards: int):
        self._num_shards = num_shards

    def start_bundle(self) -> None:
        self._lines: defaultdict[int, list[bytes]] = defaultdict(list)

    def process(self, record: AnagramCount) -> Iterator[tuple[int, bytes]]:
        word = record.word.encode()
        shard = zlib.crc32(word) % self._num_shards if self._num_shards > 1 else 0
        lines = self._lines[shard]
        lines.append(b"%s\t%d\n" % (word, record.count))
        if len(lines) >= _RUN_RECORDS:
            yield shard, _pack(self._lines.pop(shard))

    def finish_bundle(self) -> Iterator[WindowedValue]:
        return in_global_window((shard, _pack(lines)) for shard, lines in self._lines.items())


def _pack(lines: list[bytes]) -> bytes:
    # A tab sorts before every character of a word: lines sort as their words do.
    return b"".join(sorted(lines))


def merge(runs: Iterable[bytes]) -> Iterator[Counted]:
    """Packed runs -> their (word, count) in the order of the words."""
    for line in heapq.merge(*(io.BytesIO(run) for run in runs if run)):
        word, _, count = line.decode().partition("\t")
        yield word, int(count)


def _publish(_: None, written: list[tuple[str, str]]) -> Iterator[str]:
    for temporary, final in sorted(written, key=lambda pair: pair[1]):
        try:
            _replace(temporary, final)
        except Exception as error:  # each filesystem raises its own
            raise AnagramError(f"--output={final}: cannot be written ({error})") from error
        yield final


def _replace(temporary: str, final: str) -> None:
    if not FileSystems.exists(temporary) and FileSystems.exists(final):
        return  # an earlier attempt of this bundle has renamed it
    if FileSystems.get_scheme(final) is None:
        os.replace(temporary, final)
        return
    try:
        FileSystems.rename([temporary], [final])
    except BeamIOError:  # some filesystems do not rename onto a file
        FileSystems.delete([final])
        FileSystems.rename([temporary], [final])


def is_temporary(path: str) -> bool:
    """Whether `path` looks like one of `temporary_path`, and so is nobody's text."""
    return bool(re.search(r"(^|/)\.[^/]+\.[0-9a-f]{12}\.[0-9a-f]{8}\.tmp$", path))


def discard_temporary(path: str, token: str) -> None:
    """Deletes what a run with this `token` has left beside its output `path`."""
    folder, name = FileSystems.split(path)
    pattern = FileSystems.join(glob.escape(folder), f".{glob.escape(name)}*.{token}.*.tmp")
    if FileSystems.get_scheme(path) is None:
        for left in glob.glob(pattern):  # Beam would walk through all folders below
            os.remove(left)
        return
    matches = FileSystems.match([pattern])
    if found := [file.path for match in matches for file in match.metadata_list]:
        FileSystems.delete(found)


# Words hold letters, marks and digits only: no format has anything in them to escape.


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


def _write_parquet(counts: Iterable[Counted], file: BinaryIO) -> None:
    with pyarrow.parquet.ParquetWriter(file, _PARQUET_SCHEMA) as writer:
        remaining = iter(counts)
        while group := list(itertools.islice(remaining, _ROW_GROUP)):
            words, numbers = zip(*group, strict=True)
            columns = [list(words), list(numbers), [signature(word) for word in words]]
            arrays = map(pyarrow.array, columns, _PARQUET_SCHEMA.types)
            writer.write_batch(pyarrow.record_batch(list(arrays), schema=_PARQUET_SCHEMA))


#: Output format -> writes counted words, which come in order, to a binary file.
FORMATS: dict[str, Callable[[Iterable[Counted], BinaryIO], None]] = {
    "json": _write_json,
    "jsonl": _write_jsonl,
    "csv": _write_csv,
    "parquet": _write_parquet,
}
