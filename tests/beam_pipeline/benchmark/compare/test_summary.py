"""Figures follow from runs."""

import pytest

from beam_pipeline.benchmark.compare.run import Run, Status
from beam_pipeline.benchmark.compare.stats import Stats
from beam_pipeline.benchmark.compare.summary import summarize
from beam_pipeline.benchmark.compare.verdict import JudgedRun, Purpose
from beam_pipeline.cases import Difference
from tests.beam_pipeline.benchmark.compare.build import (
    RIGHT,
    measured,
    orchestrator,
    run,
    subject,
)


def test_only_measured_runs_make_figures_and_all_runs_make_the_rate() -> None:
    (found,) = summarize(
        subject(
            orchestrator(
                "a",
                JudgedRun(Purpose.NAMED, run(50), RIGHT),
                JudgedRun(Purpose.WARM_UP, run(9, Status.FAILED), Difference(missing=("act",))),
                *measured(1, 2, 3),
            )
        )
    )
    assert found.runtime == Stats.of([1, 2, 3])
    assert (found.successes, found.runs, found.success_rate) == (4, 5, 0.8)
    assert found.words_per_second == 300
    assert found.verdict == "right"


@pytest.mark.parametrize("status", [Status.FAILED, Status.CRASHED, Status.TIMEOUT])
def test_a_run_without_answer_is_a_failure_and_not_wrong(status: Status) -> None:
    lost = JudgedRun(Purpose.MEASURED, Run(status, error="gone"), Difference(missing=("act",)))
    (found,) = summarize(subject(orchestrator("a", lost, lost)))
    assert found.verdict == status.value
    assert found.notes == ("gone",)
    assert (found.successes, found.runs) == (0, 2)
    assert found.timed_out == (status == Status.TIMEOUT)


def test_further_notes_are_counted() -> None:
    runs = [
        JudgedRun(Purpose.MEASURED, Run(Status.FAILED, error=f"error {number}"), RIGHT)
        for number in (1, 1, 2, 3, 4, 5)
    ]
    (found,) = summarize(subject(orchestrator("a", *runs)))
    assert found.notes == ("error 1", "error 2", "error 3", "2 more")
