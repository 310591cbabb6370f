"""Reads dead letters, so that their payloads can be counted later."""

import functools
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, ClassVar

import apache_beam as beam
from apache_beam.pvalue import PBegin, PCollection

from beam_pipeline.errors import DeadLettersError
from beam_pipeline.io.inputs import ALLOW, list_files
from beam_pipeline.io.pipes import is_regular
from beam_pipeline.io.shared_view import count_found, expect
from beam_pipeline.io.sources import ListFilesFn, ReadFiles, ReadRangeFn
from transforms.files.lineage import report_sources
from transforms.files.retrying_file import open_retrying
from transforms.stages.dead_letters import ClassCount, DeadLetter, FilePattern, from_json
from transforms.stages.retry import Retrier, RetriesExhaustedError, applied_resilience
from transforms.stages.totals import Count
from transforms.text.blocks import Block, FileRange
from transforms.text.encoding import Encoding


def read_dead_letters(
    path: str, retrier: Retrier | None = None
) -> Iterator[tuple[DeadLetter, dict[str, Any]]]:
    """Yields the dead letters in a file of JSON lines, with the settings of their runs.

    Args:
      path: the path of the file, on any Beam filesystem, possibly compressed.
      retrier: the retrier of the stage that reads; by default one with default settings.

    Raises:
      DeadLettersError: the file cannot be read, or a line of it is not a dead letter.
    """
    try:
        with open_buffered(path, retrier or Retrier("read", applied_resilience())) as file:
            for number, line in enumerate(file, 1):
                try:
                    yield from_json(line.decode())
                except ValueError as error:
                    raise DeadLettersError(f"{path}: line {number}: {error}") from error
    except DeadLettersError:
        raise
    except RetriesExhaustedError as error:
        raise DeadLettersError(f"{path}: cannot be read: {error}") from error
    except Exception as error:  # each decompressor raises its own
        raise DeadLettersError(f"{path}: cannot be read ({error})") from error


def open_buffered(path: str, retrier: Retrier, *, is_text: bool = True) -> BinaryIO:
    """Opens a file, possibly compressed, whose reads are retried, for reading lines."""
    return io.BufferedReader(open_retrying(path, retrier, is_text=is_text))


def settings_of_dead_letters(path: str) -> dict[str, Any] | None:
    """Returns the settings of all dead letters in a file; None if there are no dead letters.

    Raises:
      DeadLettersError: the settings differ, `read_dead_letters` raises it, or the file is a pipe,
        which the run could not read again.
    """
    if not is_regular(path):
        raise DeadLettersError(f"{path}: can be read only once; write it to a file first")
    agreed: dict[str, Any] | None = None
    for _, settings in read_dead_letters(path):
        if agreed is not None and settings != agreed:
            raise DeadLettersError(f"{path}: has dead letters of runs with different settings")
        agreed = settings
    return agreed


def groups_of_dead_letters(path: str) -> dict[str, str]:
    """Returns the groups of the files of dead letters, by the paths of the files.

    Raises:
      DeadLettersError: as `read_dead_letters` does.
    """
    return {
        letter.payload.source: letter.group
        for letter, _ in read_dead_letters(path)
        if letter.group is not None and isinstance(letter.payload, Block | FileRange)
    }


@dataclass
class ReadDeadLetters(ReadFiles):
    """Reads the texts in a file of dead letters, and the ranges of files that it names.

    If `encoding` is not None, it replaces the encoding with which their run was started.

    Attributes:
      path: the path of the file of dead letters.
      matched: the size of this file, as the program that begins the run has found it.
    """

    path: str = ""
    measures: ClassVar = ReadFiles.measures - {Count.INPUT_BYTES, Count.INPUT_BYTES_READ}

    def expand(self, root: PBegin) -> PCollection[Block]:
        expect(self.side_outputs, self.matched)
        start = root | "Start" >> beam.Create([None], reshuffle=False)
        payloads = self.apply_fn(start, "ReadLetters", _LettersFn(self), Block | FileRange)
        spread = payloads | "SpreadPayloads" >> beam.Reshuffle()
        return self.apply_fn(spread, "ReadBlocks", _ReadPayloadFn(self), Block)


class _LettersFn(ListFilesFn):
    def __init__(self, settings: ReadDeadLetters):
        super().__init__(settings)
        self._path, self._encoding = settings.path, settings.encoding
        self._matched = settings.matched

    def process(self, _: None) -> Iterator[Any]:
        found = self._retrier(list_files, [self._path], ALLOW).total
        if (fault := count_found(self.totals, found, self._matched)) is not None:
            raise DeadLettersError(f"{self._path}: {fault}")
        encoding = functools.cache(lambda name: Encoding(name or "utf-8").name)
        patterns = []
        excluded: set[str] = set()  # files that are counted independently of the patterns
        for letter, run_settings in read_dead_letters(self._path, self._retrier):
            payload = letter.payload
            if isinstance(payload, ClassCount):
                continue  # see `beam_pipeline.io.previous_results`
            if isinstance(payload, FilePattern):
                patterns.append(payload.source)
                excluded.update(payload.excluded)
                continue
            excluded.add(payload.source)
            self.totals.add(Count.RANGES_PLANNED)
            recorded = run_settings.get("encoding")
            if isinstance(payload, Block) and payload.encoding == encoding(recorded):
                payload = payload._replace(encoding=encoding(self._encoding or recorded))
            yield payload
        # Together, so that a file that several of them match is read once.
        listing = self.list_files(patterns, ALLOW)
        for path in excluded:
            listing.sizes.pop(path, None)
        yield from self.unlisted(listing, excluded)
        report_sources([self._path])
        self.report_lineage(listing, patterns)
        for shard in self.plan_shards(listing):
            self.totals.add(Count.RANGES_PLANNED, len(shard))
            yield from shard


class _ReadPayloadFn(ReadRangeFn):
    def __init__(self, settings: ReadDeadLetters):
        super().__init__(settings)
        self._path = settings.path

    def process(self, payload: Block | FileRange) -> Iterator[Any]:
        if isinstance(payload, FileRange):
            if not is_regular(payload.source):  # reading it could block, or never end
                raise DeadLettersError(
                    f"{self._path}: names {payload.source}, which is not a regular file"
                )
            yield from self.read_range(payload)
        else:
            self.totals.add(Count.RANGES_READ)
            self.totals.add(Count.BLOCKS_READ)
            self.totals.add(Count.BYTES_READ, len(payload.data))
            yield payload
