"""Judges the answers of an orchestrator, each of which is compared as a whole."""

import enum
from collections.abc import Iterable
from dataclasses import dataclass

from beam_pipeline.benchmark.compare.mistakes import Mistake
from beam_pipeline.benchmark.compare.run import Run, Status
from beam_pipeline.cases import Difference

#: The verdict on an orchestrator that has answered, and only with right answers.
RIGHT = "right"
#: How each verdict on a wrong orchestrator begins.
WRONG = "WRONG"


class Purpose(str, enum.Enum):
    """What a text is for. All must be answered right; the figures are of ``measured`` ones."""

    NAMED = "named"
    PROBE = "probe"
    WARM_UP = "warm-up"
    MEASURED = "measured"


@dataclass(frozen=True)
class JudgedRun:
    """A run, what its text was for, and how its answer differs from the right one.

    Attributes:
      purpose: of the text.
      run: without the answer.
      difference: all words that are not right.
      mistakes: some of them, with their counts.
    """

    purpose: Purpose
    run: Run
    difference: Difference
    mistakes: tuple[Mistake, ...] = ()

    @property
    def is_right(self) -> bool:
        """Whether it gave the right answer."""
        return self.run.status == Status.DONE and not self.difference

    @property
    def is_wrong(self) -> bool:
        """Whether it gave an answer that is not the right one."""
        return self.run.status == Status.DONE and bool(self.difference)


def verdict(runs: Iterable[JudgedRun], violations: Iterable[str] = ()) -> str:
    """Judges an orchestrator by all its runs.

    Args:
      runs: all runs on one subject.
      violations: rules of the interface that it breaks, each in a few words.

    Returns:
      `RIGHT`, or what is wrong in a few words; where no run was answered, how the last one ended.
    """
    runs = [*runs]
    answered = [judged for judged in runs if judged.run.status == Status.DONE]
    if runs and all(judged.run.status == Status.FAILED for judged in runs):
        return Status.FAILED.value  # whatever else it does not do, it does not work
    wrong = [judged for judged in answered if judged.is_wrong]
    if wrong:
        knows_the_case = any(
            judged.purpose == Purpose.NAMED and judged.is_right for judged in answered
        )
        if knows_the_case and all(judged.purpose != Purpose.NAMED for judged in wrong):
            return f"{WRONG} on fresh text, right on the named case"
        return WRONG
    if broken := sorted(violations):
        return f"{WRONG}: {', '.join(broken)}"
    if answered:
        return RIGHT
    return runs[-1].run.status.value if runs else "no answer"
