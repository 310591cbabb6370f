"""Trials run in turn, and the medians of their runs."""

import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from beam_pipeline.benchmark.throughput.trial import Measurement, Trial, measure


@dataclass(frozen=True)
class Row:
    """The medians of all runs of a trial.

    Attributes:
      section: the section of the trial.
      name: the name of the trial.
      size_bytes: the size of the text that it processes.
      seconds: the time; like the following figures, None if a run failed.
      megabytes_per_second: the size of the text divided by `seconds`.
      ratio: `seconds` divided by those of the first trial of its section that has figures.
      cpu_seconds: the CPU time of all processes.
      peak_bytes: the peak memory of all processes in any run.
      peak_process_bytes: the peak memory of any single process in any run.
      runs: the number of runs.
      error: the error of the run that failed; empty if none did.
    """

    section: str
    name: str
    size_bytes: int
    seconds: float | None = None
    megabytes_per_second: float | None = None
    ratio: float | None = None
    cpu_seconds: float | None = None
    peak_bytes: int | None = None
    peak_process_bytes: int | None = None
    runs: int = 0
    error: str = ""


def run_in_turn(
    trials: Sequence[Trial],
    iterations: int,
    timeout: float,
    on_progress: Callable[[str], None],
) -> Iterator[list[Row]]:
    """Runs each trial once, then each once more, and so on; one that has failed is left out.

    Args:
      trials: what to measure.
      iterations: how often.
      timeout: seconds after which a run is stopped.
      on_progress: called with a few words on what is done next.

    Yields:
      The medians so far, each time that all trials have run.
    """
    measured: list[list[Measurement]] = [[] for _ in trials]
    for number in range(iterations):
        for trial, runs in zip(trials, measured, strict=True):
            if any(run.error for run in runs):
                continue
            on_progress(f"{trial.section}: {trial.name} ({number + 1} of {iterations})")
            runs.append(measure(trial, timeout))
        yield _rows(trials, measured)


def _rows(trials: Sequence[Trial], measured: Sequence[Sequence[Measurement]]) -> list[Row]:
    rows = []
    bases: dict[str, float] = {}
    for trial, runs in zip(trials, measured, strict=True):
        if not runs[-1].error:
            bases.setdefault(trial.section, _median(runs, _seconds))
        rows.append(_row(trial, runs, bases.get(trial.section)))
    return rows


def _row(trial: Trial, runs: Sequence[Measurement], base: float | None) -> Row:
    if runs[-1].error:
        return Row(trial.section, trial.name, trial.size_bytes, error=runs[-1].error)
    seconds = _median(runs, _seconds)
    return Row(
        trial.section,
        trial.name,
        trial.size_bytes,
        seconds=seconds,
        megabytes_per_second=trial.size_bytes / 1e6 / seconds,
        ratio=seconds / base if base else None,
        cpu_seconds=_median(runs, lambda run: run.cpu_seconds),
        peak_bytes=max(run.peak_bytes for run in runs),
        peak_process_bytes=max(run.peak_process_bytes for run in runs),
        runs=len(runs),
    )


def _median(runs: Sequence[Measurement], figure: Callable[[Measurement], float]) -> float:
    return statistics.median(map(figure, runs))


def _seconds(run: Measurement) -> float:
    return run.seconds
