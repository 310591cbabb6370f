"""The orchestrators of the project are right, keep the interface, and endure what they say."""

import asyncio
import importlib.util
import math
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from beam_pipeline.benchmark.compare import oracle
from beam_pipeline.benchmark.compare.comparison import Comparison
from beam_pipeline.benchmark.compare.orchestrator import Orchestrator, find_orchestrators
from beam_pipeline.benchmark.compare.orchestrator_process import OrchestratorProcess
from beam_pipeline.benchmark.compare.results import SubjectResult
from beam_pipeline.benchmark.compare.run import Run, Status
from beam_pipeline.benchmark.compare.subjects import built_in_subjects
from beam_pipeline.benchmark.compare.summary import summarize
from beam_pipeline.cases import load_cases
from benchmark_orchestrators import _common

FOLDER = Path(_common.__file__).parent
WITH_BEAM = {"beam_elementwise", "beam_vectorized", "naive_beam_wordcount"}
WITHOUT_BEAM = {
    *("asyncio", "baseline", "duckdb", "indexed", "polars", "processes", "pyspark", "threads"),
}
NAMES = WITH_BEAM | WITHOUT_BEAM
#: Those that try again what has failed.
RESILIENT = sorted(NAMES - {"baseline", "naive_beam_wordcount"})
#: The one library that is not among the development tools, for its size.
HAS_SPARK = importlib.util.find_spec("pyspark") is not None and shutil.which("java") is not None
#: Seconds that no run needs, not even on a busy machine.
AMPLE = 600


def run_once(name: str, text: str, chaos: str = "") -> Run:
    process = OrchestratorProcess(FOLDER / f"{name}.py", chaos)
    try:
        return process.run(text.encode(), AMPLE)
    finally:
        process.stop()


@pytest.fixture(scope="module")
def calm() -> SubjectResult:
    """All of them on the medium case."""
    comparison = Comparison(iterations=2, warm_ups=0, timeout=AMPLE, seed="calm")
    (result,) = comparison.run(
        find_orchestrators(FOLDER).orchestrators, built_in_subjects("medium")
    )
    return result


def test_all_of_them_are_found() -> None:
    found = find_orchestrators(FOLDER)
    assert {path.stem for path in found.orchestrators} == NAMES
    assert found.others == []


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(NAMES))
def test_without_chaos_each_is_right_on_every_text(calm: SubjectResult, name: str) -> None:
    (summary,) = (summary for summary in summarize(calm) if summary.name == name)
    if name == "pyspark" and not HAS_SPARK:
        assert summary.verdict == "cannot start"
        return
    assert summary.verdict == "right", summary.notes
    assert (summary.successes, summary.runs) == (4, 4)


@pytest.mark.parametrize("name", sorted(WITHOUT_BEAM))
def test_those_that_do_not_use_beam_do_not_load_it(name: str) -> None:
    if name == "pyspark" and not HAS_SPARK:
        pytest.skip("needs pyspark and Java")
    code = (
        f"import benchmark_orchestrators.{name} as module, sys\n"
        "module.TaskOrchestrator\n"
        "assert 'apache_beam' not in sys.modules\n"
    )
    finished = subprocess.run(
        [sys.executable, "-c", code],
        cwd=FOLDER.parent,
        capture_output=True,
        text=True,
    )
    assert finished.returncode == 0, finished.stderr


@pytest.mark.parametrize("name", ["indexed", "threads", "processes", "polars", "duckdb"])
def test_chunks_of_a_longer_text_add_up(name: str) -> None:
    (large,) = load_cases("large")
    text = "\n".join([large.text] * 300)
    assert len(text) > 1 << 20
    run = run_once(name, text)
    assert run.counts == oracle.counts(text), run.error


@pytest.mark.parametrize("name", ["baseline", "indexed", "asyncio"])
def test_each_rejects_other_types_and_takes_chaos(name: str) -> None:
    orchestrator = Orchestrator(FOLDER / f"{name}.py")
    assert orchestrator.handling_of_other_types() == ""
    assert orchestrator.takes_chaos
    with pytest.raises(ValueError, match="bytes"):
        orchestrator.process_text(b"cat")


@pytest.mark.parametrize("name", sorted(NAMES))
def test_each_says_in_its_docstring_what_it_shows(name: str) -> None:
    assert "\nShows " in (FOLDER / f"{name}.py").read_text("utf-8")


