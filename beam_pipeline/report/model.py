"""The report of a finished or failed run, with the same names on every runner.

Unknown values are None, never zero; `RunReport.unknown` says why.
"""

import dataclasses
import json
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import apache_beam as beam

import beam_pipeline
from beam_pipeline.monitor.run_monitor import Phase, TimelinePoint
from transforms.dictionary import SourceEntries
from transforms.stages.totals import Count, Invariant

#: The version of the JSON in ``resources/report.schema.json``. It is incremented when a field
#: changes its meaning or is removed.
SCHEMA_VERSION = 2

#: The counts of every run, in the order of the report.
COUNTERS = (
    Count.FILES_SKIPPED,
    Count.BYTES_READ,
    Count.BLOCKS_READ,
    Count.BLOCKS_PROCESSED,
    Count.WORDS,
    Count.WORDS_MATCHED,
    Count.WORDS_UNMATCHED,
    Count.CLASSES,
    Count.RECORDS_WRITTEN,
    Count.INVALID_BYTES,
    Count.STORE_REQUESTS,
    Count.STORE_BYTES_RECEIVED,
    Count.STORE_BYTES_SENT,
    Count.RETRIES,
    Count.FAULTS_INJECTED,
    Count.DEAD_LETTERS,
)

# A smaller input is tiny, in bytes.
_TINY = 1 << 20


@dataclass(frozen=True)
class Versions:
    """The versions with which the run was executed."""

    python: str
    beam: str
    beam_anagrams: str
    platform: str


@dataclass(frozen=True)
class DictionaryIdentity:
    """The identity of the dictionary.

    Attributes:
      spec, normalization: as in the options.
      words, classes: the numbers of its words and anagram classes.
      sha256: the hash of the sorted normalized words, one per line; None in corpus mode.
      sources: the numbers of entries and of rejected entries of each source.
    """

    spec: str
    normalization: str
    words: int | None = None
    classes: int | None = None
    sha256: str | None = None
    sources: tuple[SourceEntries, ...] | None = None


@dataclass(frozen=True)
class Input:
    """The input of the run.

    Attributes:
      patterns: the patterns as the user gave them.
      files: the number of files that match them.
      bytes: the stored size of the files; for compressed files, the compressed size.
    """

    patterns: tuple[str, ...]
    files: int | None = None
    bytes: int | None = None


@dataclass(frozen=True)
class StreamFigures:
    """What a run has read from a stream, and published.

    Attributes:
      kind: ``kafka``, ``pubsub`` or ``files``.
      messages, bytes: the amount read, including windows that were not published; None if only
        windows are known.
      lag: how many messages were still to be read when a reader last asked the broker.
      windows: the number of published windows.
      first_window_start, last_window_end: the bounds of these, in UTC, in ISO 8601.
      words_late: how many words arrived too late for their window, as far as is known.
    """

    kind: str
    messages: int | None = None
    bytes: int | None = None
    lag: int | None = None
    windows: int | None = None
    first_window_start: str | None = None
    last_window_end: str | None = None
    words_late: int | None = None


@dataclass(frozen=True)
class Distribution:
    """A summary of many numbers."""

    count: int
    min: float
    mean: float
    max: float


@dataclass(frozen=True)
class LengthCount:
    """The number of words of the text with a length, in code points.

    The greatest length that is counted separately includes all longer words.
    """

    length: int
    words: int


@dataclass(frozen=True)
class LargestClass:
    """An anagram class in the result: its signature, its count and its words."""

    signature: str
    count: int
    words: tuple[str, ...]


@dataclass(frozen=True)
class ResultFile:
    """A published file; its path is None if it went to standard output."""

    path: str | None
    bytes: int
    sha256: str


@dataclass(frozen=True)
class DeadLetters:
    """The dead letters of the run.

    Attributes:
      path: the file of dead letters, if any.
      number: the number of dead letters.
      by_cause: the number for each stage and type of error, such as ``"read: OSError"``.
    """

    path: str | None
    number: int | None
    by_cause: Mapping[str, int]


