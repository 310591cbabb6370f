"""Every answer counts: one mistake is enough."""

from beam_pipeline.benchmark.compare.run import Run, Status
from beam_pipeline.benchmark.compare.verdict import JudgedRun, Purpose, verdict
from beam_pipeline.cases import Difference
from tests.beam_pipeline.benchmark.compare.build import RIGHT, measured, run

WRONG = Difference(wrong=("act",))


def test_right_answers_only_are_right() -> None:
    assert verdict(measured(1, 2)) == "right"
    assert verdict([]) == "no answer"


def test_who_never_answers_has_failed_whatever_else_it_breaks() -> None:
    failed = JudgedRun(Purpose.PROBE, Run(Status.FAILED, error="NameError"), RIGHT)
    assert verdict([failed, failed], {"does not raise ValueError"}) == "failed"
    crashed = JudgedRun(Purpose.PROBE, Run(Status.CRASHED), RIGHT)
    assert verdict([failed, crashed]) == "crashed"
    assert verdict([failed, *measured(1)]) == "right"


def test_violations_are_listed() -> None:
    assert verdict(measured(1), {"b", "a"}) == "WRONG: a, b"


def test_a_mistake_on_the_named_case_is_not_a_memorized_answer() -> None:
    judged = [JudgedRun(Purpose.NAMED, run(1), WRONG), JudgedRun(Purpose.MEASURED, run(1), WRONG)]
    assert verdict(judged) == "WRONG"
    judged[0] = JudgedRun(Purpose.NAMED, run(1), RIGHT)
    assert verdict(judged) == "WRONG on fresh text, right on the named case"
