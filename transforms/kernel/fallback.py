"""The interface of a tally of words, and a tally in plain Python."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Protocol

import pyarrow

from transforms.columns.tables import counts_table
from transforms.dictionary import Dictionary
from transforms.stages.totals import MAX_COUNTED_LENGTH
from transforms.text.blocks import Block
from transforms.text.normalize import MAX_WORD_LENGTH
from transforms.text.settings import TextSettings
from transforms.text.signature import signature


class Counted(NamedTuple):
    """What a tally has counted, or a part of it.

    Attributes:
      bucket: the one that all keys of `columns` are in, see `transforms.columns.buckets`; None if
        they may be in any.
      columns: a table of counts: of the dictionary's classes that occurred, by their signatures;
        or, if there is no dictionary, of all words that can be in a result.
      words_by_length: lengths in code points, and the number of words that have each, also of those
        that are not in `columns`. The greatest length stands for all longer words as well.
      invalid_bytes: how many bytes were deleted because they are not valid UTF-8.
    """

    bucket: int | None
    columns: pyarrow.Table
    words_by_length: dict[int, int]
    invalid_bytes: int


#: Makes columns of a part of what a tally has counted. Each can be called in a thread of its own.
Part = Callable[[], Counted]


class Tally(Protocol):
    """Counts words, by anagram class or each on its own.

    Added words are pending until they are committed. So adding the words of a block can fail half
    way and be repeated, and no word is counted twice.
    """

    @property
    def is_full(self) -> bool:
        """Whether it should be drained before more is added, to keep memory bounded."""

    def add(self, data: bytes) -> None:
        """Counts words, after dropping pending ones.

        Args:
          data: a text in UTF-8 that begins and ends between words.
        """

    def commit(self) -> None:
        """Adds the pending words to the counts."""

    def merge(self, other: Any) -> None:
        """Adds the committed counts of another tally of the same kind and settings."""

    def drain(self) -> Iterator[Part]:
        """Yields the committed counts, in parts, each key once, and resets the tally."""


class PlainTally:
    """The `Tally` for a small text: it needs no compiler and no table of the dictionary.

    Args:
      dictionary: whose classes are counted; None counts each word on its own.
      text: how bytes become words.
      min_word_length: shorter words, in code points, are not counted.
    """

    is_full = False

    def __init__(self, dictionary: Dictionary | None, text: TextSettings, min_word_length: int):
        self._dictionary = dictionary
        self._text = text
        self._min_word_length = min_word_length
        self._pending: list[str] = []
        self._pending_invalid = 0
        self._words: Counter[str] = Counter()
        self._invalid_bytes = 0

    def add(self, data: bytes) -> None:
        self._pending, self._pending_invalid = Block("", 0, data).words(
            self._text, self._min_word_length
        )

    def commit(self) -> None:
        self._words.update(self._pending)
        self._invalid_bytes += self._pending_invalid

    def merge(self, other: "PlainTally") -> None:
        self._words.update(other._words)
        self._invalid_bytes += other._invalid_bytes

    def drain(self) -> Iterator[Part]:
        lengths: Counter[int] = Counter()
        counts: Counter[str] = Counter()
        for word, count in self._words.items():
            lengths[min(len(word), MAX_COUNTED_LENGTH)] += count
            if self._dictionary is not None:
                if self._dictionary.members(key := signature(word)):
                    counts[key] += count
            elif len(word) <= MAX_WORD_LENGTH:
                counts[word] += count
        columns = counts_table(counts, counts.values())
        counted = Counted(None, columns, lengths, self._invalid_bytes)
        self._words, self._invalid_bytes = Counter(), 0
        yield lambda: counted
