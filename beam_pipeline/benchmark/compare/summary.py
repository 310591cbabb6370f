"""The figures of an orchestrator, made from its runs."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from beam_pipeline.benchmark.compare.mistakes import Mistake
from beam_pipeline.benchmark.compare.results import OrchestratorResult, SubjectResult
from beam_pipeline.benchmark.compare.run import Run, Status
from beam_pipeline.benchmark.compare.stats import Stats
from beam_pipeline.benchmark.compare.verdict import RIGHT, WRONG, Purpose, verdict

_MAX_NOTES = 3


@dataclass(frozen=True)
class Summary:
    """The figures of an orchestrator on one subject.

    Attributes:
      name: of the orchestrator.
      verdict: ``right``, or what is wrong.
      runs: how many there were, on every kind of text.
      successes: how many of them gave the right answer.
      timed_out: whether a run was stopped.
      runtime: seconds of the measured runs; None where none was answered.
      reported: seconds that the orchestrator reports for them.
      handover: seconds for which it received the text.
      cpu: seconds of processor time.
      words_per_second: words of the subject by the median of `runtime`.
      peak_bytes: the most memory of the process tree in any measured run.
      growth_bytes: the most by which that memory grew.
      peak_process_bytes: the most memory of any one process.
      start_seconds: the median of its starts.
      start_cpu_seconds: processor time, the median of its starts.
      warm_up_seconds: what all answers before the measured ones took.
      life_cpu_seconds: what the system has accounted for all its processes; None until the end.
      life_peak_process_bytes: the most memory of any of them at any time.
      notes: errors and differences, each once.
      mistakes: words of its first wrong answer that are not right.
    """

    name: str
    verdict: str
    runs: int
    successes: int
    timed_out: bool
    runtime: Stats | None
    reported: Stats | None
    handover: Stats | None
    cpu: Stats | None
    words_per_second: float | None
    peak_bytes: int | None
    growth_bytes: int | None
    peak_process_bytes: int | None
    start_seconds: float | None
    start_cpu_seconds: float | None
    warm_up_seconds: float | None
    life_cpu_seconds: float | None
    life_peak_process_bytes: int | None
    notes: tuple[str, ...]
    mistakes: tuple[Mistake, ...] = ()

    @property
    def success_rate(self) -> float:
        """From 0 to 1; without runs 0."""
        return self.successes / self.runs if self.runs else 0.0

    @property
    def is_right(self) -> bool:
        """Whether it has answered, and only with right answers."""
        return self.verdict == RIGHT

    @property
    def is_wrong(self) -> bool:
        """Whether it has given a wrong answer or breaks a rule of the interface."""
        return self.verdict.startswith(WRONG)


def summarize(result: SubjectResult) -> list[Summary]:
    """Returns the figures of each orchestrator, in order."""
    return [_summarize_one(one, result.words) for one in result.orchestrators]


def _summarize_one(result: OrchestratorResult, words: int) -> Summary:
    answered = [
        judged.run
        for judged in result.runs
        if judged.purpose == Purpose.MEASURED and judged.run.status == Status.DONE
    ]

    def stats(figure: Callable[[Run], float]) -> Stats | None:
        return Stats.of([figure(run) for run in answered]) if answered else None

    def most(figure: Callable[[Run], int]) -> int | None:
        return max(map(figure, answered), default=None)

    runtime = stats(lambda run: run.seconds)
    return Summary(
        name=result.name,
        verdict=_verdict(result),
        runs=len(result.runs),
        successes=sum(judged.is_right for judged in result.runs),
        timed_out=any(judged.run.status == Status.TIMEOUT for judged in result.runs),
        runtime=runtime,
        reported=stats(lambda run: run.reported_ms / 1000),
        handover=stats(lambda run: run.handover_seconds),
        cpu=stats(lambda run: run.cpu_seconds),
        words_per_second=words / runtime.median if runtime else None,
        peak_bytes=most(lambda run: run.peak_bytes),
        growth_bytes=most(lambda run: run.growth_bytes),
        peak_process_bytes=most(lambda run: run.peak_process_bytes),
        start_seconds=_median(result, result.start_seconds),
        start_cpu_seconds=_median(result, result.start_cpu_seconds),
        warm_up_seconds=_warm_up_seconds(result) if answered else None,
        life_cpu_seconds=result.life.cpu_seconds if result.life else None,
        life_peak_process_bytes=result.life.peak_process_bytes if result.life else None,
        notes=tuple(_notes(result)),
        mistakes=next((judged.mistakes for judged in result.runs if judged.is_wrong), ()),
    )


def _median(result: OrchestratorResult, starts: Sequence[float]) -> float | None:
    return statistics.median(starts) if starts and not result.cannot_start else None


def _warm_up_seconds(result: OrchestratorResult) -> float:
    return sum(judged.run.seconds for judged in result.runs if judged.purpose != Purpose.MEASURED)


def _verdict(result: OrchestratorResult) -> str:
    return "cannot start" if result.cannot_start else verdict(result.runs, result.violations)


def _notes(result: OrchestratorResult) -> Sequence[str]:
    notes = [result.cannot_start] if result.cannot_start else []
    if any(judged.run.status == Status.DONE for judged in result.runs):
        notes += result.remarks
    for judged in result.runs:
        if judged.run.error:
            notes.append(judged.run.error)
        elif judged.is_wrong:
            notes.append(f"{judged.purpose.value} text: {judged.difference}")
    different = list(dict.fromkeys(notes))
    left_out = len(different) - _MAX_NOTES
    return [*different[:_MAX_NOTES], *([f"{left_out} more"] if left_out > 0 else [])]
