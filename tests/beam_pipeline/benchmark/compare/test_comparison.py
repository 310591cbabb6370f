"""A wrong or cheating orchestrator cannot win, and a broken one does not end the comparison."""

import hashlib
import os
from pathlib import Path

import psutil
import pytest

from beam_pipeline.benchmark.compare import oracle
from beam_pipeline.benchmark.compare.comparison import Comparison, Texts
from beam_pipeline.benchmark.compare.metrics import winners
from beam_pipeline.benchmark.compare.orchestrator import find_orchestrators
from beam_pipeline.benchmark.compare.results import OrchestratorResult
from beam_pipeline.benchmark.compare.run import Status
from beam_pipeline.benchmark.compare.subjects import Subject, built_in_subjects
from beam_pipeline.benchmark.compare.summary import Summary, summarize
from beam_pipeline.benchmark.compare.verdict import Purpose
from tests.beam_pipeline.benchmark.compare.planted import forks

pytestmark = pytest.mark.slow

PLANTED = Path(__file__).parent / "planted"
HONEST = Path(__file__).parents[4] / "benchmark_orchestrators" / "indexed.py"
RIGHT = {"takes_answers", "caches", "claims_speed", "answers_lazily", "forks", "daemonizes"}
WRONG = {"memorizes", "adds_words", "drops_multiplicity", "takes_bytes"}
BROKEN = {"crashes", "lacks_package", "is_no_python", "answers_floats", "ends_supervisor"}
#: Never answers: it has a comparison of its own, so that no other needs a short timeout.
HANGS = PLANTED / "hangs.py"
#: These have comparisons or commands of their own too.
APART = {"hangs", "hangs_later", "wakes_others"}
#: Seconds that no run needs, not even on a busy machine.
AMPLE = 600


class Outcome:
    """A comparison of all planted orchestrators but one and of an honest one."""

    def __init__(self, folder: Path):
        no_python = folder / "is_no_python.py"
        no_python.write_text("class TaskOrchestrator\n")
        planted = [
            path for path in find_orchestrators(PLANTED).orchestrators if path.stem not in APART
        ]
        os.environ["PLANTED_FOLDER"] = str(folder)
        try:
            comparison = Comparison(iterations=3, warm_ups=1, timeout=AMPLE, seed="planted")
            (result,) = comparison.run([HONEST, no_python, *planted], built_in_subjects("medium"))
        finally:
            del os.environ["PLANTED_FOLDER"]
        self.results: dict[str, OrchestratorResult] = {
            one.name: one for one in result.orchestrators
        }
        self.summaries: dict[str, Summary] = {one.name: one for one in summarize(result)}
        self.best = winners(list(self.summaries.values()))
        self.daemon = int((folder / "daemon").read_text())
        self.escaped = int((folder / "escaped").read_text())
        self.cached = (folder / "cached").exists()
        self.cache_hit = (folder / "cache-hit").exists()
        self.taken = {path.name.partition("-")[2] for path in folder.glob("taken-*")}


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return Outcome(tmp_path_factory.mktemp("planted"))


def test_every_planted_orchestrator_takes_part(outcome: Outcome) -> None:
    assert outcome.results.keys() == {"indexed"} | RIGHT | WRONG | BROKEN


def test_only_right_orchestrators_can_win(outcome: Outcome) -> None:
    assert outcome.summaries["indexed"].verdict == "right"
    assert outcome.summaries["indexed"].success_rate == 1
    assert outcome.best["success"] == {"indexed"} | RIGHT
    for best in outcome.best.values():
        assert best and best <= {"indexed"} | RIGHT


@pytest.mark.parametrize("name", sorted(WRONG | BROKEN))
def test_wrong_and_broken_ones_win_nothing(outcome: Outcome, name: str) -> None:
    assert not [metric for metric, best in outcome.best.items() if name in best]


@pytest.mark.parametrize("name", sorted(WRONG))
def test_wrong_ones_are_marked(outcome: Outcome, name: str) -> None:
    assert outcome.summaries[name].verdict.startswith("WRONG")


def test_memorized_answers_are_told_from_other_mistakes(outcome: Outcome) -> None:
    assert outcome.summaries["memorizes"].verdict == (
        "WRONG on fresh text, right on the named case"
    )
    assert outcome.summaries["adds_words"].verdict == "WRONG"


def test_extra_words_are_named(outcome: Outcome) -> None:
    for judged in outcome.results["adds_words"].runs:
        assert judged.difference.extra[0] == "qq"
        assert not judged.difference.missing and not judged.difference.wrong


def test_lost_multiplicity_shows_as_wrong_counts(outcome: Outcome) -> None:
    for judged in outcome.results["drops_multiplicity"].runs:
        assert judged.difference.wrong
        assert not judged.difference.missing and not judged.difference.extra


def test_accepting_other_types_is_a_violation(outcome: Outcome) -> None:
    assert outcome.summaries["takes_bytes"].verdict == (
        "WRONG: does not raise ValueError for what is not a str"
    )
    (note,) = outcome.summaries["takes_bytes"].notes
    assert note == "given bytes it must raise ValueError, and does not"


def test_a_cache_never_helps(outcome: Outcome) -> None:
    runs = outcome.results["caches"].runs
    assert len(runs) == 6
    assert all(judged.is_right for judged in runs)
    assert outcome.cached and not outcome.cache_hit


def test_what_another_one_has_left_never_helps(outcome: Outcome) -> None:
    """But on the named case, which everybody may know and which is not measured."""
    (medium,) = built_in_subjects("medium")
    assert outcome.taken <= {hashlib.sha256(medium.text).hexdigest()}
    assert outcome.summaries["takes_answers"].verdict == "right"


