"""What the stages of a pipeline emit beside their results, collected while it is built."""

from collections.abc import Iterable

from apache_beam.pvalue import DoOutputsTuple, PCollection

from transforms.stages.dead_letters import DeadLetter
from transforms.stages.totals import Count, Totals

#: Tags of the outputs of every stage beside its results.
TOTALS, DEAD_LETTERS = "totals", "dead_letters"


class SideOutputs:
    """Collects the totals and dead letters of all stages that are given it.

    Give one instance to the stages of one chain, from its source to its sink, so that what one
    stage emits is what the next one counts.

    Attributes:
      totals: a collection for each stage.
      dead_letters: a collection for each stage.
      measured: what the stages count, and so which invariants apply to the pipeline.
      known: what is known to the program that builds the pipeline, to be held against what its
        stages count.
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
          outputs: of the stage's `ParDo`, with the tags `TOTALS` and `DEAD_LETTERS`.
          measured: what the stage counts.
          expects_dead_letters: whether its settings let it emit dead letters.
        """
        self.totals.append(outputs[TOTALS])
        self.dead_letters.append(outputs[DEAD_LETTERS])
        self.measured.update(measured)
        self.expects_dead_letters |= expects_dead_letters

    def include(self, others: "SideOutputs") -> None:
        """Adds all that other ones have collected."""
        self.totals += others.totals
        self.dead_letters += others.dead_letters
        self.measured |= others.measured
        self.known.merge(others.known)
        self.expects_dead_letters |= others.expects_dead_letters

    def add_known(self, count: Count, number: int) -> None:
        """Adds a figure that no stage has to count."""
        self.known.add(count, number)
        self.measured.add(count)
