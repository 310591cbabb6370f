"""The base of compiled tallies: they read a text, and undo a failed attempt by rereading it."""

import abc
from collections import Counter
from collections.abc import Iterator

import numpy as np

from transforms.kernel.letter_weights import Int64Array


class RereadingTally(abc.ABC):
    """Counts words as it reads them; uncommitted counts are undone by reading the text again.

    So no counters need to be copied. Loops read a text as far as they can. They leave some pieces
    to the slow path, and stop where a page of code points must be filled first.

    Args:
      max_slow_pieces: how many pieces of text the loops may leave to the slow path before they
        return, so that it can count them.
    """

    def __init__(self, max_slow_pieces: int):
        self._slow_pieces: Int64Array = np.zeros((max_slow_pieces, 2), np.int64)
        self._forget_pending()

    @abc.abstractmethod
    def _read_fast(self, begin: int, stop: int, times: int) -> tuple[int, int, int]:
        """Lets the loops read a part of the pending text, and count each word so many times.

        Returns:
          How far they have come; the page of code points to be filled before they go on, or -1; and
          how many pieces they have left to the slow path, in `_slow_pieces`.
        """

    @abc.abstractmethod
    def _add_slow_path(self, pieces: Counter[bytes], times: int) -> None:
        """Counts pieces of text so many times each; if this fails, none of them."""

    @abc.abstractmethod
    def _fill_page(self, page: int) -> None:
        """Fills a page of code points."""

    def add(self, data: bytes) -> None:
        """Counts words, after taking back what is pending."""
        self._take_back()
        self._pending = data
        for position in self._read(0, len(data), 1):
            self._counted_end = position

    def commit(self) -> None:
        """Counts what is pending for good."""
        self._forget_pending()

    def _forget_pending(self) -> None:
        # Of the pending text, the part from begin to end has been counted.
        self._pending, self._counted_begin, self._counted_end = b"", 0, 0

    def _take_back(self) -> None:
        for position in self._read(self._counted_begin, self._counted_end, -1):
            self._counted_begin = position
        self._forget_pending()

    def _read(self, position: int, stop: int, times: int) -> Iterator[int]:
        """Counts the words of a part of the pending text; yields how far it has come."""
        while position < stop:
            begin = position
            position, page, slow = self._read_fast(begin, stop, times)
            if slow:
                try:
                    pieces = self._slow_pieces[:slow].tolist()
                    self._add_slow_path(
                        Counter(self._pending[start:end] for start, end in pieces), times
                    )
                except BaseException:
                    self._read_fast(begin, position, -times)
                    raise
            yield position
            if page >= 0:
                self._fill_page(page)
