"""The report of a finished or failed run, with the same names on every runner.

What is not known is None, never zero; `RunReport.unknown` says why.
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

#: What every run counts, in the order of the report.
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

# Smaller than a block, in bytes.
_TINY = 1 << 20


@dataclass(frozen=True)
class Versions:
    """What the run was executed with."""

    python: str
    beam: str
    beam_anagrams: str
    platform: str


@dataclass(frozen=True)
class DictionaryIdentity:
    """Which words were counted.

    Attributes:
      spec, normalization: as the options say.
      words, classes: how many words and anagram classes it has.
      sha256: of the sorted normalized words, one a line; None in corpus mode.
      sources: how many entries each of its sources has, and how many of them were rejected.
    """

    spec: str
    normalization: str
    words: int | None = None
    classes: int | None = None
    sha256: str | None = None
    sources: tuple[SourceEntries, ...] | None = None


@dataclass(frozen=True)
class Input:
    """What was read.

    Attributes:
      patterns: as the user gave them.
      files: how many files match them.
      bytes: of the files as they are stored; of a compressed file, its compressed size.
    """

    patterns: tuple[str, ...]
    files: int | None = None
    bytes: int | None = None


@dataclass(frozen=True)
class Distribution:
    """A summary of many numbers."""

    count: int
    min: float
    mean: float
    max: float


@dataclass(frozen=True)
class LengthCount:
    """How many words of the text have a length, in code points.

    The greatest length that is counted separately stands for all longer words too.
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
    """What could not be processed.

    Attributes:
      path: the file of dead letters, if any.
      number: how many there are.
      by_cause: how many there are of each stage and type of error: ``"read: OSError"``.
    """

    path: str | None
    number: int | None
    by_cause: Mapping[str, int]


@dataclass(frozen=True)
class RunReport:
    """Everything that is reported of a run.

    Attributes:
      status: ``done`` or ``failed``.
      error: the line that the user saw.
      started: in UTC, as ISO 8601 has it.
      runner: the one that really ran, with its mode.
      options: ours, and Beam's that were given, without secrets.
      wall_seconds: from the start of the program, or the call of `run` in another one, until the
        result was published.
      cpu_seconds: of all processes.
      phases: in order; together they take `wall_seconds`.
      bytes_per_second, words_per_second: of decompressed text, over `wall_seconds`.
      peak_memory_bytes: the most that all processes together had.
      peak_process_bytes: the most that any single process had.
      metrics: the `COUNTERS` and the distributions, by name.
      invariants: what the totals must satisfy, and whether they do.
      words_by_length: ascending; without lengths that no word has.
      result: its files.
      largest_classes: of the result, the largest first.
      timeline: what the run used over time.
      unknown: why a field, or something in it, is None; by the field's name.
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
    unknown: Mapping[str, str] = field(default_factory=dict)
    schema_version: int = SCHEMA_VERSION

    @property
    def is_tiny(self) -> bool:
        """Whether there was so little text that rates and the like say nothing."""
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
    """Replaces whatever JSON or UTF-8 cannot represent."""
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
