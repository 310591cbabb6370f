"""Continues windows of which there are panes already, so that all panes have each element once.

There are such panes when a run is started again that reads its windows again, and when a job is
restored from a checkpoint. In both cases, the elements of these panes are read again, including
late ones, and the runner may divide them into other panes. So the counts of panes that the runner
does not remember to have published are subtracted from the new panes, until nothing of them is
left. Published panes are never changed or removed, whichever process is killed.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import pyarrow

from beam_pipeline.errors import DeadLettersError, OutputError, PreviousResultError
from beam_pipeline.io.dead_letters import open_buffered
from beam_pipeline.io.previous_results import counted_words
from transforms.columns.tables import words_of
from transforms.stages.retry import Retrier, describe


@dataclass
class Held:
    """The content of panes of a window that is counted again, and has not been counted again yet.

    Attributes:
      counts: the count of each word, or of each group and word.
      lines: dead letters, as they were written.
      panes: the numbers of the known panes, which were added, or published since.
    """

    counts: Counter[tuple[str, ...]] = field(default_factory=Counter)
    lines: Counter[bytes] = field(default_factory=Counter)
    panes: set[int] = field(default_factory=set)

    def add(
        self,
        records: Mapping[int, str],
        dead_letters: Mapping[int, str],
        retrier: Retrier,
        *,
        per_group: bool,
    ) -> None:
        """Adds the content of panes that are not known yet.

        Args:
          records: the files of their records, by the numbers of the panes.
          dead_letters: the files of their dead letters.
          retrier: the retrier of the stage that reads.
          per_group: whether words were counted by group.

        Raises:
          OutputError, DeadLettersError: a file cannot be read.
        """
        for path in (records[pane] for pane in records.keys() - self.panes):
            try:
                for *names, count in counted_words(path, path, retrier, per_group=per_group):
                    self.counts[tuple(names)] += count
            except PreviousResultError as error:
                raise OutputError(str(error)) from error
        for path in (dead_letters[pane] for pane in dead_letters.keys() - self.panes):
            try:
                with open_buffered(path, retrier) as file:
                    self.lines.update(file)
            except Exception as error:  # each filesystem raises its own
                raise DeadLettersError(f"{path}: cannot be read ({describe(error)})") from error
        self.panes |= records.keys() | dead_letters.keys()

    def off(self, tables: Iterable[pyarrow.Table]) -> list[pyarrow.Table]:
        """Subtracts the held counts from tables of records; held counts decrease likewise."""
        return [self._off(table) if self.counts else table for table in tables]

    def _off(self, table: pyarrow.Table) -> pyarrow.Table:
        counts = table["count"].to_numpy().copy()
        for row, word in enumerate(words_of(table)):
            if held := self.counts.pop(word, 0):
                taken = min(held, int(counts[row]))
                counts[row] -= taken
                if held > taken:
                    self.counts[word] = held - taken
        at = table.column_names.index("count")
        rest = table.set_column(at, table.schema.field(at), pyarrow.array(counts))
        return rest.filter(pyarrow.array(counts > 0))

    def off_lines(self, lines: Iterable[bytes]) -> list[bytes]:
        """Removes the held dead letters from lines, and the lines from those that are held."""
        rest = []
        for line in lines:
            if self.lines[line]:
                self.lines[line] -= 1
            else:
                rest.append(line)
        self.lines = +self.lines
        return rest
