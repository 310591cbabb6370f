"""Merged tables have each key once, with the sum of its counts, however they were merged."""

from collections import Counter
from collections.abc import Callable

import apache_beam as beam
import pytest
from apache_beam.testing.util import assert_that, equal_to
from hypothesis import given
from hypothesis import strategies as st

from tests.support.beam import assert_gives, pipeline
from tests.support.tables import rows_of
from transforms.columns.buckets import BucketOfCounts
from transforms.columns.combine import CombineColumns, CombineColumnsFn
from transforms.columns.passing import passed, received
from transforms.columns.tables import counts_table

counters = st.lists(
    st.dictionaries(st.sampled_from(["a", "é", "cat", "漢"]), st.integers(0, 9), min_size=1),
    min_size=1,
    max_size=8,
)


def columns_of(counts: dict[str, int]) -> bytes:
    return passed(counts_table(counts, counts.values()))


def total(counts: list[dict[str, int]]) -> dict[str, int]:
    found: dict[str, int] = {}
    for each in counts:
        for key, number in each.items():
            found[key] = found.get(key, 0) + number
    return found


@given(counters, st.sampled_from([1, 1000, 1 << 20]), st.integers(1, 3))
def test_tables_add_up_in_any_grouping(
    counts: list[dict[str, int]], max_unmerged_bytes: int, accumulators: int
) -> None:
    fn = CombineColumnsFn(max_unmerged_bytes)
    made = [fn.create_accumulator() for _ in range(accumulators)]
    for number, each in enumerate(counts):
        at = number % accumulators
        made[at] = fn.add_input(made[at], columns_of(each))
    merged = fn.compact(fn.merge_accumulators(fn.compact(each) for each in made))
    assert Counter(rows_of(received(fn.extract_output(merged)))) == Counter(total(counts).items())


@pytest.mark.parametrize("max_unmerged_bytes", [1, 8 << 20])
def test_each_bucket_is_merged_by_itself(max_unmerged_bytes: int) -> None:
    elements = [(0, {"a": 1, "b": 0}), (1, {"a": 5}), (0, {"a": 2}), (0, {"c": 1})]
    with pipeline() as p:
        merged = (
            p
            | beam.Create([(bucket, columns_of(counts)) for bucket, counts in elements])
            | beam.Map(lambda pair: pair).with_output_types(BucketOfCounts)
            | CombineColumns(max_unmerged_bytes)
            | beam.MapTuple(lambda bucket, data: (bucket, sorted(rows_of(received(data)))))
        )
        expected = [(0, [("a", 3), ("b", 0), ("c", 1)]), (1, [("a", 5)])]
        assert_that(merged, equal_to(expected))


def test_large_tables_add_up() -> None:
    tables = [{f"{n * step:x}é": n for n in range(1, 2000)} for step in (1, 3, 7)]
    fn = CombineColumnsFn(1 << 20)
    merged = fn.merge_accumulators([columns_of(counts)] for counts in tables)
    assert Counter(rows_of(received(fn.extract_output(merged)))) == Counter(total(tables).items())


def test_no_counts_make_no_columns() -> None:
    assert_gives([], CombineColumns(), [])


@pytest.mark.parametrize("make", [lambda: CombineColumns(0)])
def test_invalid_settings_are_refused_by_name_and_value(make: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=r"max_unmerged_bytes=0.*1 or more"):
        make()
