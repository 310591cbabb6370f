"""All orchestrators on the same texts, in turn."""

import contextlib
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from beam_pipeline.benchmark.compare import oracle
from beam_pipeline.benchmark.compare.orchestrator_process import OrchestratorProcess
from beam_pipeline.benchmark.compare.results import OrchestratorResult, SubjectResult
from beam_pipeline.benchmark.compare.run import Status
from beam_pipeline.benchmark.compare.subjects import Subject
from beam_pipeline.benchmark.compare.texts import FreshTexts, probe
from beam_pipeline.benchmark.compare.verdict import JudgedRun, Purpose
from beam_pipeline.cases import difference


@dataclass(frozen=True)
class Comparison:
    """Runs orchestrators on texts, and measures and judges each run.

    Attributes:
      iterations: measured runs on each subject, each on a fresh text.
      warm_ups: runs before them, on fresh texts too.
      timeout: seconds after which a run is stopped. Its orchestrator gets no further text of the
        subject.
      seed: of the fresh texts and of the order in each round.
      chaos: faults for all of them, as `transforms.stages.chaos.Chaos.parse` reads them.
      on_progress: called with a few words on what is done next.
    """

    iterations: int
    warm_ups: int
    timeout: float
    seed: str
    chaos: str = ""
    on_progress: Callable[[str], None] = lambda message: None

    def run(self, paths: Sequence[Path], subjects: Sequence[Subject]) -> list[SubjectResult]:
        """Compares the orchestrators of some files on all subjects.

        Raises:
          AssertionError: a subject expects other counts than the oracle's.
        """
        with contextlib.ExitStack() as stack:
            processes = [OrchestratorProcess(path, self.chaos) for path in paths]
            for process in processes:
                stack.callback(process.stop)
            return [self._compare_on(subject, processes) for subject in subjects]

    def _compare_on(
        self, subject: Subject, processes: Sequence[OrchestratorProcess]
    ) -> SubjectResult:
        results = [OrchestratorResult(process.name) for process in processes]
        order = random.Random(f"order {self.seed} {subject.name}")
        words = 0
        for purpose, text, right in self.rounds(subject):
            words = right.words if purpose == Purpose.NAMED else words
            turns = list(zip(processes, results, strict=True))
            order.shuffle(turns)
            for process, result in turns:
                if process.cannot_start or _has_timed_out(result):
                    continue
                self.on_progress(f"{subject.name}: {purpose.value}: {process.name}")
                run = process.run(text, self.timeout)
                if not process.cannot_start:
                    differs = difference(right.counts, run.counts)
                    result.runs.append(JudgedRun(purpose, run, differs))
        for process, result in zip(processes, results, strict=True):
            result.cannot_start = process.cannot_start
            result.violations |= process.violations
            result.start_seconds += process.start_seconds
        return SubjectResult(subject.name, words, len(subject.text), results)

    def rounds(self, subject: Subject) -> Iterator[tuple[Purpose, bytes, oracle.Tally]]:
        """Makes the texts of a subject, one after the other.

        Yields:
          What a text is for, the text, and what is right about it.

        Raises:
          AssertionError: the subject expects other counts than the oracle's.
        """
        text = probe(f"probe {self.seed} {subject.name}").encode()
        yield Purpose.PROBE, text, oracle.tally(text)
        right = oracle.tally(subject.text)
        if subject.expected is not None and right.counts != subject.expected:
            raise AssertionError(f"the case {subject.name} expects what the oracle does not count")
        yield Purpose.NAMED, subject.text, right
        fresh = FreshTexts(subject.text, f"{self.seed} {subject.name}")
        warm_ups = [Purpose.WARM_UP] * self.warm_ups
        for purpose in warm_ups + [Purpose.MEASURED] * self.iterations:
            text = fresh.make()
            yield purpose, text, oracle.tally(text)


def _has_timed_out(result: OrchestratorResult) -> bool:
    return any(judged.run.status == Status.TIMEOUT for judged in result.runs)
