"""Collects the outputs of stages besides their results, while the pipeline is built."""

from collections.abc import Iterable

from apache_beam.pvalue import DoOutputsTuple, PCollection

from transforms.stages.dead_letters import DeadLetter
from transforms.stages.totals import Count, Totals

#: Tags of the outputs of every stage besides its results.
TOTALS, DEAD_LETTERS = "totals", "dead_letters"


class SideOutputs:
    """Collects the totals and dead letters of all stages to which it is passed.

    Pass the same instance to all stages from a source to a sink, because invariants compare the
    totals of different stages.

    Attributes:
      totals: a PCollection for each stage.
      dead_letters: a PCollection for each stage.
      measured: the counts that the stages make; they decide which invariants apply.
      known: figures known to the program that builds the pipeline, which are compared with the
        counts of its stages.
      expects_dead_letters: whether any stage may emit dead letters.

    Example:
      side_outputs = SideOutputs()
      words = blocks | ExtractWords(side_outputs=side_outputs)
      all_dead_letters = tuple(side_outputs.dead_letters) | beam.Flatten()
    """

    def __init__(self) -> None:
        self.totals: list[PCollection[Totals]] = []
        self.dead_letters: list[PCollection[DeadLetter]] = []
        self.measured: set[Count] = set()
        self.known = Totals()
        self.expects_dead_letters = False

    def add(
        self, outputs: DoOutputsTuple, measured: Iterable[Count], *, expects_dead_letters: bool
    ) -> None:
        """Adds the outputs of a stage.

        Args:
          outputs: the outputs of the stage's `ParDo`, with the tags `TOTALS` and `DEAD_LETTERS`.
          measured: the counts that the stage makes.
          expects_dead_letters: whether its settings allow it to emit dead letters.
        """
        self.totals.append(outputs[TOTALS])
        self.dead_letters.append(outputs[DEAD_LETTERS])
        self.measured.update(measured)
        self.expects_dead_letters |= expects_dead_letters

    def include(self, others: "SideOutputs") -> None:
        """Adds everything that another instance has collected."""
        self.totals += others.totals
        self.dead_letters += others.dead_letters
        self.measured |= others.measured
        self.known.merge(others.known)
        self.expects_dead_letters |= others.expects_dead_letters

    def add_known(self, count: Count, number: int) -> None:
        """Adds a figure that is known without being counted by a stage."""
        self.known.add(count, number)
        self.measured.add(count)