def theoretical_success(words: int) -> float:
    """Of the baseline under ``take-home``: no stage may fail, two of them once for each word."""
    filter_, words_, anagrams, permutations = 0.2, 0.25, 0.1, 0.01
    return (1 - filter_) * (1 - words_) * ((1 - anagrams) * (1 - permutations)) ** words


@pytest.mark.parametrize("text", ["cat", "cat act tac"])
def test_the_baseline_fails_as_often_as_the_rates_of_its_stages_say(text: str) -> None:
    runs = 400
    baseline = Orchestrator(FOLDER / "baseline.py", "take-home,latency=0,seed=5")
    succeeded = 0
    for _ in range(runs):
        try:
            answer = baseline.process_text(text)
        except Exception as error:
            assert "injected" in str(error)
            continue
        assert answer["anagram_counts"] == oracle.counts(text)
        succeeded += 1
    expected = theoretical_success(len(text.split()))
    # Six standard deviations: by chance once in 500 million times.
    tolerance = 6 * math.sqrt(expected * (1 - expected) / runs)
    assert tolerance < 0.16
    assert abs(succeeded / runs - expected) < tolerance


def test_the_baseline_under_chaos_in_the_comparison_is_right_and_unreliable() -> None:
    comparison = Comparison(100, 0, AMPLE, "chaos", "take-home,latency=0")
    paths = [FOLDER / "baseline.py", FOLDER / "indexed.py"]
    (result,) = comparison.run(paths, built_in_subjects("small"))
    baseline, indexed = summarize(result)
    assert baseline.verdict == indexed.verdict == "right"
    assert 0.25 < baseline.success_rate < 0.8
    assert indexed.success_rate == 1


@pytest.mark.slow
@pytest.mark.parametrize("name", RESILIENT)
def test_resilient_ones_succeed_always(name: str) -> None:
    if name == "pyspark" and not HAS_SPARK:
        pytest.skip("needs pyspark and Java")
    comparison = Comparison(2, 0, AMPLE, "chaos", "rate=0.4,latency=0,seed=3")
    (result,) = comparison.run([FOLDER / f"{name}.py"], built_in_subjects("medium"))
    (summary,) = summarize(result)
    assert summary.verdict == "right", summary.notes
    assert (summary.successes, summary.runs) == (4, 4), summary.notes


def test_a_fault_ends_the_run_where_nothing_is_retried() -> None:
    run = run_once("naive_beam_wordcount", "cat", "words=1,latency=0")
    assert run.status != Status.DONE
    assert "InjectedError" in run.error


def test_injected_latency_scales(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("transforms.stages.chaos.time.sleep", slept.append)
    stages = _common.Stages("words=0:2,latency=0.5")
    assert stages.do("words", str, "cat") == "cat"
    assert slept == [1.0]
    _common.Stages("words=0:2,latency=0").do("words", str, "cat")
    assert slept == [1.0]


def test_a_stage_that_does_not_exist_is_an_error_without_chaos_too() -> None:
    with pytest.raises(ValueError, match="wrods"):
        _common.Stages("").do("wrods", str, "cat")


def test_attempts_end() -> None:
    stages = _common.Stages("words=1,latency=0")
    with pytest.raises(Exception, match="injected"):
        stages.do("words", str, "cat")


def test_chunks_wait_for_injected_latency_at_the_same_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What the asyncio orchestrator is there to show.

    No chunk goes on before all three are waiting: one after the other they would never get on.
    """
    from benchmark_orchestrators.asyncio import TaskOrchestrator

    all_are_waiting = threading.Barrier(3, timeout=AMPLE)
    monkeypatch.setattr("transforms.stages.chaos.time.sleep", lambda _: all_are_waiting.wait())
    text = "cat " * (3 << 18)  # three chunks
    orchestrator = TaskOrchestrator("words=0:0.5")
    answer = asyncio.run(orchestrator.process_text(text))
    assert answer["anagram_counts"]["act"] == 3 << 18


@pytest.mark.parametrize("size", [1, 5, 1000])
def test_chunks_are_cut_at_white_space(size: int) -> None:
    text = "a\u00a0bc, def\n\nghi" * 20
    parts = _common.chunks(text, size)
    assert "".join(parts) == text
    assert [word for part in parts for word in part.split()] == text.split()


def test_the_shared_dictionary_is_the_oracles() -> None:
    members = {word for found in _common.dictionary().values() for word in found}
    assert members == oracle.words()