@dataclass(frozen=True)
class RunReport:
    """The report of a run.

    Attributes:
      status: ``done`` or ``failed``.
      error: the error message that the user saw.
      started: the time of the start, in UTC, in ISO 8601.
      runner: the runner that was used, with its mode.
      options: our options, and those of Beam's that were given, without secrets.
      wall_seconds: the time from the start of the program, or the call of `run` in another one,
        until the result was published.
      cpu_seconds: the CPU time of all processes.
      phases: the phases in order; together they take `wall_seconds`.
      bytes_per_second, words_per_second: the throughput of decompressed text, over `wall_seconds`.
      peak_memory_bytes: the peak memory of all processes together.
      peak_process_bytes: the peak memory of any single process.
      metrics: the `COUNTERS` and the distributions, by name. For a stream, these and the following
        totals are those of the published windows.
      invariants: the invariants, and whether the totals satisfy them.
      words_by_length: ascending by length; without lengths that no word has.
      result: the files of the result.
      largest_classes: the largest classes of the result, the largest first.
      timeline: the resource usage over time.
      stream: the figures of a stream; None if the input was not a stream.
      unknown: why a field, or a part of it, is None; by the name of the field.
    """

    status: str
    error: str | None
    started: str
    runner: str
    options: Mapping[str, Any]
    versions: Versions
    dictionary: DictionaryIdentity
    input: Input
    wall_seconds: float
    cpu_seconds: float | None = None
    phases: tuple[Phase, ...] | None = None
    bytes_per_second: float | None = None
    words_per_second: float | None = None
    peak_memory_bytes: int | None = None
    peak_process_bytes: int | None = None
    metrics: Mapping[str, int | Distribution | None] = field(default_factory=dict)
    invariants: tuple[Invariant, ...] | None = None
    words_by_length: tuple[LengthCount, ...] | None = None
    result: tuple[ResultFile, ...] | None = None
    largest_classes: tuple[LargestClass, ...] | None = None
    dead_letters: DeadLetters = field(default_factory=lambda: DeadLetters(None, None, {}))
    timeline: tuple[TimelinePoint, ...] | None = None
    stream: StreamFigures | None = None
    unknown: Mapping[str, str] = field(default_factory=dict)
    schema_version: int = SCHEMA_VERSION

    @property
    def is_tiny(self) -> bool:
        """Whether there was too little text for rates to be meaningful."""
        size = self.counter("bytes_read")
        return size is not None and size < _TINY

    def counter(self, name: str) -> int | None:
        """Returns the value of a counter; None if it is not known."""
        value = self.metrics.get(name)
        return value if isinstance(value, int) else None


def versions() -> Versions:
    """Returns the versions of what runs here."""
    return Versions(
        python=platform.python_version(),
        beam=beam.__version__,
        beam_anagrams=beam_pipeline.__version__,
        platform=f"{platform.system()} {platform.release()}, {platform.machine()}, "
        f"{os.cpu_count()} cores",
    )


def to_json(report: RunReport) -> str:
    """Returns a report as JSON, as ``resources/report.schema.json`` describes it."""
    fields = {"schema_version": report.schema_version} | dataclasses.asdict(report)
    return json.dumps(_to_plain(fields), ensure_ascii=False, indent=2) + "\n"


def _to_plain(value: Any) -> Any:
    """Replaces values that JSON or UTF-8 cannot represent."""
    if isinstance(value, Mapping):
        return {_to_utf8(str(key)): _to_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_to_plain(item) for item in value]
    if isinstance(value, float):
        return round(value, 6)
    if value is None or isinstance(value, bool | int):
        return value
    return _to_utf8(str(value))


def _to_utf8(text: str) -> str:
    r"""Escapes bytes of the command line that are not valid UTF-8: ``\udcXX``."""
    return text.encode("utf-8", "backslashreplace").decode()
