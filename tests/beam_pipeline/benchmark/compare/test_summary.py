"""Figures follow from runs, and only those who are right and reliable win."""

import pytest

from beam_pipeline.benchmark.compare.comparison import Comparison, Score
from beam_pipeline.benchmark.compare.orchestrator_process import CRASHED, DONE, FAILED, TIMEOUT, Run
from beam_pipeline.benchmark.compare.summary import Spread, Summary, summarize, winners
from beam_pipeline.benchmark.compare.verdict import (
    MEASURED,
    NAMED,
    WARM_UP,
    Difference,
    Judged,
    difference,
    verdict,
)

RIGHT = Difference()


def run(seconds: float, status: str = DONE, memory: int = 100, **more: float) -> Run:
    return Run(status, seconds, peak_bytes=memory, growth_bytes=memory // 10, cpu_seconds=seconds)


def score(name: str, *judged: Judged) -> Score:
    return Score(name, list(judged), start_seconds=[1.0])


def measured(*seconds: float, **more: object) -> list[Judged]:
    return [Judged(MEASURED, run(taken, **more), RIGHT) for taken in seconds]  # type: ignore[arg-type]


def summaries(*scores: Score) -> list[Summary]:
    return summarize(Comparison("subject", 600, 3000, list(scores)))


def test_differences_are_of_three_kinds() -> None:
    found = difference({"act": 1, "cat": 3, "dog": 1}, {"act": 1, "cat": 2, "tac": 2})
    assert found == Difference(missing=("tac",), wrong=("cat",), extra=("dog",))
    assert str(found) == "1 missing (tac), 1 wrong (cat), 1 extra (dog)"
    assert not difference({"act": 1}, {"act": 1})


def test_the_spread_of_known_values() -> None:
    spread = Spread.of([1, 2, 3, 4, 100])
    assert (spread.least, spread.quarter, spread.median) == (1, 2, 3)
    assert (spread.three_quarters, spread.greatest, spread.mean) == (4, 100, 22)
    assert spread.outliers == (100,)
    assert spread.deviation == pytest.approx(43.62, abs=0.01)


def test_few_values_have_no_outliers() -> None:
    assert Spread.of([1, 1, 100]).outliers == ()
    assert Spread.of([7]) == Spread(7, 0, 7, 7, 7, 7, 7)


def test_only_measured_runs_make_figures_and_all_runs_make_the_rate() -> None:
    (found,) = summaries(
        score(
            "a",
            Judged(NAMED, run(50), RIGHT),
            Judged(WARM_UP, run(9, FAILED), Difference(missing=("act",))),
            *measured(1, 2, 3),
        )
    )
    assert found.runtime == Spread.of([1, 2, 3])
    assert (found.successes, found.runs, found.success_rate) == (4, 5, 0.8)
    assert found.words_per_second == 300
    assert found.verdict == "right"


@pytest.mark.parametrize("status", [FAILED, CRASHED, TIMEOUT])
def test_a_run_without_answer_is_a_failure_and_not_wrong(status: str) -> None:
    lost = Judged(MEASURED, Run(status, error="gone"), Difference(missing=("act",)))
    (found,) = summaries(score("a", lost, lost))
    assert found.verdict == "no answer"
    assert found.notes == ("gone",)
    assert (found.successes, found.runs) == (0, 2)
    assert found.timed_out == (status == TIMEOUT)


def test_the_best_are_those_with_least_and_ties_are_shared() -> None:
    best = winners(
        summaries(
            score("a", *measured(1, 2, 3, memory=200)),
            score("b", *measured(2, 3, 4, memory=100)),
            score("c", *measured(2, 2, 9, memory=100)),
        )
    )
    assert best["runtime"] == best["throughput"] == best["cpu"] == {"a", "c"}
    assert best["memory"] == {"b", "c"}
    assert best["success"] == {"a", "b", "c"}


def test_one_wrong_answer_costs_everything() -> None:
    wrong = Judged(WARM_UP, run(0.1), Difference(extra=("dog",)))
    best = winners(
        summaries(score("a", wrong, *measured(0.1, 0.1)), score("b", *measured(5, 5, memory=900)))
    )
    assert all(names == {"b"} for names in best.values())


def test_failing_is_no_way_to_be_fast() -> None:
    failed = Judged(MEASURED, Run(FAILED, error="injected"), RIGHT)
    best = winners(
        summaries(score("a", failed, *measured(0.1, 0.1)), score("b", *measured(5, 5, 5)))
    )
    assert best["success"] == best["runtime"] == {"b"}


def test_a_breach_of_the_interface_costs_everything() -> None:
    careless = score("a", *measured(1))
    careless.breaches = {"takes no chaos"}
    assert winners(summaries(careless))["runtime"] == set()


def test_nobody_wins_where_nobody_is_right() -> None:
    assert not any(winners([]).values())
    assert not any(winners(summaries(score("a"))).values())


def test_a_mistake_on_the_named_case_is_not_one_of_memory() -> None:
    wrong = Difference(wrong=("act",))
    judged = [Judged(NAMED, run(1), wrong), Judged(MEASURED, run(1), wrong)]
    assert verdict(judged) == "WRONG"
    judged[0] = Judged(NAMED, run(1), RIGHT)
    assert verdict(judged) == "WRONG on fresh text, right on the named case"
