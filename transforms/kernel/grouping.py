"""Groups distinct words into anagram classes, in compiled code. Loads the compiler."""

from typing import Any

import numpy as np
import pyarrow

from transforms.columns.tables import RECORDS, Int64Array, letters_and_ends, strings_of
from transforms.kernel import word_loops
from transforms.kernel.word_table import WordTable


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
    classes = WordTable()
    of_word = classes.add(signatures, ends, numbers)
    keys = strings_of(signatures, ends)
    class_counts = pyarrow.array(classes.arrays.counts[of_word])
    table = pyarrow.table([words, class_counts, keys], RECORDS)
    return table, np.bincount(of_word)[of_word], classes.size
