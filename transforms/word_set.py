"""Sets of distinct words, for up to many millions of words."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator

import pyarrow

#: More words than this are kept as a column.
MAX_STRINGS = 1 << 19
# How many words are converted to strings at a time.
_SLICE = 1 << 14


class WordSet(Collection[str]):
    """Distinct words. Many are kept as an Arrow column, without a Python object for each.

    Args:
      words: the initial words.
      max_strings: more words than this are kept as a column.
    """

    def __init__(self, words: Iterable[str] = (), *, max_strings: int = MAX_STRINGS):
        self._max_strings = max_strings
        self._strings: set[str] = set()
        self._columns: list[pyarrow.Array] = []
        self._is_sorted = False
        self.update(words)

    def update(self, words: Iterable[str]) -> None:
        """Adds words."""
        if isinstance(words, WordSet) and words.is_large:
            self._columns += words._columns
            words = words._strings
        self._strings.update(words)
        if len(self._strings) > self._max_strings:
            self._columns.append(pyarrow.array(self._strings, pyarrow.large_string()))
            self._strings = set()

    @property
    def is_large(self) -> bool:
        """Whether the words are kept as a column."""
        return bool(self._columns)

    def column(self) -> pyarrow.Array:
        """Returns the words, sorted, as an array of large strings."""
        if not self.is_large:
            return pyarrow.array(sorted(self._strings), pyarrow.large_string())
        if self._strings or len(self._columns) > 1 or not self._is_sorted:
            rest = pyarrow.array(self._strings, pyarrow.large_string())
            self._strings = set()
            words = pyarrow.concat_arrays([*self._columns, rest])
            self._columns = []
            self._columns = [_distinct(words)]
            self._is_sorted = True
            pyarrow.default_memory_pool().release_unused()
        return self._columns[0]

    def __bool__(self) -> bool:
        return self.is_large or bool(self._strings)

    def __len__(self) -> int:
        return len(self.column()) if self.is_large else len(self._strings)

    def __iter__(self) -> Iterator[str]:
        if not self.is_large:
            yield from self._strings
            return
        column = self.column()
        for begin in range(0, len(column), _SLICE):
            yield from column.slice(begin, _SLICE).to_pylist()

    def __contains__(self, word: object) -> bool:
        return word in self._strings or (self.is_large and any(each == word for each in self))

    def by_length(self) -> dict[int, list[str]]:
        """Returns the words by their length in code points."""
        words = defaultdict(list)
        for word in self:
            words[len(word)].append(word)
        return words


def _distinct(words: pyarrow.Array) -> pyarrow.Array:
    """Sorts words and removes duplicates. (A hash table would take more memory.)"""
    import pyarrow.compute as pc  # only here, because it takes a while to load

    words = words.take(pc.array_sort_indices(words))
    is_other = pc.not_equal(words.slice(1), words.slice(0, len(words) - 1))
    return words.filter(pyarrow.concat_arrays([pyarrow.array([True]), is_other]))
