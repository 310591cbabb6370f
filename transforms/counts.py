"""Sums the counts of bundles for each anagram class, and in corpus mode collects its words."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam.pvalue import PCollection
from apache_beam.typehints import KV


@dataclass
class CountSignatures(beam.PTransform[PCollection[Any], PCollection[Any]]):
    """Sums (signature, count) pairs into one pair for each signature.

    Attributes:
      per_group: whether elements and results are (group, (signature, count)).
    """

    per_group: bool = False

    def __post_init__(self) -> None:
        super().__init__()

    def expand(self, keyed: PCollection[Any]) -> PCollection[Any]:
        return keyed | "SumPerSignature" >> _combine_per_key(SumFn(), int, self.per_group)


def _combine_per_key(
    fn: beam.CombineFn, value_type: Any, per_group: bool
) -> beam.PTransform[PCollection[Any], PCollection[Any]]:
    """Returns a transform that combines the values of (key, value) pairs, or of those in groups."""
    if per_group:
        return CombinePerKeyAndGroup(fn, value_type)
    return beam.CombinePerKey(fn).with_output_types(KV[str, value_type])


class CombinePerKeyAndGroup(beam.PTransform[PCollection[Any], PCollection[Any]]):
    """Combines the values of (group, (key, value)) pairs whose groups and keys are equal.

    Args:
      fn: combines the values.
      value_type: the type of the results.
    """

    def __init__(self, fn: beam.CombineFn, value_type: Any):
        super().__init__()
        self._fn = fn
        self._value_type = value_type

    def expand(self, grouped: PCollection[Any]) -> PCollection[Any]:
        group_and_key = KV[str, str]
        join = beam.Map(_join_group).with_output_types(KV[group_and_key, Any])
        combine = beam.CombinePerKey(self._fn)
        combine = combine.with_output_types(KV[group_and_key, self._value_type])
        part = beam.Map(_part_group).with_output_types(KV[str, KV[str, self._value_type]])
        parted: PCollection[Any] = (
            grouped | "JoinGroup" >> join | "PerGroupAndKey" >> combine | "PartGroup" >> part
        )
        return parted


def _join_group(grouped: tuple[str, tuple[str, Any]]) -> tuple[tuple[str, str], Any]:
    group, (key, value) = grouped
    return (group, key), value


def _part_group(combined: tuple[tuple[str, str], Any]) -> tuple[str, tuple[str, Any]]:
    (group, key), value = combined
    return group, (key, value)


class SumFn(beam.CombineFn):
    """Sums whole numbers. The accumulator is the sum so far.

    Beam's ``CombinePerKey(sum)`` keeps a list for each key instead, and takes several times as
    long.
    """

    def create_accumulator(self) -> int:
        return 0

    def add_input(self, accumulator: int, count: int) -> int:
        return accumulator + count

    def merge_accumulators(self, accumulators: Iterable[int]) -> int:
        return sum(accumulators)

    def extract_output(self, accumulator: int) -> int:
        return accumulator

    def get_accumulator_coder(self) -> beam.coders.Coder:
        return beam.coders.VarIntCoder()


class ClassTally(NamedTuple):
    """The number of occurrences of an anagram class in the text, and its distinct words there."""

    count: int  # type: ignore[assignment]  # shadows tuple.count
    words: tuple[str, ...]


@dataclass
class CombineClassTallies(beam.PTransform[PCollection[Any], PCollection[Any]]):
    """Merges (signature, `ClassTally`) pairs into one pair for each signature.

    Attributes:
      per_group: whether elements and results are (group, (signature, tally)).
    """

    per_group: bool = False

    def __post_init__(self) -> None:
        super().__init__()

    def expand(self, keyed: PCollection[Any]) -> PCollection[Any]:
        merge = _combine_per_key(MergeTalliesFn(), ClassTally, self.per_group)
        return keyed | "MergePerSignature" >> merge


class MergeTalliesFn(beam.CombineFn):
    """Merges `ClassTally`s: adds counts, unites words. The accumulator is (count, set of words)."""

    def create_accumulator(self) -> tuple[int, set[str]]:
        return 0, set()

    def add_input(
        self, accumulator: tuple[int, set[str]], tally: ClassTally
    ) -> tuple[int, set[str]]:
        count, seen = accumulator
        seen.update(tally[1])
        return count + tally[0], seen

    def merge_accumulators(
        self, accumulators: Iterable[tuple[int, set[str]]]
    ) -> tuple[int, set[str]]:
        total, merged = self.create_accumulator()
        for count, seen in accumulators:
            total += count
            merged |= seen
        return total, merged

    def extract_output(self, accumulator: tuple[int, set[str]]) -> ClassTally:
        count, seen = accumulator
        return ClassTally(count, tuple(sorted(seen)))
