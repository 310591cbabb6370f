"""What a finished or failed run has to report. The same names whatever the runner.

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
from beam_pipeline.monitor.watch import Phase, TimelinePoint
from transforms.stages.totals import Count, Invariant

#: Of the JSON, see ``resources/report.schema.json``. A number more when a field changes or goes.
SCHEMA_VERSION = 2

#: What every run counts, in the order of a report.
COUNTERS = (
    Count.BYTES_READ,
    Count.BLOCKS_READ,
    Count.BLOCKS_PROCESSED,
    Count.WORDS,
    Count.WORDS_MATCHED,
    Count.WORDS_UNMATCHED,
    Count.CLASSES,
    Count.RECORDS_WRITTEN,
    Count.INVALID_BYTES,
    Count.RETRIES,
    Count.FAULTS_INJECTED,
    Count.DEAD_LETTERS,
)


@dataclass(frozen=True)
class Versions:
    """Of what the run was made with."""

    python: str
    beam: str
    beam_anagrams: str
    platform: str


@dataclass(frozen=True)
class DictionaryIdentity:
    """Which words were counted.

    Attributes:
      sha256: of the sorted normalized words, one a line; None in corpus mode.
    """

    spec: str
    normalization: str
    words: int | None = None
    classes: int | None = None
    sha256: str | None = None


@dataclass(frozen=True)
class Input:
    """What was read: the patterns as the user gave them, and the files that matched.

    Attributes:
      bytes: of the files as they are stored, compressed ones compressed.
    """

    patterns: tuple[str, ...]
    files: int | None = None
    bytes: int | None = None


@dataclass(frozen=True)
class Distribution:
    """Many numbers in a few."""

    count: int
    min: float
    mean: float
    max: float


@dataclass(frozen=True)
class LengthCount:
    """How many words of the text have so many code points; the last has the longer ones too."""

    length: int
    words: int


@dataclass(frozen=True)
class LargestClass:
    """An anagram class of the result: its signature, its count, its words."""

    signature: str
    count: int
    words: tuple[str, ...]


@dataclass(frozen=True)
class ResultFile:
    """A published file. Without a path it went to standard output."""

    path: str | None
    bytes: int
    sha256: str


@dataclass(frozen=True)
class DeadLetters:
    """The records put aside: how many, where, and by stage and type of error."""

    path: str | None
    number: int | None
    by_cause: Mapping[str, int]


@dataclass(frozen=True)
class RunReport:
    """All that a run reports.

    Attributes:
      started: UTC, ISO 8601.
      wall_seconds: from the first look at the input until the result stood.
      cpu_seconds: of all processes.
      phases: in order; together they are `wall_seconds`.
      peak_memory_bytes, peak_process_bytes: the most that all processes had, and one of them.
      metrics: the `COUNTERS`, and `Distribution`s.
      words_by_length: ascending; without lengths that no word has.
      unknown: field -> why it is None.
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

    def counter(self, name: str) -> int | None:
        """The counter `name`, if it is known."""
        value = self.metrics.get(name)
        return value if isinstance(value, int) else None


def versions() -> Versions:
    """Of what runs here."""
    return Versions(
        python=platform.python_version(),
        beam=beam.__version__,
        beam_anagrams=beam_pipeline.__version__,
        platform=f"{platform.system()} {platform.release()}, {platform.machine()}, "
        f"{os.cpu_count()} cores",
    )


def to_json(report: RunReport) -> str:
    """`report` -> JSON as ``resources/report.schema.json`` has it."""
    first = {"schema_version": report.schema_version}
    return (
        json.dumps(_plain(first | dataclasses.asdict(report)), ensure_ascii=False, indent=2) + "\n"
    )


def _plain(value: Any) -> Any:
    """`value` with nothing in it that JSON or UTF-8 cannot hold."""
    if isinstance(value, Mapping):
        return {printable(str(key)): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return round(value, 6)
    if value is None or isinstance(value, bool | int):
        return value
    return printable(str(value))


def printable(text: str) -> str:
    r"""`text` with bytes of the command line that are no valid UTF-8 as ``\udcXX``."""
    return text.encode("utf-8", "backslashreplace").decode()
