"""Counts add up whatever the order and grouping they are merged in."""

from collections import Counter
from itertools import pairwise
from typing import Any

import apache_beam as beam
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.beam import assert_gives
from transforms.counts import (
    ClassTally,
    CombineClassTallies,
    CountSignatures,
    MergeTalliesFn,
    SumFn,
)

tallies = st.builds(
    ClassTally, st.integers(1, 9), st.lists(st.sampled_from("abc"), max_size=2).map(tuple)
)


def test_counts_of_a_signature_are_summed() -> None:
    keyed = [("act", 1), ("dgo", 1), ("act", 4), ("act", 1)]
    assert_gives(keyed, CountSignatures(), [("act", 6), ("dgo", 1)])


def test_no_words_give_no_counts() -> None:
    assert_gives([], CountSignatures(), [])
    assert_gives([], CombineClassTallies(), [])


def test_classes_collect_their_count_and_distinct_words_in_order() -> None:
    keyed = [("act", ClassTally(1, (word,))) for word in ("tac", "cat", "tac", "act")]
    keyed += [("dgo", ClassTally(5, ("dog",))), ("act", ClassTally(2, ("act", "cta")))]
    expected = [
        ("act", ClassTally(6, ("act", "cat", "cta", "tac"))),
        ("dgo", ClassTally(5, ("dog",))),
    ]
    assert_gives(keyed, CombineClassTallies(), expected)


def combined(combiner: beam.CombineFn, groups: list[list[Any]]) -> Any:
    """Each group added in sequence, the groups merged."""
    accumulators = []
    for group in groups:
        accumulator = combiner.create_accumulator()
        for element in group:
            accumulator = combiner.add_input(accumulator, element)
        accumulators.append(combiner.compact(accumulator))
    return combiner.extract_output(combiner.merge_accumulators(accumulators))


@given(st.lists(tallies, max_size=8), st.data())
def test_tallies_merge_in_any_grouping_as_in_sequence(
    elements: list[ClassTally], data: st.DataObject
) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(elements)), max_size=3)))
    bounds = [0, *cuts, len(elements)]
    groups = [elements[start:end] for start, end in pairwise(bounds)]
    expected = ClassTally(
        sum(tally.count for tally in elements),
        tuple(sorted({word for tally in elements for word in tally.words})),
    )
    assert combined(MergeTalliesFn(), [elements]) == expected
    assert combined(MergeTalliesFn(), groups) == expected
    assert combined(MergeTalliesFn(), groups[::-1]) == expected


@given(st.lists(st.lists(st.integers(1, 10**12), max_size=4), max_size=4))
def test_numbers_sum_in_any_grouping(groups: list[list[int]]) -> None:
    assert combined(SumFn(), groups) == sum(map(sum, groups))


@pytest.mark.parametrize(
    ("combiner", "nothing"), [(MergeTalliesFn(), ClassTally(0, ())), (SumFn(), 0)]
)
def test_nothing_combines_to_nothing(combiner: beam.CombineFn, nothing: Any) -> None:
    assert combined(combiner, []) == combined(combiner, [[]]) == combined(combiner, [[], []])
    assert combined(combiner, []) == nothing


def test_merging_leaves_no_trace_in_an_accumulator_that_is_not_its_result() -> None:
    combiner = MergeTalliesFn()
    first = combiner.add_input(combiner.create_accumulator(), ClassTally(1, ("cat",)))
    second = combiner.add_input(combiner.create_accumulator(), ClassTally(2, ("act",)))
    assert Counter(second[1]) == {"act": 1}
    merged = combiner.merge_accumulators([first, second])
    combiner.add_input(merged, ClassTally(1, ("tac",)))
    assert second == (2, {"act"})
