"""What a tally of words by anagram class can do, and the one in plain Python."""

from collections import Counter
from collections.abc import Iterable
from typing import Any, Protocol

from transforms.dictionary import Dictionary
from transforms.stages.metrics import LONGEST_TOLD
from transforms.text.blocks import Block
from transforms.text.signature import signature
from transforms.words import extract


class Tally(Protocol):
    """Counts words by class. What is added is final only once it is committed."""

    invalid_bytes: int

    def add(self, data: bytes) -> None:
        """Counts the words of `data`, UTF-8. Drops what was pending."""

    def commit(self) -> None:
        """Makes final what was added last."""

    def merge(self, other: Any) -> None:
        """Adds what `other` has made final."""

    def counted(self) -> Iterable[tuple[str, int]]:
        """(Signature, count) of each class that occurred."""

    def words_by_length(self) -> Iterable[tuple[int, int]]:
        """(Length, number of words) for words of all kinds; the last length has all longer ones."""


class PlainTally:
    """The `Tally` of a small text, in plain Python: nothing to compile, no table to make."""

    def __init__(self, dictionary: Dictionary, min_word_length: int):
        self._dictionary = dictionary
        self._min_word_length = min_word_length
        self._pending: list[str] = []
        self._pending_invalid = 0
        self._counts: Counter[str] = Counter()
        self._lengths: Counter[int] = Counter()
        self.invalid_bytes = 0

    def add(self, data: bytes) -> None:
        normalization = self._dictionary.spec.normalization
        self._pending, self._pending_invalid = extract(
            Block("", 0, data), normalization, self._min_word_length
        )

    def commit(self) -> None:
        self._lengths.update(min(len(word), LONGEST_TOLD) for word in self._pending)
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
