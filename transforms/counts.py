"""Sums what bundles have counted: occurrences of each anagram class, and in corpus mode words."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import apache_beam as beam
from apache_beam.pvalue import PCollection


@dataclass
class CountSignatures(beam.PTransform[PCollection[tuple[str, int]], PCollection[tuple[str, int]]]):
    """Sums (signature, count) pairs into one pair for each signature."""

    def __post_init__(self) -> None:
        super().__init__()

    def expand(self, keyed: PCollection[tuple[str, int]]) -> PCollection[tuple[str, int]]:
        return keyed | "SumPerSignature" >> beam.CombinePerKey(SumFn()).with_output_types(
            tuple[str, int]
        )


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
    """How often the words of an anagram class occur, and which distinct ones were seen."""

    count: int  # type: ignore[assignment]  # shadows tuple.count
    words: tuple[str, ...]


@dataclass
class CombineClassTallies(
    beam.PTransform[PCollection[tuple[str, ClassTally]], PCollection[tuple[str, ClassTally]]]
):
    """Merges (signature, `ClassTally`) pairs into one pair for each signature."""

    def __post_init__(self) -> None:
        super().__init__()

    def expand(
        self, keyed: PCollection[tuple[str, ClassTally]]
    ) -> PCollection[tuple[str, ClassTally]]:
        return keyed | "MergePerSignature" >> beam.CombinePerKey(
            MergeTalliesFn()
        ).with_output_types(tuple[str, ClassTally])


class MergeTalliesFn(beam.CombineFn):
    """Merges `ClassTally`s into their sum and union. The accumulator is (count, set of words)."""

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
