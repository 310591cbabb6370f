"""Totals: exact counts that every stage emits besides its results.

Totals are emitted as an element of a bundle, together with its results. A runner that repeats a
bundle keeps or drops both, so sums of totals are exact, while Beam's metrics may count twice.
"""

import enum
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

#: `Totals.words_by_length` counts all words of this length and longer under it, in code points.
MAX_COUNTED_LENGTH = 64


class Count(str, enum.Enum):
    """The things that are counted. The value is the name in reports and in Beam's metrics."""

    FILES_MATCHED = "files_matched"
    BYTES_MATCHED = "bytes_matched"
    FILES_FOUND = "files_found"
    BYTES_FOUND = "bytes_found"
    INPUT_FILES = "input_files"
    INPUT_BYTES = "input_bytes"
    INPUT_BYTES_READ = "input_bytes_read"
    INPUT_BYTES_IN_DEAD_LETTERS = "input_bytes_in_dead_letters"
    FILES_SKIPPED = "files_skipped"
    RANGES_PLANNED = "ranges_planned"
    RANGES_READ = "ranges_read"
    BYTES_READ = "bytes_read"
    BLOCKS_READ = "blocks_read"
    BLOCKS_PROCESSED = "blocks_processed"
    BLOCKS_IN_DEAD_LETTERS = "blocks_in_dead_letters"
    INVALID_BYTES = "invalid_bytes"
    WORDS = "words"
    WORDS_KEYED = "words_keyed"
    WORDS_COUNTED = "words_counted"
    WORDS_MATCHED = "words_matched"
    WORDS_UNMATCHED = "words_unmatched"
    WORDS_IN_DEAD_LETTERS = "words_in_dead_letters"
    CLASSES = "classes"
    RECORDS_TO_WRITE = "records_to_write"
    RECORDS_WRITTEN = "records_written"
    FILES_EXPECTED = "files_expected"
    FILES_WRITTEN = "files_written"
    FILES_TO_PUBLISH = "files_to_publish"
    STORE_REQUESTS = "store_requests"
    STORE_BYTES_RECEIVED = "store_bytes_received"
    STORE_BYTES_SENT = "store_bytes_sent"
    RETRIES = "retries"
    FAULTS_INJECTED = "faults_injected"
    DEAD_LETTERS = "dead_letters"


class DeadLetterCause(NamedTuple):
    """Why a dead letter was written: the stage that gave up, and the type of its last error."""

    stage: str
    error_type: str


@dataclass
class Totals:
    """Totals of a bundle, or of a whole run. Empty when made without arguments.

    Attributes:
      counts: the number for each `Count`.
      words_by_length: the number of words for each length in code points, at most
        `MAX_COUNTED_LENGTH`.
      dead_letters_by_cause: the number of dead letters for each cause.
    """

    counts: Counter[Count] = field(default_factory=Counter)
    words_by_length: Counter[int] = field(default_factory=Counter)
    dead_letters_by_cause: Counter[DeadLetterCause] = field(default_factory=Counter)

    def __bool__(self) -> bool:
        return any((self.counts, self.words_by_length, self.dead_letters_by_cause))

    def __getitem__(self, count: Count) -> int:
        return self.counts[count]

    def add(self, count: Count, number: int = 1) -> None:
        """Adds `number` to a count."""
        self.counts[count] += number

    def add_words_by_length(self, words_by_length: Mapping[int, int]) -> None:
        """Adds the number of words for each length, in code points."""
        for length, words in words_by_length.items():
            self.words_by_length[min(length, MAX_COUNTED_LENGTH)] += words

    def merge(self, other: "Totals") -> None:
        """Adds the totals of `other`."""
        self.counts.update(other.counts)
        self.words_by_length.update(other.words_by_length)
        self.dead_letters_by_cause.update(other.dead_letters_by_cause)

    def to_json(self) -> dict[str, Any]:
        """Returns the totals as plain values that JSON can hold."""
        return {
            "counts": {count.value: number for count, number in self.counts.items()},
            "words_by_length": sorted(self.words_by_length.items()),
            "dead_letters_by_cause": [
                [*cause, number] for cause, number in self.dead_letters_by_cause.items()
            ],
        }

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> "Totals":
        """Returns the totals for the `fields` that `to_json` has returned.

        Raises:
          ValueError, TypeError, KeyError: the fields are not those of totals.
        """
        return cls(
            Counter({Count(name): int(number) for name, number in fields["counts"].items()}),
            Counter({int(length): int(words) for length, words in fields["words_by_length"]}),
            Counter(
                {
                    DeadLetterCause(str(stage), str(error_type)): int(number)
                    for stage, error_type, number in fields["dead_letters_by_cause"]
                }
            ),
        )


@dataclass(frozen=True)
class Invariant:
    """Two figures of a run, counted in different stages, that must be equal.

    Attributes:
      statement: describes the two figures.
      left, right: the figures.
      holds: whether they are equal, so that nothing was lost or counted twice between the stages.
    """

    statement: str
    left: int
    right: int
    holds: bool = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "holds", self.left == self.right)


class _Rule(NamedTuple):
    """An invariant before its figures are known.

    It applies to a pipeline whose stages measure `left` and the first of `right`. The other counts
    of `right` are optional, and 0 if nothing was counted.
    """

    statement: str
    left: Count
    right: tuple[Count, ...]


# The two sides are counted as far apart in the pipeline as possible.
_RULES = (
    _Rule(
        "files matched where the run began = files that its workers found",
        Count.FILES_MATCHED,
        (Count.FILES_FOUND,),
    ),
    _Rule(
        "bytes of the files matched where the run began = bytes of those that its workers found",
        Count.BYTES_MATCHED,
        (Count.BYTES_FOUND,),
    ),
    _Rule("file ranges read = ranges planned", Count.RANGES_READ, (Count.RANGES_PLANNED,)),
    _Rule(
        "bytes of the files listed = bytes of them read + bytes in dead letters",
        Count.INPUT_BYTES,
        (Count.INPUT_BYTES_READ, Count.INPUT_BYTES_IN_DEAD_LETTERS),
    ),
    _Rule(
        "blocks read = blocks processed + blocks in dead letters",
        Count.BLOCKS_READ,
        (Count.BLOCKS_PROCESSED, Count.BLOCKS_IN_DEAD_LETTERS),
    ),
    _Rule(
        "words = words matched + words unmatched + words in dead letters",
        Count.WORDS,
        (Count.WORDS_MATCHED, Count.WORDS_UNMATCHED, Count.WORDS_IN_DEAD_LETTERS),
    ),
    _Rule(
        "words keyed by signature = sum of the counts of all signatures",
        Count.WORDS_KEYED,
        (Count.WORDS_COUNTED,),
    ),
    _Rule("records written = records to write", Count.RECORDS_WRITTEN, (Count.RECORDS_TO_WRITE,)),
    _Rule("files to publish = files written", Count.FILES_TO_PUBLISH, (Count.FILES_WRITTEN,)),
    _Rule("files to publish = files expected", Count.FILES_TO_PUBLISH, (Count.FILES_EXPECTED,)),
)


def invariants(totals: Totals, measured: Iterable[Count] = tuple(Count)) -> list[Invariant]:
    """Returns the invariants that a run must satisfy, with both sides of each.

    Args:
      totals: the totals of the whole run.
      measured: the counts that the stages of its pipeline make; invariants over other counts do not
        apply and are left out.
    """
    measured = frozenset(measured)
    return [
        Invariant(rule.statement, totals[rule.left], sum(totals[count] for count in rule.right))
        for rule in _RULES
        if rule.left in measured and rule.right[0] in measured
    ]
