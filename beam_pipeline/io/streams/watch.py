"""Reads files as they are added to folders, each once.

The event time is the time at which a file was found. It never decreases, even if the clock is set
back, so nothing is late, whenever a file was changed. It cannot be determined again, so it is saved
before the file is read (`beam_pipeline.io.streams.state`). A run that is started again uses the
same files and times.
"""

import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam.io.watch import PollResult, Watch
from apache_beam.pvalue import PBegin, PCollection
from apache_beam.transforms.window import TimestampedValue

from beam_pipeline.io.inputs import ALLOW, Listing, ReadShard, list_files
from beam_pipeline.io.sources import ListFilesFn, ReadFiles, ReadRangeFn
from beam_pipeline.io.streams.state import FoundFiles
from transforms.checks import check_type
from transforms.errors import InputError
from transforms.files.schemes import is_local
from transforms.stages.retry import Resilience, Retrier, RetriesExhaustedError
from transforms.stages.stage import Stage
from transforms.stages.totals import Count
from transforms.text.blocks import Block
from transforms.text.settings import TextSettings

# The time of this process by a clock that is never set back, less that of `time.monotonic`.
_STARTED = time.time() - time.monotonic()


class FoundFile(NamedTuple):
    """A file that has been found.

    Attributes:
      path: the path of the file.
      size: its stored size in bytes.
    """

    path: str
    size: int


@dataclass
class WatchFiles(Stage):
    """Reads the files that patterns match, now and later, each once.

    A local file is read when it has not been changed for an interval; complete files should be
    moved into the folder. Data that is appended later is not read.

    Attributes:
      patterns: as for `ReadFiles`.
      interval: the time between two polls, in seconds.
      until: the time of the last poll, in seconds since the epoch; None for no end.
      window: assigns windows to the blocks of files; None leaves them in the global window.
      state_folder: the folder in which found files are saved; if empty, they are not saved, and a
        run that is started again reads all files again.
      since: files found by an earlier run before this time, in seconds since the epoch, are not
        read again; if None, all files are.
      not_before: no file is found before this time, in seconds since the epoch, even if the clock
        says so; None for no such time. For example, windows up to this time are over.
      encoding, text, shard_size, progress_folder: as for `ReadFiles`.

    Raises:
      TypeError, ValueError: a setting is invalid.
      InputError: when it runs: a file cannot be read.
    """

    patterns: str | os.PathLike[str] | Iterable[str | os.PathLike[str]] = ()
    interval: float = 10.0
    until: float | None = None
    window: beam.PTransform[Any, Any] | None = None
    state_folder: str = ""
    since: float | None = None
    not_before: float | None = None
    encoding: str | None = None
    text: TextSettings = field(default_factory=TextSettings)
    shard_size: int | None = None
    progress_folder: str = field(default="", compare=False)
    measures = frozenset(
        {
            *(Count.INPUT_BYTES, Count.INPUT_BYTES_READ, Count.RANGES_PLANNED, Count.RANGES_READ),
            *(Count.BYTES_READ, Count.BLOCKS_READ),
        }
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        check_type(int, float, interval=self.interval)
        if not self.interval > 0:
            raise ValueError(f"interval={self.interval!r}: must be above 0, in seconds")
        self._reading = ReadFiles(
            self.patterns,
            self.encoding,
            self.text,
            shard_size=self.shard_size,
            progress_folder=self.progress_folder,
            resilience=self.resilience,
        )

    @property
    def expects_dead_letters(self) -> bool:
        return self._reading.expects_dead_letters

    def expand(self, root: PBegin) -> PCollection[Block]:
        found = FoundFiles(self.state_folder, self.since) if self.state_folder else None
        poll = PollFiles(self.interval, self.until, found, self.not_before, self.resilience)
        files = (
            root
            | "Patterns" >> beam.Create([self._reading._patterns], reshuffle=False)
            | "WatchFiles" >> Watch(poll, self.interval, output_key_fn=_path)
            | "Found" >> beam.Values().with_output_types(FoundFile)
        )
        if self.window is not None:
            files |= "Window" >> self.window
        shards = self.apply_fn(files, "PlanShards", _PlanFn(self._reading), ReadShard)
        spread = shards | "SpreadShards" >> beam.Reshuffle()
        return self.apply_fn(spread, "ReadBlocks", _ReadShardFn(self._reading), Block)


def _path(file: FoundFile) -> str:
    return file.path


class PollFiles:
    """Polls for files.

    Args:
      interval: for how many seconds a local file must not have been changed.
      until: the time of the last poll, in seconds since the epoch; None for no end.
      found: saves the files found; None does not save them.
      not_before: no file is found before this time, in seconds since the epoch; None for no such
        time.
      resilience: how many times a poll is tried.
    """

    def __init__(
        self,
        interval: float,
        until: float | None = None,
        found: FoundFiles | None = None,
        not_before: float | None = None,
        resilience: Resilience | None = None,
    ):
        self._interval, self._until = interval, until
        self._found = found
        # By how many seconds the times are ahead of the clock.
        self._ahead = max(0.0, (not_before or 0.0) - time.time())
        self._retrier = Retrier("read", (resilience or Resilience()).without_chaos())

    def __call__(self, patterns: tuple[str, ...]) -> PollResult[FoundFile]:
        with self._retrier.applied():
            return self._poll(patterns)

    def _poll(self, patterns: tuple[str, ...]) -> PollResult[FoundFile]:
        now = _STARTED + time.monotonic() + self._ahead
        is_last = self._until is not None and now >= self._until
        try:
            listing = self._retrier(list_files, patterns, ALLOW)
        except RetriesExhaustedError as error:
            raise InputError(f"{', '.join(patterns)}: {error}") from error
        for folder in listing.unlisted.values():
            reason = folder.error.strerror or folder.error
            raise InputError(f"{folder.path}: cannot be listed ({reason})") from folder.error
        sizes = {
            path: size
            for path, size in listing.sizes.items()
            if is_last or time.time() - _changed(path) >= self._interval
        }
        found = (
            dict.fromkeys(sizes.items(), now)
            if self._found is None
            else self._found.add(sizes, now)
        )
        files = [
            TimestampedValue(FoundFile(path, size), seconds)
            for (path, size), seconds in found.items()
        ]
        if is_last:
            return PollResult.complete(files)
        return PollResult.incomplete(files).with_watermark(now)


def _changed(path: str) -> float:
    """Returns when a local file was changed; objects on stores are always complete."""
    if not is_local(path):
        return float("-inf")
    try:
        return os.stat(path).st_mtime
    except OSError:  # it has been removed
        return float("inf")


class _PlanFn(ListFilesFn):
    def process(self, file: FoundFile) -> Iterator[ReadShard]:
        self.totals.add(Count.INPUT_FILES)
        self.totals.add(Count.INPUT_BYTES, file.size)
        for shard in self.plan_shards(Listing({file.path: file.size})):
            self.totals.add(Count.RANGES_PLANNED, len(shard))
            yield shard


class _ReadShardFn(ReadRangeFn):
    def process(self, shard: ReadShard) -> Iterator[Any]:
        for file_range in shard:
            yield from self.read_range(file_range)
