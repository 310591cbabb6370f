"""Writes the records or dead letters of one file to a temporary file, to be published later."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

import pyarrow

from beam_pipeline.io.exchange import WrittenFile, create, identity_of, remove
from beam_pipeline.io.file_groups import FileNames
from beam_pipeline.io.formats import format_named
from beam_pipeline.io.naming import temporary_path
from beam_pipeline.io.sorting import sort, split_into_parts
from transforms.stages.dead_letters import DeadLetter, to_json
from transforms.stages.threads import map_in_order
from transforms.text.blocks import Block, FileRange


@dataclass(frozen=True)
class FileWriter:
    """Writes temporary files of a run. A file that cannot be completed is removed.

    Attributes:
      token: the token of the run.
      format: the format of records, one of `FORMATS`.
      order: the order of records, one of `beam_pipeline.io.sorting.ORDERS`.
      chunk_records: about how many records are sorted and written at once.
      threads: how many cores to use.
      per_group: whether words were counted by group.
    """

    token: str
    format: str
    order: str = "word"
    chunk_records: int = 1 << 16
    threads: int = 1
    per_group: bool = False

    def write_records(self, final: str, tables: list[pyarrow.Table]) -> tuple[WrittenFile, int]:
        """Writes tables of records to one file, sorted.

        Args:
          final: the path at which the file will be published.
          tables: tables of records. The list is emptied, which frees memory early.

        Returns:
          The temporary file, and how many records are in it.
        """
        output_format = format_named(self.format, self.per_group)
        parts = split_into_parts(tables, self.order, self.chunk_records, self.threads)
        number = 0

        def encode(part: pyarrow.Table) -> tuple[int, Any]:
            return part.num_rows, output_format.encode(sort(part, self.order))

        def encoded() -> Iterator[Any]:
            nonlocal number
            for rows, data in map_in_order(encode, parts, self.threads):
                number += rows
                yield data

        written = self._write(final, lambda file: output_format.write(encoded(), file))
        return written, number

    def write_lines(self, final: str, lines: Iterable[bytes]) -> WrittenFile:
        """Writes lines as they are, and returns the temporary file."""

        def write(file: BinaryIO) -> None:
            for line in lines:  # not every file of Beam's has `writelines`
                file.write(line)

        return self._write(final, write)

    def _write(self, final: str, write: Callable[[BinaryIO], None]) -> WrittenFile:
        temporary = temporary_path(final, self.token)
        try:
            with create(temporary, final, compressed=True) as file:
                write(file)
            return WrittenFile(temporary, final, identity_of(temporary))
        except BaseException:
            remove([temporary])
            raise


def dead_letter_line(
    letter: DeadLetter,
    settings: Mapping[str, Any],
    source_names: Mapping[str, str],
    file_groups: FileNames | None = None,
) -> bytes:
    """Returns a dead letter as a line of JSON.

    Args:
      letter: the dead letter.
      settings: the settings of the run.
      source_names: the names of sources that are temporary copies; only blocks of these can be
        replayed.
      file_groups: the names of files if words are counted by file.
    """
    payload = letter.payload
    if file_groups is not None and isinstance(payload, Block | FileRange):
        letter = letter._replace(group=file_groups.of(payload.source))
    if isinstance(payload, Block):
        source = source_names.get(payload.source, payload.source)
        letter = letter._replace(payload=payload._replace(source=source))
    return to_json(letter, settings).encode() + b"\n"
