"""Only those who are right and reliable win."""

from beam_pipeline.benchmark.compare.metrics import DETAILS, METRICS, winners
from beam_pipeline.benchmark.compare.results import OrchestratorResult
from beam_pipeline.benchmark.compare.run import Run, Status
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


def best(*orchestrators: OrchestratorResult) -> dict[str, set[str]]:
    return winners(summarize(subject(*orchestrators)))


def test_the_lowest_cost_wins_and_ties_are_shared() -> None:
    found = best(
        orchestrator("a", *measured(1, 2, 3, memory=200)),
        orchestrator("b", *measured(2, 3, 4, memory=100)),
        orchestrator("c", *measured(2, 2, 9, memory=100)),
    )
    assert found["runtime"] == found["throughput"] == found["cpu"] == {"a", "c"}
    assert found["memory"] == found["growth"] == {"b", "c"}
    assert found["success"] == found["start"] == {"a", "b", "c"}


def test_one_wrong_answer_costs_everything() -> None:
    wrong = JudgedRun(Purpose.WARM_UP, run(0.1), Difference(extra=("dog",)))
    found = best(
        orchestrator("a", wrong, *measured(0.1, 0.1)),
        orchestrator("b", *measured(5, 5, memory=900)),
    )
    assert all(names == {"b"} for names in found.values())


def test_failing_is_no_way_to_be_fast() -> None:
    failed = JudgedRun(Purpose.MEASURED, Run(Status.FAILED, error="injected"), RIGHT)
    found = best(
        orchestrator("a", failed, *measured(0.1, 0.1)), orchestrator("b", *measured(5, 5, 5))
    )
    assert found["success"] == found["runtime"] == {"b"}


def test_a_violation_of_the_interface_costs_everything() -> None:
    careless = orchestrator("a", *measured(1))
    careless.violations = {"does not take chaos"}
    assert best(careless)["runtime"] == set()


def test_nobody_wins_where_nobody_is_right() -> None:
    assert not any(winners([]).values())
    assert not any(best(orchestrator("a")).values())


def test_metrics_that_can_be_won_have_names_of_their_own() -> None:
    named = [metric for metric in (*METRICS, *DETAILS) if metric.name]
    assert len({metric.name for metric in named}) == len(named)
    assert all((metric.cost is not None) == bool(metric.name) for metric in (*METRICS, *DETAILS))
