"""Runs all orchestrators on texts of the same kind, in turn."""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from beam_pipeline.benchmark.compare import oracle
from beam_pipeline.benchmark.compare.mistakes import first_mistakes
from beam_pipeline.benchmark.compare.orchestrator_process import OrchestratorProcess
from beam_pipeline.benchmark.compare.results import OrchestratorResult, SubjectResult
from beam_pipeline.benchmark.compare.run import Run, Status
from beam_pipeline.benchmark.compare.subjects import Subject
from beam_pipeline.benchmark.compare.texts import FreshTexts, probe
from beam_pipeline.benchmark.compare.verdict import JudgedRun, Purpose
from beam_pipeline.benchmark.interrupts import signals_wait
from beam_pipeline.cases import difference

_DISTURBS = "wakes or ends the processes of others"


class Texts:
    """The texts of a subject: for each round one for each orchestrator.

    All texts of a round have the same size and character, but different words. So orchestrators
    cannot share answers, but all have the same amount of work.

    Args:
      subject: the subject from which they are made.
      seed: the seed of all random choices.
      warm_ups: rounds before the measured ones.
      iterations: measured rounds.

    Attributes:
      words: how many words the subject has.

    Raises:
      AssertionError: the subject expects other counts than the oracle's.
    """

    def __init__(self, subject: Subject, seed: str, warm_ups: int, iterations: int):
        self._subject = subject
        self._right = oracle.tally(subject.text)
        if subject.expected is not None and self._right.counts != subject.expected:
            raise AssertionError(f"the case {subject.name} expects what the oracle does not count")
        self.words = self._right.words
        self._seed = f"{seed} {subject.name}"
        self._fresh = FreshTexts(subject.text, self._seed)
        self._purposes = [
            *(Purpose.PROBE, Purpose.NAMED),
            *([Purpose.WARM_UP] * warm_ups),
            *([Purpose.MEASURED] * iterations),
        ]

    def rounds(self) -> Iterator[tuple[int, Purpose]]:
        """Yields the number of each round, and what its texts are for."""
        yield from enumerate(self._purposes)

    def make(self, number: int, name: str) -> tuple[bytes, oracle.Tally]:
        """Makes the text of a round for an orchestrator, and its expected answer."""
        purpose = self._purposes[number]
        if purpose == Purpose.NAMED:
            return self._subject.text, self._right
        if purpose == Purpose.PROBE:
            text = probe(f"probe {self._seed} {name}").encode()
        else:
            text = self._fresh.make(number, name)
        return text, oracle.tally(text)


@dataclass(frozen=True)
class Comparison:
    """Runs orchestrators on texts, and measures and judges each run.

    Attributes:
      iterations: measured runs on each subject, each on a fresh text.
      warm_ups: runs before them, on fresh texts too.
      timeout: seconds after which a run or a start is stopped. After a run its orchestrator gets
        no further text of the subject, after a start none at all.
      seed: of the fresh texts and of the order in each round.
      chaos: faults for all of them, as `transforms.stages.chaos.Chaos.parse` reads them.
      on_progress: called with a few words on what is done next.
      on_round: called after each round with the results so far, those of finished rounds.
    """

    iterations: int
    warm_ups: int
    timeout: float
    seed: str
    chaos: str = ""
    on_progress: Callable[[str], None] = lambda message: None
    on_round: Callable[[list[SubjectResult]], None] = lambda results: None

    def run(self, paths: Sequence[Path], subjects: Sequence[Subject]) -> list[SubjectResult]:
        """Compares the orchestrators of some files on all subjects.

        Raises:
          AssertionError: a subject expects other counts than the oracle's.
        """
        processes = [
            OrchestratorProcess(path, self.chaos, start_timeout=self.timeout) for path in paths
        ]
        results: list[SubjectResult] = []
        try:
            for subject in subjects:
                for result in self._compare_on(subject, processes):
                    self.on_round([*results, result])
                results.append(result)
        finally:
            with signals_wait():
                for process in processes:
                    process.stop()
        for result in results:
            for process, one in zip(processes, result.orchestrators, strict=True):
                # A violation on one text disqualifies an orchestrator on all texts.
                one.violations |= process.violations
                one.life = process.usage
        return results

    def _compare_on(
        self, subject: Subject, processes: Sequence[OrchestratorProcess]
    ) -> Iterator[SubjectResult]:
        """Yields the results on a subject after each round."""
        texts = Texts(subject, self.seed, self.warm_ups, self.iterations)
        results = [OrchestratorResult(process.name) for process in processes]
        order = random.Random(f"order {self.seed} {subject.name}")
        last: OrchestratorProcess | None = None
        for number, purpose in texts.rounds():
            turns = list(zip(processes, results, strict=True))
            order.shuffle(turns)
            for process, result in turns:
                if process.cannot_start or _has_timed_out(result):
                    continue
                self.on_progress(f"{subject.name}: {purpose.value}: {process.name}")
                text, right = texts.make(number, process.name)
                # Only the orchestrator of the last turn can have done it. This is checked only now,
                # because a killed process takes a moment to end.
                disturbed = [one for one in processes if one is not last and one.was_disturbed()]
                if last and disturbed:
                    last.violations.add(_DISTURBS)
                run = process.run(text, self.timeout)
                last = process
                if not process.cannot_start:
                    result.runs.append(_judge(purpose, run, right))
            for process, result in zip(processes, results, strict=True):
                result.cannot_start = process.cannot_start
                result.violations |= process.violations
                result.remarks = tuple(process.remarks)
                result.start_seconds = [*process.start_seconds]
                result.start_cpu_seconds = [*process.start_cpu_seconds]
            finished = [replace(result, runs=[*result.runs]) for result in results]
            yield SubjectResult(subject.name, texts.words, len(subject.text), finished)


def _judge(purpose: Purpose, run: Run, right: oracle.Tally) -> JudgedRun:
    """Compares an answer with the right one, and keeps only the differences."""
    differs = difference(right.counts, run.counts)
    mistakes = first_mistakes(right.counts, run.counts, differs)
    return JudgedRun(purpose, replace(run, counts={}), differs, mistakes)


def _has_timed_out(result: OrchestratorResult) -> bool:
    return any(judged.run.status == Status.TIMEOUT for judged in result.runs)
