"""Compares the saved reports of two runs: settings, results, time and memory."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from beam_pipeline.io.formats import Counted
from beam_pipeline.report.recorder import LARGEST_CLASSES
from beam_pipeline.report.saved import Figure, Limit, SavedClass, SavedReport
from transforms.text.signature import signature

#: How many anagram classes are shown by default, those whose counts differ most.
CLASSES_SHOWN = 10


class Change(NamedTuple):
    """A fact that differs; None for a report that does not have it."""

    name: str
    before: Any
    after: Any


class FigureChange(NamedTuple):
    """A figure of both reports, or of one of them; the value of the other is None."""

    name: str
    before: Figure
    after: Figure

    @property
    def ratio(self) -> float | None:
        """The value after divided by the one before; None if that is not known."""
        before, after = self.before.value, self.after.value
        if before is None or after is None:
            return None
        return after / before if before else (1.0 if not after else None)


class ClassChange(NamedTuple):
    """An anagram class whose count differs.

    Attributes:
      signature: the signature of the class.
      words: the words of the class, in either result.
      before, after: its counts; None if it is only known that it is not among the largest.
    """

    signature: str
    words: tuple[str, ...]
    before: int | None
    after: int | None


@dataclass(frozen=True)
class ReportComparison:
    """The differences between two saved reports.

    Attributes:
      facts: the facts that differ.
      figures: the figures that differ, and all measured ones.
      has_same_result: whether the results are equal; None if unknown.
      are_results_files: whether `has_same_result` compares files; otherwise it compares counts.
      classes: the classes that differ, the greatest difference first; None if unknown.
    """

    before: SavedReport
    after: SavedReport
    facts: Sequence[Change]
    figures: Sequence[FigureChange]
    has_same_result: bool | None
    classes: Sequence[ClassChange] | None
    are_results_files: bool = True


def compare(before: SavedReport, after: SavedReport) -> ReportComparison:
    """Compares two reports of one kind.

    Raises:
      ValueError: they are of different kinds.
    """
    if before.kind != after.kind:
        raise ValueError(
            f"{before.path} is what {before.kind} saves, and {after.path} what {after.kind} does"
        )
    same = None
    if before.results is not None and after.results is not None:
        same = before.results == after.results
    classes = None
    if before.classes is not None and after.classes is not None:
        classes = _among_largest(before.classes, after.classes)
    return ReportComparison(
        before, after, list(_facts(before, after)), list(_figures(before, after)), same, classes
    )


def _facts(before: SavedReport, after: SavedReport) -> Iterator[Change]:
    for name in dict.fromkeys([*before.facts, *after.facts]):
        one, other = before.facts.get(name), after.facts.get(name)
        if one != other:
            yield Change(name, one, other)


def _figures(before: SavedReport, after: SavedReport) -> Iterator[FigureChange]:
    for name in dict.fromkeys([*before.figures, *after.figures]):
        known = before.figures.get(name) or after.figures[name]
        unknown = known._replace(value=None)
        change = FigureChange(
            name, before.figures.get(name, unknown), after.figures.get(name, unknown)
        )
        if known.is_measured or change.before.value != change.after.value:
            yield change


def _among_largest(
    before: Mapping[str, SavedClass], after: Mapping[str, SavedClass]
) -> list[ClassChange]:
    changes = []
    for key in {**before, **after}:
        words = (before.get(key) or after[key]).words
        counts = [
            None if (found := side.get(key)) is None and len(side) >= LARGEST_CLASSES
            else found.count if found else 0
            for side in (before, after)
        ]  # fmt: skip
        if counts[0] != counts[1]:
            changes.append(ClassChange(key, words, counts[0], counts[1]))
    # A class that is not among the largest has at most the count of the smallest of these.
    least = [min((one.count for one in side.values()), default=0) for side in (before, after)]
    return _most_moved(changes, least[0], least[1])


def compare_results(
    before: Iterator[Counted], after: Iterator[Counted]
) -> tuple[bool, list[ClassChange]]:
    """Compares two whole results.

    Args:
      before, after: the words of each result, with their counts.

    Returns:
      Whether they have equal counts, and the classes that differ.
    """
    sides = [_by_class(before), _by_class(after)]
    changes = [
        ClassChange(key, words, *(side.get(key, _NO_CLASS).count for side in sides))
        for key, words in {
            key: one.words for side in reversed(sides) for key, one in side.items()
        }.items()
        if sides[0].get(key) != sides[1].get(key)
    ]
    return not changes, _most_moved(changes, 0, 0)


_NO_CLASS = SavedClass(0, ())


def _by_class(words: Iterator[Counted]) -> dict[str, SavedClass]:
    counts: dict[str, int] = {}
    members: dict[str, list[str]] = {}
    for word, count in words:
        key = signature(word)
        counts[key] = count
        members.setdefault(key, []).append(word)
    return {key: SavedClass(count, tuple(sorted(members[key]))) for key, count in counts.items()}


def _most_moved(
    changes: list[ClassChange], least_before: int, least_after: int
) -> list[ClassChange]:
    def moved(change: ClassChange) -> tuple[int, str]:
        before = least_before if change.before is None else change.before
        after = least_after if change.after is None else change.after
        return -abs(after - before), change.signature

    return sorted(changes, key=moved)


class Excess(NamedTuple):
    """A limit that is exceeded, and why, without the name of its option."""

    setting: str
    message: str


def exceeded(
    comparison: ReportComparison, limits: Mapping[Limit, float], *, same_result: bool = False
) -> list[Excess]:
    """Returns the limits that are exceeded.

    A limit that cannot be checked counts as exceeded: if the later run has failed, or lacks a
    figure of the earlier one, or if there are no figures at all.

    Args:
      comparison: the comparison of two reports.
      limits: the maximum ratio of the later to the earlier value of figures.
      same_result: whether the results must be equal.
    """
    found: list[Excess] = []
    before, after = comparison.before, comparison.after
    if after.failure and (limits or same_result):
        settings = [limit.value for limit in limits] or ["same_result"]
        return [Excess(settings[0], f"{after.path}: {after.failure}")]
    for limit, ratio in limits.items():
        limited = [change for change in comparison.figures if change.before.limit is limit]
        known = [change for change in limited if change.before.value is not None]
        if not known:
            found.append(Excess(limit.value, f"{before.path}: has nothing to compare with"))
        for change in known:
            if change.after.value is None:
                found.append(Excess(limit.value, f"{change.name} is not in {after.path}"))
            elif change.ratio is None or change.ratio > ratio:
                times = (
                    "no longer 0, that"
                    if change.ratio is None
                    else f"{change.ratio:.2f} times that"
                )
                found.append(Excess(limit.value, f"{change.name} is {times} of {before.path}"))
    if same_result and not comparison.has_same_result:
        found.append(Excess("same_result", _why_not_same(comparison)))
    return found


def _why_not_same(comparison: ReportComparison) -> str:
    before, after = comparison.before, comparison.after
    if comparison.has_same_result is None:
        path = before.path if before.results is None else after.path
        return f"{path}: its result is not known"
    return f"the result is not that of {before.path}"
