"""All orchestrators on the same texts, in turn."""

import contextlib
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from beam_pipeline.benchmark.compare import oracle
from beam_pipeline.benchmark.compare.orchestrator_process import TIMEOUT, Contestant
from beam_pipeline.benchmark.compare.texts import FreshTexts, probe
from beam_pipeline.benchmark.compare.verdict import (
    MEASURED,
    NAMED,
    PROBE,
    WARM_UP,
    Judged,
    difference,
)


@dataclass(frozen=True)
class Subject:
    """A text to compare on, in UTF-8, and what is expected of it where that is known.

    Bytes, since a gigabyte of them can be four as a `str`.
    """

    name: str
    text: bytes
    expected: dict[str, int] | None = None


@dataclass
class Score:
    """How an orchestrator did on one subject.

    Attributes:
      name: of the orchestrator.
      runs: all of them, in order, those on the probe included.
      breaches: rules of the interface that it breaks.
      start_seconds: of each start of its process so far.
      cannot_start: why there are no runs, else empty.
    """

    name: str
    runs: list[Judged] = field(default_factory=list)
    breaches: set[str] = field(default_factory=set)
    start_seconds: list[float] = field(default_factory=list)
    cannot_start: str = ""


@dataclass
class Comparison:
    """What came of one subject.

    Attributes:
      words: in the subject's text.
      scores: one an orchestrator, in the order they were given.
    """

    subject: str
    words: int
    size_bytes: int
    scores: list[Score]


@dataclass(frozen=True)
class Contest:
    """The rules.

    Attributes:
      iterations: measured runs on each subject, each on a fresh text.
      warm_ups: runs before them, on fresh texts too.
      timeout: seconds after which a run is stopped. The orchestrator is not asked again for the
        subject.
      seed: of the fresh texts and of the order in each round.
      chaos: faults for all of them.
      tell: is told in a few words what goes on.
    """

    iterations: int
    warm_ups: int
    timeout: float
    seed: str
    chaos: str = ""
    tell: Callable[[str], None] = lambda message: None

    def hold(self, paths: Sequence[Path], subjects: Sequence[Subject]) -> list[Comparison]:
        """Runs the orchestrators of `paths` on all `subjects`."""
        with contextlib.ExitStack() as stack:
            contestants = [Contestant(path, self.chaos) for path in paths]
            for contestant in contestants:
                stack.callback(contestant.stop)
            return [self._compare(contestants, subject) for subject in subjects]

    def _compare(self, contestants: Sequence[Contestant], subject: Subject) -> Comparison:
        scores = [Score(contestant.name) for contestant in contestants]
        order = random.Random(f"order {self.seed} {subject.name}")
        words = 0
        for purpose, text, right in self._rounds(subject):
            words = right.words if purpose == NAMED else words
            turns = list(zip(contestants, scores, strict=True))
            order.shuffle(turns)
            for contestant, score in turns:
                if contestant.cannot_start or _has_timed_out(score):
                    continue
                self.tell(f"{subject.name}: {purpose}: {contestant.name}")
                run = contestant.ask(text, self.timeout)
                score.cannot_start = contestant.cannot_start
                if not contestant.cannot_start:
                    score.runs.append(Judged(purpose, run, difference(run.counts, right.counts)))
        for contestant, score in zip(contestants, scores, strict=True):
            score.cannot_start = contestant.cannot_start
            score.breaches |= contestant.breaches
            score.start_seconds += contestant.start_seconds
        return Comparison(subject.name, words, len(subject.text), scores)

    def _rounds(self, subject: Subject) -> Iterator[tuple[str, bytes, oracle.Tally]]:
        """What each text is for, the text, and what is right; made when it is its turn."""
        text = probe(f"probe {self.seed} {subject.name}").encode()
        yield PROBE, text, oracle.tally(text)
        right = oracle.tally(subject.text)
        if subject.expected is not None and right.counts != subject.expected:
            raise AssertionError(f"the case {subject.name} expects what the oracle does not count")
        yield NAMED, subject.text, right
        fresh = FreshTexts(subject.text, f"{self.seed} {subject.name}")
        for purpose in [WARM_UP] * self.warm_ups + [MEASURED] * self.iterations:
            text = fresh.make()
            yield purpose, text, oracle.tally(text)


def _has_timed_out(score: Score) -> bool:
    return any(judged.run.status == TIMEOUT for judged in score.runs)
