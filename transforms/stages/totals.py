"""What the stages of a pipeline tell beside their results: totals, and dead letters.

Totals leave a bundle together with its results, as elements. A runner that repeats a bundle
keeps or drops both alike, so that sums of totals are exact where metrics count twice.
"""

from collections import Counter
from collections.abc import Mapping

from apache_beam.pvalue import DoOutputsTuple, PCollection

from transforms.errors import AnagramError

#: Tags of the outputs of every stage.
TOTALS, DEAD_LETTERS = "totals", "dead_letters"

#: Totals have the number of dead letters by stage and type of error under this prefix.
CAUSE_PREFIX = "dead_letters_by_cause: "

#: Name -> number. The names of `transforms.stages.metrics`, and those used by `check`.
Totals = Counter[str]


class SideOutputs:
    """Collects the totals and dead letters of stages while their pipeline is built.

    Attributes:
      totals: collections of `Totals`.
      dead_letters: collections of `transforms.stages.dead_letters.DeadLetter`.
    """

    def __init__(self) -> None:
        self.totals: list[PCollection[Totals]] = []
        self.dead_letters: list[PCollection] = []

    def add(self, outputs: DoOutputsTuple) -> None:
        """Takes note of the outputs that a stage has beside its results."""
        self.totals.append(outputs[TOTALS])
        self.dead_letters.append(outputs[DEAD_LETTERS])


def check_invariants(totals: Mapping[str, int]) -> None:
    """Checks that nothing has been lost or doubled.

    Raises:
      AnagramError: naming the figures that do not agree.
    """
    for law in conservation(totals):
        if law["left"] != law["right"]:
            raise AnagramError(
                f"nothing published, the run lost count: {law['law']}, but {law['left']} is not "
                f"{law['right']}"
            )


def conservation(totals: Mapping[str, int]) -> list[dict[str, str | int]]:
    """`totals` of a whole run -> the laws that must hold, with both sides of each.

    Both sides are counted in different stages, as far apart as possible.
    """

    def law(text: str, left: str, *right: str) -> dict[str, str | int]:
        return {
            "law": text,
            "left": totals.get(left, 0),
            "right": sum(totals.get(name, 0) for name in right),
        }

    return [
        law("parts of the input read = parts planned", "parts_read", "parts_planned"),
        law(
            "records read = records processed + dead letters",
            "records_read",
            "records_processed",
            "records_dead",
        ),
        law(
            "words = words matched + words unmatched + words in dead letters",
            "words",
            "words_matched",
            "words_unmatched",
            "words_dead",
        ),
        law(
            "words keyed by signature = sum of the counts of all signatures",
            "words_keyed",
            "words_counted",
        ),
        law("records written = records to write", "records_written", "records_packed"),
        law("files to publish = files written", "files", "files_written"),
        law("files to publish = output and dead letters", "files", "files_wanted"),
    ]
