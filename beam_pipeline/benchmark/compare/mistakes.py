"""The differences between an answer and the expected one, word by word."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

from beam_pipeline.cases import Difference


@dataclass(frozen=True)
class Mistake:
    """A word whose count is not the right one.

    Attributes:
      word: a word of the dictionary, or any other word of the answer.
      expected: the right count; None if the word should not be in the answer.
      got: the count in the answer; None if the word is not in it.
    """

    word: str
    expected: int | None
    got: int | None


def first_mistakes(
    expected: Mapping[str, int], actual: Mapping[str, int], differs: Difference, limit: int = 6
) -> tuple[Mistake, ...]:
    """Returns some mistakes of every kind: missing, wrong and extra words.

    Args:
      expected: the right answer.
      actual: the answer given.
      differs: where they differ.
      limit: how many at most.
    """
    in_turn = itertools.chain.from_iterable(
        itertools.zip_longest(differs.missing[:limit], differs.wrong[:limit], differs.extra[:limit])
    )
    words = [word for word in in_turn if word is not None][:limit]
    return tuple(Mistake(word, expected.get(word), actual.get(word)) for word in words)
