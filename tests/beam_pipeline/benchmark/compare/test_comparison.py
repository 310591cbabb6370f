"""A wrong or cheating orchestrator cannot win, and a broken one does not end the comparison."""

import os
import time
from pathlib import Path

import psutil
import pytest

from beam_pipeline.benchmark.compare.comparison import Contest, Score, Subject
from beam_pipeline.benchmark.compare.orchestrator import find
from beam_pipeline.benchmark.compare.orchestrator_process import CRASHED, FAILED, TIMEOUT
from beam_pipeline.benchmark.compare.summary import Summary, summarize, winners
from beam_pipeline.benchmark.compare.verdict import MEASURED
from beam_pipeline.cases import load_cases

PLANTED = Path(__file__).parent / "planted"
HONEST = Path(__file__).parents[4] / "benchmark_orchestrators" / "indexed.py"
RIGHT_BUT_SLOW = {"caches", "claims_speed", "answers_lazily", "forks", "daemonizes"}
WRONG = {"memorizes", "adds_words", "drops_multiplicity", "takes_bytes"}
BROKEN = {"crashes", "hangs", "lacks_package", "is_no_python", "answers_floats", "ends_supervisor"}
PLANTED_MEMORY = 300_000_000


class Outcome:
    """A contest of all planted orchestrators and an honest one on the medium case."""

    def __init__(self, folder: Path):
        (case,) = load_cases("medium")
        subject = Subject(case.name, case.text.encode(), case.expected)
        no_python = folder / "is_no_python.py"
        no_python.write_text("class TaskOrchestrator\n")
        os.environ["PLANTED_FOLDER"] = str(folder)
        try:
            contest = Contest(iterations=3, warm_ups=1, timeout=5, seed="planted")
            (comparison,) = contest.hold([HONEST, no_python, *find(PLANTED)], [subject])
        finally:
            del os.environ["PLANTED_FOLDER"]
        self.scores: dict[str, Score] = {score.name: score for score in comparison.scores}
        self.summaries: dict[str, Summary] = {s.name: s for s in summarize(comparison)}
        self.best = winners(list(self.summaries.values()))
        self.daemon = int((folder / "daemon").read_text())
        self.escaped = int((folder / "escaped").read_text())


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return Outcome(tmp_path_factory.mktemp("planted"))


def test_every_planted_orchestrator_takes_part(outcome: Outcome) -> None:
    assert outcome.scores.keys() == {"indexed"} | RIGHT_BUT_SLOW | WRONG | BROKEN


def test_the_honest_one_is_right_and_wins_every_row_of_figures(outcome: Outcome) -> None:
    assert outcome.summaries["indexed"].verdict == "right"
    assert outcome.summaries["indexed"].success_rate == 1
    assert outcome.best["runtime"] == outcome.best["throughput"] == {"indexed"}


@pytest.mark.parametrize("name", sorted(WRONG | BROKEN))
def test_wrong_and_broken_ones_win_nothing(outcome: Outcome, name: str) -> None:
    assert not [quantity for quantity, best in outcome.best.items() if name in best]


@pytest.mark.parametrize("name", sorted(WRONG))
def test_wrong_ones_are_marked(outcome: Outcome, name: str) -> None:
    assert outcome.summaries[name].verdict.startswith("WRONG")


def test_answers_by_heart_are_told_from_other_mistakes(outcome: Outcome) -> None:
    assert outcome.summaries["memorizes"].verdict == (
        "WRONG on fresh text, right on the named case"
    )
    assert outcome.summaries["adds_words"].verdict == "WRONG"


def test_extra_words_are_named(outcome: Outcome) -> None:
    for judged in outcome.scores["adds_words"].runs:
        assert judged.difference.extra[0] == "qq"
        assert not judged.difference.missing and not judged.difference.wrong


def test_lost_multiplicity_shows_as_wrong_counts(outcome: Outcome) -> None:
    for judged in outcome.scores["drops_multiplicity"].runs:
        assert judged.difference.wrong
        assert not judged.difference.missing and not judged.difference.extra


def test_taking_what_is_no_text_is_a_breach(outcome: Outcome) -> None:
    assert outcome.summaries["takes_bytes"].verdict == "WRONG: takes what is no text"


def test_a_cache_never_hits(outcome: Outcome) -> None:
    runs = outcome.scores["caches"].runs
    assert len(runs) == 6
    assert all(judged.is_right and judged.run.seconds >= 0.1 for judged in runs)


