"""The laws of conservation find what a broken stage loses or doubles, and nothing is published."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from beam_pipeline.io import sinks, sources
from tests.support.cli import Here, assert_one_line_error
from tests.support.durability import OLD
from transforms import columns, counts, expand, filtering, tally, words
from transforms import distinct_words as collect
from transforms.stages import stage as stages
from transforms.stages.totals import Totals, check_invariants, conservation

LAWS = {law["law"] for law in conservation({})}


@pytest.fixture
def here(capfdbinary: pytest.CaptureFixture[bytes]) -> Here:
    """Runs the command line in this process."""
    return Here(capfdbinary)


def altered(results: Any, change: Callable[[list], list]) -> list:
    return change(list(results))


def drop_first(results: list) -> list:
    return results[1:]


def double_first(results: list) -> list:
    return results[:1] + results


#: Class, method, what is done to what it gives; engine, dictionary; the law that is broken.
SABOTAGE = [
    (sources._PlanFn, "process", drop_first, "vectorized", "gcide", "parts of the input"),
    (sources._ReadFn, "process", drop_first, "vectorized", "gcide", "records read"),
    (sources._ReadFn, "process", double_first, "elementwise", "gcide", "records read"),
    (filtering._FilterFn, "process", drop_first, "vectorized", "none", "records read"),
    (words._ExtractFn, "process", drop_first, "elementwise", "gcide", "words ="),
    (words._ExtractFn, "process", double_first, "elementwise", "none", "words ="),
    (words._KeyFn, "process", drop_first, "elementwise", "gcide", "words ="),
    (words._KeyWithWordFn, "process", drop_first, "elementwise", "none", "words ="),
    (tally._TallyFn, "finish_bundle", drop_first, "vectorized", "gcide", "words ="),
    (tally._TallyFn, "finish_bundle", double_first, "vectorized", "gcide", "words ="),
    (collect._CountDistinctFn, "finish_bundle", drop_first, "vectorized", "none", "words ="),
    (collect._CountDistinctFn, "finish_bundle", double_first, "vectorized", "none", "words ="),
    (sinks._PackFn, "finish_bundle", drop_first, "vectorized", "gcide", "records written"),
    (sinks._PackFn, "finish_bundle", double_first, "vectorized", "gcide", "records written"),
    (sinks._WriteFn, "process", drop_first, "vectorized", "gcide", "files to publish"),
]


@pytest.mark.parametrize(
    ("stage", "method", "change", "engine", "dictionary", "law"),
    SABOTAGE,
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_what_a_stage_loses_or_doubles_is_found(
    stage: type,
    method: str,
    change: Callable[[list], list],
    engine: str,
    dictionary: str,
    law: str,
    here: Here,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = getattr(stage, method)
    monkeypatch.setattr(
        stage, method, lambda self, *element: altered(whole(self, *element), change)
    )
    assert_found(here, tmp_path, law, engine, dictionary)


def assert_found(here: Here, folder: Path, law: str, engine: str, dictionary: str) -> None:
    (folder / "a.txt").write_text("cat software act tac\n")
    (folder / "b.txt").write_text("dog zzz\n" * 9)
    output = folder / "result.json"
    output.write_bytes(OLD)
    options = (f"--engine={engine}", f"--dictionary={dictionary}")
    finished = here(f"--input={folder}/*.txt", f"--output={output}", *options)
    assert_one_line_error(finished, "nothing published", law, " is not ", code=1)
    assert output.read_bytes() == OLD


def lose_in_sum(self: counts.SumFn, accumulators: Any) -> int:
    return sum(accumulators) - 1


def lose_in_merge(self: counts.MergeTalliesFn, accumulator: Any) -> counts.ClassTally:
    count, seen = accumulator
    return counts.ClassTally(count - 1, tuple(sorted(seen)))


def lose_of_bucket(bucket: tuple[int, bytes], whole: Callable = columns._classes) -> list:
    return list(whole(bucket))[1:]


@pytest.mark.parametrize(
    ("place", "name", "lossy", "engine", "dictionary"),
    [
        (counts.SumFn, "merge_accumulators", lose_in_sum, "vectorized", "gcide"),
        (counts.SumFn, "merge_accumulators", lose_in_sum, "elementwise", "gcide"),
        (counts.MergeTalliesFn, "extract_output", lose_in_merge, "elementwise", "none"),
        (columns, "_classes", lose_of_bucket, "vectorized", "none"),
    ],
)
def test_what_is_lost_between_stages_is_found(
    place: object,
    name: str,
    lossy: Callable,
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
        sources._ReadFn,
        words._ExtractFn,
        words._KeyFn,
        expand._ExpandFn,
        sinks._PackFn,
        sinks._WriteFn,
    ],
)
def test_totals_of_a_bundle_that_are_lost_or_doubled_are_found(
    stage: type, times: int, here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = stages.StageFn.emit_totals
    monkeypatch.setattr(
        stage, "emit_totals", lambda self, *attempts: [*told(self, *attempts)] * times
    )
    assert_found(here, tmp_path, "", "elementwise", "gcide")


def test_all_totals_lost_are_found(
    here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sinks, "_told", lambda totals: sinks.WriteOutcome())
    assert_found(here, tmp_path, "files to publish", "vectorized", "gcide")


def test_every_law_can_be_broken() -> None:
    names = (
        *("parts_read", "records_read", "words", "words_keyed", "records_written", "files"),
        *("files_wanted", "files_written"),
    )
    broken = set()
    for name in names:
        totals = Totals({name: 1})
        with pytest.raises(Exception, match=r"1 is not 0|0 is not 1"):
            check_invariants(totals)
        broken |= {law["law"] for law in conservation(totals) if law["left"] != law["right"]}
    assert broken == LAWS
    check_invariants({})
