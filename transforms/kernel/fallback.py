"""What a tally of words by anagram class can do, and a tally in plain Python."""

from collections import Counter
from collections.abc import Iterable
from typing import Any, Protocol

from transforms.dictionary import Dictionary
from transforms.stages.totals import MAX_COUNTED_LENGTH
from transforms.text.blocks import Block
from transforms.text.settings import TextSettings
from transforms.text.signature import signature


class Tally(Protocol):
    """Counts words by anagram class.

    What is added is pending until it is committed. Adding the words of a block can therefore fail
    half way, and be done again, without any of them being counted twice.

    Attributes:
      invalid_bytes: how many bytes were deleted because they are not valid UTF-8.
    """

    invalid_bytes: int

    def add(self, data: bytes) -> None:
        """Counts words, after dropping what is pending.

        Args:
          data: a text in UTF-8 that begins and ends between words.
        """

    def commit(self) -> None:
        """Adds what is pending to the counts for good."""

    def merge(self, other: Any) -> None:
        """Adds what another tally of the same kind and dictionary has committed."""

    def counted(self) -> Iterable[tuple[str, int]]:
        """Returns the signature and the count of each class of the dictionary that occurred."""

    def words_by_length(self) -> Iterable[tuple[int, int]]:
        """Returns lengths in code points, and the number of words that have each.

        Words that are in no class are counted here too. The greatest length stands for all longer
        words as well.
        """


class PlainTally:
    """The `Tally` for a small text: it needs no compiler and no table of the dictionary.

    Args:
      dictionary: whose classes are counted.
      text: how bytes become words.
      min_word_length: shorter words, in code points, are not counted.
    """

    def __init__(self, dictionary: Dictionary, text: TextSettings, min_word_length: int):
        self._dictionary = dictionary
        self._text = text
        self._min_word_length = min_word_length
        self._pending: list[str] = []
        self._pending_invalid = 0
        self._counts: Counter[str] = Counter()
        self._lengths: Counter[int] = Counter()
        self.invalid_bytes = 0

    def add(self, data: bytes) -> None:
        self._pending, self._pending_invalid = Block("", 0, data).words(
            self._text, self._min_word_length
        )

    def commit(self) -> None:
        self._lengths.update(min(len(word), MAX_COUNTED_LENGTH) for word in self._pending)
        self._counts.update(map(signature, self._pending))
        self.invalid_bytes += self._pending_invalid

    def merge(self, other: "PlainTally") -> None:
        self._lengths.update(other._lengths)
        self._counts.update(other._counts)
        self.invalid_bytes += other.invalid_bytes

    def counted(self) -> Iterable[tuple[str, int]]:
        members = self._dictionary.members
        return [(key, count) for key, count in sorted(self._counts.items()) if members(key)]

    def words_by_length(self) -> Iterable[tuple[int, int]]:
        return self._lengths.items()
