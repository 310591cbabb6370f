"""Adds up equal keys, and groups words into anagram classes. Loads the compiler."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow

from transforms.columns.tables import COUNTS, RECORDS, Int64Array, letters_and_ends, strings_of
from transforms.kernel import word_loops
from transforms.kernel.word_table import WordTable


def merge_counts(tables: Iterable[pyarrow.Table]) -> pyarrow.Table:
    """Merges tables of counts into one that has each key once, with the sum of its counts."""
    merged = WordTable()
    for table in tables:
        keys, counts = table["key"].combine_chunks(), table["count"].to_numpy()
        merged.add(*letters_and_ends(keys), counts)
    letters, ends, counts = merged.to_columns()
    return pyarrow.table([strings_of(letters, ends), pyarrow.array(counts)], COUNTS)


def group_words(counts: pyarrow.Table) -> tuple[Any, Int64Array, int]:
    """Groups words by their signatures.

    Args:
      counts: how often each word occurs, see `transforms.columns.COUNTS`.

    Returns:
      A table like `transforms.columns.RECORDS`, in which each word has the count of its class; for
      each of its rows, how many words the class has; and the number of classes.
    """
    words, numbers = counts["key"].combine_chunks(), counts["count"].to_numpy()
    data, ends = letters_and_ends(words)
    signatures = np.empty(ends[-1], np.uint8)
    word_loops.sort_letters(data, ends, int(np.diff(ends).max(initial=0)), signatures)
    classes = WordTable(1 << len(words).bit_length())
    of_word = classes.add(signatures, ends, numbers)
    keys = strings_of(signatures, ends)
    class_counts = pyarrow.array(classes.counts[of_word])
    table = pyarrow.table([words, class_counts, keys], RECORDS)
    return table, np.bincount(of_word)[of_word], classes.size