@pytest.mark.parametrize("name", ["claims_speed", "answers_lazily"])
def test_the_harness_measures_whatever_is_claimed(outcome: Outcome, name: str) -> None:
    runs = [judged.run for judged in outcome.scores[name].runs if judged.purpose == MEASURED]
    assert all(run.seconds >= 0.2 for run in runs)
    assert all(run.reported_ms < 100 for run in runs)
    runtime = outcome.summaries[name].runtime
    assert runtime and runtime.median >= 0.2


@pytest.mark.parametrize("name", ["forks", "daemonizes"])
def test_memory_and_work_of_hidden_processes_are_found(outcome: Outcome, name: str) -> None:
    hidden, honest = outcome.summaries[name], outcome.summaries["indexed"]
    assert hidden.verdict == "right"
    assert hidden.peak_bytes and honest.peak_bytes
    assert hidden.peak_bytes > honest.peak_bytes + 0.9 * PLANTED_MEMORY
    assert hidden.cpu and hidden.cpu.median >= 0.13


def test_no_daemon_outlives_the_contest(outcome: Outcome) -> None:
    assert not psutil.pid_exists(outcome.daemon)


def test_who_ends_its_keeper_has_crashed_and_does_not_get_away(outcome: Outcome) -> None:
    runs = outcome.scores["ends_supervisor"].runs
    assert CRASHED in [judged.run.status for judged in runs]
    assert "keeper" in "".join(outcome.summaries["ends_supervisor"].notes)
    assert "ends the process that watches it" in outcome.scores["ends_supervisor"].breaches
    assert not psutil.pid_exists(outcome.escaped)


def test_a_hang_is_stopped_and_shown_as_such(outcome: Outcome) -> None:
    (judged,) = outcome.scores["hangs"].runs
    assert judged.run.status == TIMEOUT
    assert 5 <= judged.run.seconds < 7
    assert outcome.summaries["hangs"].timed_out


def test_a_crash_is_a_failed_run_and_the_next_text_starts_afresh(outcome: Outcome) -> None:
    runs = outcome.scores["crashes"].runs
    assert [judged.run.status for judged in runs] == [CRASHED] * 6
    assert "by signal 11" in runs[0].run.error
    assert len(outcome.scores["crashes"].start_seconds) == 6


def test_what_cannot_be_imported_is_a_row_that_says_why(outcome: Outcome) -> None:
    assert "a_package_that_nobody_has" in outcome.scores["lacks_package"].cannot_start
    assert "SyntaxError" in outcome.scores["is_no_python"].cannot_start
    assert outcome.summaries["lacks_package"].verdict == "cannot start"


def test_an_answer_of_other_types_is_none(outcome: Outcome) -> None:
    runs = outcome.scores["answers_floats"].runs
    assert {judged.run.status for judged in runs} == {FAILED}
    assert "whole number" in runs[0].run.error


def test_texts_are_new_in_every_round_and_equal_for_all() -> None:
    (case,) = load_cases("small")
    subject = Subject(case.name, case.text.encode(), case.expected)
    texts = [text for _, text, _ in Contest(5, 2, 5, "a")._rounds(subject)]
    assert texts == [text for _, text, _ in Contest(5, 2, 5, "a")._rounds(subject)]
    assert len(set(texts)) == len(texts)
    assert texts != [text for _, text, _ in Contest(5, 2, 5, "b")._rounds(subject)]


def test_a_case_that_expects_something_else_is_no_ground_for_a_comparison() -> None:
    contest = Contest(1, 0, 5, "a")
    with pytest.raises(AssertionError, match="not count"):
        contest.hold([], [Subject("mine", b"cat", {"cat": 1})])


def test_who_waits_for_its_turn_does_not_run(tmp_path: Path) -> None:
    """A busy thread that was left behind stands still until the next text."""
    from beam_pipeline.benchmark.compare.orchestrator_process import Contestant

    file = tmp_path / "busy.py"
    file.write_text(
        "import threading\n"
        "def spin():\n"
        "    while True: pass\n"
        "class TaskOrchestrator:\n"
        "    def process_text(self, text):\n"
        "        if not isinstance(text, str): raise ValueError\n"
        "        threading.Thread(target=spin, daemon=True).start()\n"
        "        return {'runtime': 0, 'anagram_counts': {}}\n"
    )
    contestant = Contestant(file)
    try:
        contestant.ask(b"cat", 5)
        (worker,) = contestant._descendants()
        before = sum(worker.cpu_times()[:2])
        time.sleep(0.5)
        assert sum(worker.cpu_times()[:2]) - before < 0.1
        assert contestant.ask(b"cat", 5).status == "done"
    finally:
        contestant.stop()
