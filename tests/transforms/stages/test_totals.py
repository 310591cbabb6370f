"""The invariants find what a broken stage loses or doubles, and nothing is published."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_pipeline.io import sinks, sources
from tests.support.cli import Here, assert_one_line_error
from tests.support.durability import OLD
from transforms import counts, expand, filtering, tally, words
from transforms.columns.combine import CombineColumnsFn
from transforms.columns.passing import passed, received
from transforms.stages import stage as stages
from transforms.stages.totals import Count, DeadLetterCause, Totals, invariants

STATEMENTS = {invariant.statement for invariant in invariants(Totals())}


@pytest.fixture
def here(capfdbinary: pytest.CaptureFixture[bytes]) -> Here:
    """Runs the command line in this process."""
    return Here(capfdbinary)


def altered(results: Any, change: Callable[[list[Any]], list[Any]]) -> list[Any]:
    return change(list(results))


def drop_first(results: list[Any]) -> list[Any]:
    return results[1:]


def double_first(results: list[Any]) -> list[Any]:
    return results[:1] + results


#: Class, method, what is done to what it gives; engine, dictionary; the invariant that is broken.
SABOTAGE = [
    (sources._PlanFn, "process", drop_first, "vectorized", "gcide", "file ranges read"),
    (sources._ReadShardFn, "process", drop_first, "vectorized", "gcide", "blocks read"),
    (sources._ReadShardFn, "process", double_first, "elementwise", "gcide", "blocks read"),
    (filtering._FilterFn, "process", drop_first, "vectorized", "none", "blocks read"),
    (words._ExtractFn, "process", drop_first, "elementwise", "gcide", "words ="),
    (words._ExtractFn, "process", double_first, "elementwise", "none", "words ="),
    (words._KeyFn, "process", drop_first, "elementwise", "gcide", "words ="),
    (words._KeyWithWordFn, "process", drop_first, "elementwise", "none", "words ="),
    (tally._TallyFn, "finish_bundle", drop_first, "vectorized", "gcide", "words ="),
    (tally._TallyFn, "finish_bundle", double_first, "vectorized", "gcide", "words ="),
    (tally._TallyFn, "finish_bundle", drop_first, "vectorized", "none", "words ="),
    (tally._TallyFn, "finish_bundle", double_first, "vectorized", "none", "words ="),
    (sinks._ShardFn, "_emit", drop_first, "vectorized", "gcide", "records written"),
    (sinks._ShardFn, "_emit", double_first, "elementwise", "gcide", "records written"),
    (sinks._WriteFn, "process", drop_first, "vectorized", "gcide", "files to publish"),
]


@pytest.mark.parametrize(
    ("stage", "method", "change", "engine", "dictionary", "statement"),
    SABOTAGE,
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_what_a_stage_loses_or_doubles_is_found(
    stage: type,
    method: str,
    change: Callable[[list[Any]], list[Any]],
    engine: str,
    dictionary: str,
    statement: str,
    here: Here,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = getattr(stage, method)
    monkeypatch.setattr(
        stage, method, lambda self, *element: altered(whole(self, *element), change)
    )
    assert_found(here, tmp_path, statement, engine, dictionary)


def assert_found(here: Here, folder: Path, statement: str, engine: str, dictionary: str) -> None:
    (folder / "a.txt").write_text("cat software act tac\n")
    (folder / "b.txt").write_text("dog zzz\n" * 9)
    output = folder / "result.json"
    output.write_bytes(OLD)
    options = (f"--engine={engine}", f"--dictionary={dictionary}")
    finished = here(f"--input={folder}/*.txt", f"--output={output}", *options)
    assert_one_line_error(finished, "nothing published", statement, " is not ", code=1)
    assert output.read_bytes() == OLD


def lose_in_sum(self: counts.SumFn, accumulators: Any) -> int:
    return int(sum(accumulators)) - 1


def lose_in_merge(self: counts.MergeTalliesFn, accumulator: Any) -> counts.ClassTally:
    count, seen = accumulator
    return counts.ClassTally(count - 1, tuple(sorted(seen)))


def lose_row(self: CombineColumnsFn, accumulator: list[bytes]) -> bytes:
    (columns,) = self.compact(accumulator)
    return passed(received(columns).slice(1))


@pytest.mark.parametrize(
    ("place", "name", "lossy", "engine", "dictionary"),
    [
        (CombineColumnsFn, "extract_output", lose_row, "vectorized", "gcide"),
        (counts.SumFn, "merge_accumulators", lose_in_sum, "elementwise", "gcide"),
        (counts.MergeTalliesFn, "extract_output", lose_in_merge, "elementwise", "none"),
        (CombineColumnsFn, "extract_output", lose_row, "vectorized", "none"),
    ],
)
def test_what_is_lost_between_stages_is_found(
    place: object,
    name: str,
    lossy: Callable[..., Any],
    engine: str,
    dictionary: str,
    here: Here,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(place, name, lossy)
    assert_found(here, tmp_path, "words", engine, dictionary)


@pytest.mark.parametrize("times", [0, 2])
@pytest.mark.parametrize(
    "stage",
    [
        sources._PlanFn,
        sources._ReadShardFn,
        words._ExtractFn,
        words._KeyFn,
        expand._ExpandFn,
        sinks._ShardFn,
        sinks._WriteFn,
    ],
)
def test_totals_of_a_bundle_that_are_lost_or_doubled_are_found(
    stage: type, times: int, here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    emit_totals = stages.StageFn.emit_totals
    monkeypatch.setattr(
        stage, "emit_totals", lambda self, *attempts: [*emit_totals(self, *attempts)] * times
    )
    assert_found(here, tmp_path, "", "elementwise", "gcide")


def test_all_totals_lost_are_found(
    here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sinks, "_to_outcome", lambda totals: sinks.WriteOutcome((), Totals()))
    assert_found(here, tmp_path, "files matched", "vectorized", "gcide")


def test_every_invariant_can_be_broken() -> None:
    broken = set()
    for count in Count:
        for invariant in invariants(Totals(Counter({count: 1}))):
            if not invariant.holds:
                assert {invariant.left, invariant.right} == {0, 1}
                broken.add(invariant.statement)
    assert broken == STATEMENTS
    assert all(invariant.holds for invariant in invariants(Totals()))


def test_only_what_the_stages_of_a_pipeline_count_must_agree() -> None:
    totals = Totals(Counter({Count.BLOCKS_PROCESSED: 2, Count.WORDS_KEYED: 3}))
    measured = {Count.BLOCKS_PROCESSED, Count.WORDS_KEYED, Count.WORDS_COUNTED}
    (keyed,) = invariants(totals, measured)
    assert (keyed.left, keyed.right, keyed.holds) == (3, 0, False)


counters = st.dictionaries(st.sampled_from(Count), st.integers(0, 1 << 60)).map(Counter)
lengths = st.dictionaries(st.integers(1, 64), st.integers(0, 99)).map(Counter)
causes = st.dictionaries(st.builds(DeadLetterCause), st.integers(0, 99)).map(Counter)


@given(st.builds(Totals, counters, lengths, causes), st.builds(Totals, counters, lengths, causes))
def test_totals_add_up_and_come_back_from_json(totals: Totals, others: Totals) -> None:
    assert Totals.from_json(json.loads(json.dumps(totals.to_json()))) == totals
    merged = Totals()
    for each in (totals, others):
        merged.merge(each)
    for count in Count:
        assert merged[count] == totals[count] + others[count]
    for cause in {*totals.dead_letters_by_cause, *others.dead_letters_by_cause}:
        both = (totals.dead_letters_by_cause, others.dead_letters_by_cause)
        assert merged.dead_letters_by_cause[cause] == sum(each[cause] for each in both)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"counts": {"wrods": 1}, "words_by_length": [], "dead_letters_by_cause": []},
        {"counts": {"words": "many"}, "words_by_length": [], "dead_letters_by_cause": []},
        {"counts": {}, "words_by_length": [3], "dead_letters_by_cause": []},
        {"counts": {}, "words_by_length": [], "dead_letters_by_cause": [["read", 1]]},
    ],
)
def test_what_is_not_totals_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        Totals.from_json(fields)
