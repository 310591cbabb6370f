"""Tables are passed on as bytes, or within one process by reference; nothing is kept in the end."""

from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.testing.util import assert_that, equal_to
from hypothesis import given, settings
from hypothesis import strategies as st

from beam_pipeline.io.sinks import WriteResults
from beam_pipeline.pipeline import CountAnagrams
from tests.support.beam import pipeline
from tests.support.examples import at_most
from transforms.columns import passing
from transforms.columns.convert import UnpackCounts
from transforms.columns.passing import done_with, passed, received, size_of, within_one_process
from transforms.columns.tables import counts_table
from transforms.stages.chaos import Chaos, Fault
from transforms.stages.retry import Resilience
from transforms.tally import TallyBlocks
from transforms.text.blocks import Block


def test_within_one_process_a_table_is_the_same_object_until_it_is_done_with() -> None:
    table = counts_table(["act", "dgo"], [2, 1])
    with within_one_process():
        first, second = passed(table), passed(table)
        assert first != second
        assert received(first) is received(first) is table
        assert size_of(first) == table.nbytes
        done_with([first])
        with pytest.raises(KeyError):
            received(first)
        assert received(second) is table
    assert not passing._tables


def test_between_processes_it_is_bytes() -> None:
    table = counts_table(["act", "dgo"], [2, 1])
    element = passed(table)
    assert received(element).equals(table)
    assert size_of(element) == len(element)
    done_with([element])
    assert received(element).equals(table)


@settings(max_examples=at_most(30))
@given(
    texts=st.lists(st.text("abct \n", max_size=30), max_size=8),
    dictionary=st.sampled_from(["none", "gcide"]),
    per_group=st.booleans(),
    fails=st.booleans(),
)
def test_results_are_the_same_and_no_table_is_left(
    texts: list[str],
    dictionary: str,
    per_group: bool,
    fails: bool,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("any")
    # Attempts fail after their work, too, and do it again.
    chaos = Chaos({"expand": Fault(0.3), "write": Fault(0.3)} if fails else {})
    resilience = Resilience(max_attempts=50, chaos=chaos, initial_backoff=0.001, max_backoff=0.001)

    def run(path: Path) -> bytes:
        with pipeline() as p:
            text = p | beam.Create([("ab"[at % 2], text) for at, text in enumerate(texts)])
            if not per_group:
                text |= beam.Values().with_output_types(str)
            count = CountAnagrams(
                dictionary=dictionary,
                per_group=per_group,
                as_columns=True,
                resilience=resilience,
            )
            _ = text | count | WriteResults(path, resilience=resilience)
        return path.read_bytes()

    with within_one_process():
        found = run(folder / "found.json")
        assert not passing._tables
    assert found == run(folder / "expected.json")


@pytest.mark.parametrize("buckets", [1, 4])
def test_counts_are_unpacked_and_freed(buckets: int) -> None:
    with within_one_process():
        with pipeline() as p:
            counts = p | beam.Create([Block.of_text("cat act dog")]) | TallyBlocks(buckets=buckets)
            unpacked = counts | UnpackCounts(are_words=False)
            assert_that(unpacked, equal_to([("act", 2), ("dgo", 1)]))
        assert not passing._tables