def test_who_wakes_others_is_to_blame() -> None:
    comparison = Comparison(iterations=3, warm_ups=1, timeout=AMPLE, seed="planted")
    paths = [HONEST, PLANTED / "wakes_others.py"]
    (result,) = comparison.run(paths, built_in_subjects("small"))
    honest, wakes_others = summarize(result)
    assert wakes_others.verdict == "WRONG: wakes or ends the processes of others"
    assert honest.verdict == "right"
    assert (honest.successes, honest.runs) == (6, 6)


def test_results_are_handed_out_after_each_round() -> None:
    rounds: list[list[int]] = []
    comparison = Comparison(
        iterations=2,
        warm_ups=1,
        timeout=AMPLE,
        seed="rounds",
        on_round=lambda results: rounds.append(
            [len(one.runs) for result in results for one in result.orchestrators]
        ),
    )
    results = comparison.run([HONEST], built_in_subjects("small"))
    assert rounds == [[1], [2], [3], [4], [5]]
    (one,) = results[0].orchestrators
    assert one.life is not None and one.life.cpu_seconds > one.start_cpu_seconds[0] > 0


@pytest.mark.parametrize("name", ["claims_speed", "answers_lazily"])
def test_the_comparison_measures_whatever_is_reported(outcome: Outcome, name: str) -> None:
    """Both sleep for 0.2 s in each run, and a sleep never ends early."""
    runs = [
        judged.run for judged in outcome.results[name].runs if judged.purpose == Purpose.MEASURED
    ]
    assert len(runs) == 3
    assert all(run.seconds >= 0.2 for run in runs)
    runtime, reported = outcome.summaries[name].runtime, outcome.summaries[name].reported
    assert runtime and reported and runtime.min >= reported.max + 0.1


@pytest.mark.parametrize("name", ["forks", "daemonizes"])
def test_memory_and_work_of_hidden_processes_are_found(outcome: Outcome, name: str) -> None:
    """Their processes are still there at the last sample, which is taken after the answer."""
    hidden = outcome.summaries[name]
    assert hidden.verdict == "right"
    assert hidden.peak_bytes and hidden.peak_bytes > forks.SIZE
    assert hidden.peak_process_bytes and hidden.peak_process_bytes > forks.SIZE
    assert hidden.cpu and hidden.cpu.min >= forks.CPU_SECONDS - 0.02  # the clock's resolution


def test_no_daemon_outlives_the_comparison(outcome: Outcome) -> None:
    assert not psutil.pid_exists(outcome.daemon)


def test_an_orchestrator_without_supervisor_has_crashed_and_does_not_get_away(
    outcome: Outcome,
) -> None:
    result = outcome.results["ends_supervisor"]
    assert [judged.run.status for judged in result.runs] == [Status.CRASHED] * 6
    assert outcome.summaries["ends_supervisor"].notes == ("its supervisor has ended",)
    assert result.violations == {"stops or kills its supervisor"}
    assert not psutil.pid_exists(outcome.escaped)


def test_a_crash_is_a_failed_run_and_the_next_text_starts_a_new_process(outcome: Outcome) -> None:
    runs = outcome.results["crashes"].runs
    assert [judged.run.status for judged in runs] == [Status.CRASHED] * 6
    assert "by signal 11" in runs[0].run.error
    assert len(outcome.results["crashes"].start_seconds) == 6


def test_what_cannot_be_imported_is_a_row_that_says_why(outcome: Outcome) -> None:
    assert "a_package_that_nobody_has" in outcome.results["lacks_package"].cannot_start
    assert "SyntaxError" in outcome.results["is_no_python"].cannot_start
    assert outcome.summaries["lacks_package"].verdict == "cannot start"


def test_an_answer_of_another_type_is_a_failed_run(outcome: Outcome) -> None:
    runs = outcome.results["answers_floats"].runs
    assert {judged.run.status for judged in runs} == {Status.FAILED}
    assert "is not an int" in runs[0].run.error


def test_a_hanging_orchestrator_is_stopped_and_gets_no_further_text() -> None:
    comparison = Comparison(iterations=3, warm_ups=1, timeout=30, seed="planted")
    (result,) = comparison.run([HANGS], built_in_subjects("small"))
    (judged,) = result.orchestrators[0].runs
    assert judged.run.status == Status.TIMEOUT
    assert judged.run.error == "stopped after 30 s"
    (summary,) = summarize(result)
    assert summary.timed_out and summary.verdict == "timeout"


def test_texts_are_new_in_every_round_and_for_every_orchestrator() -> None:
    (subject,) = built_in_subjects("medium")

    def texts(seed: str, name: str) -> dict[Purpose, list[bytes]]:
        made: dict[Purpose, list[bytes]] = {}
        of_subject = Texts(subject, seed, warm_ups=2, iterations=5)
        for number, purpose in of_subject.rounds():
            text, right = of_subject.make(number, name)
            assert right == oracle.tally(text)
            made.setdefault(purpose, []).append(text)
        return made

    mine, others = texts("a", "mine"), texts("a", "other")
    assert mine == texts("a", "mine")
    assert mine[Purpose.NAMED] == others[Purpose.NAMED] == [subject.text]
    for purpose in (Purpose.PROBE, Purpose.WARM_UP, Purpose.MEASURED):
        together = mine[purpose] + others[purpose] + texts("b", "mine")[purpose]
        assert len(set(together)) == len(together)


def test_a_subject_with_wrong_expectations_is_refused() -> None:
    with pytest.raises(AssertionError, match="not count"):
        Comparison(1, 0, 5, "a").run([], [Subject("mine", b"cat", {"cat": 1})])
