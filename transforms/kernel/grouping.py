"""Adds up equal keys, and groups words into anagram classes. Loads the compiler."""

from typing import Any

import numpy as np
import pyarrow
import pyarrow.compute as pc

from transforms.columns.tables import (
    COUNTS,
    GROUP,
    RECORDS,
    Int64Array,
    letters_and_ends,
    strings_of,
    with_groups_of,
)
from transforms.kernel import word_loops
from transforms.kernel.word_table import WordTable

# No signature has it, so what precedes the last one is the group, whatever is in that.
_BETWEEN = pyarrow.scalar("\0", GROUP.type)


def merge_counts(counts: pyarrow.Table) -> pyarrow.Table:
    """Merges the counts of equal keys, so that each key is there once, with their sum."""
    merged = WordTable()
    for batch in counts.to_batches():
        merged.add(*letters_and_ends(batch["key"]), batch["count"].to_numpy())
    letters, ends, sums = merged.to_columns()
    return pyarrow.table([strings_of(letters, ends), pyarrow.array(sums)], COUNTS)


def group_words(counts: pyarrow.Table) -> tuple[Any, Int64Array, int]:
    """Groups words by their signatures, those of each group by themselves.

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
    keys = strings_of(signatures, ends)
    classes = WordTable(1 << len(words).bit_length())
    if GROUP.name in counts.column_names:
        joined = pc.binary_join_element_wise(counts[GROUP.name].combine_chunks(), keys, _BETWEEN)
        of_word = classes.add(*letters_and_ends(joined), numbers)
    else:
        of_word = classes.add(signatures, ends, numbers)
    class_counts = pyarrow.array(classes.counts[of_word])
    table = with_groups_of(pyarrow.table([words, class_counts, keys], RECORDS), counts)
    return table, np.bincount(of_word)[of_word], classes.size
