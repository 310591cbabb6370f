"""The charts of a run's report. Each is None if there is nothing to show."""

import itertools
from collections.abc import Callable, Sequence

from rich.filesize import decimal

from beam_pipeline.monitor.run_monitor import Phase, TimelinePoint
from beam_pipeline.pages import charts
from beam_pipeline.pages.palette import SERIES
from beam_pipeline.report.model import LargestClass, LengthCount

# A rate measured over a shorter time, in seconds, is not meaningful.
_MIN_SECONDS = 0.1
# Fewer points are no curve.
_MIN_POINTS = 3
# Words of this length and longer share a column, because they are few.
_MAX_LENGTH = 14


def throughput(points: Sequence[TimelinePoint]) -> str | None:
    """Draws the bytes read in each second of a run."""
    rates = []
    apart = list(points[:1])
    for point in points:  # the last one may follow another immediately
        if point.seconds - apart[-1].seconds >= _MIN_SECONDS:
            apart.append(point)
    for before, after in itertools.pairwise(apart):
        if before.bytes_read is not None and after.bytes_read is not None:
            rate = (after.bytes_read - before.bytes_read) / (after.seconds - before.seconds)
            rates += [(before.seconds, rate), (after.seconds, rate)]
    return _over_time("throughput", rates, lambda rate: f"{decimal(int(rate))}/s")


def memory(points: Sequence[TimelinePoint]) -> str | None:
    """Draws the memory of all processes over a run."""
    used = [(point.seconds, float(point.memory_bytes)) for point in points]
    return _over_time("memory", used, lambda size: decimal(int(size)))


def words_by_length(counts: Sequence[LengthCount]) -> str | None:
    """Draws how many words have 1, 2, 3, ... letters; the last column has all longer ones too."""
    if not counts:
        return None
    numbers = [0] * (_MAX_LENGTH + 1)
    for one in counts:
        numbers[min(one.length, _MAX_LENGTH)] += one.words
    while len(numbers) > 2 and not numbers[-1]:
        numbers.pop()
    labels = [str(length) for length in range(1, len(numbers))]
    if len(numbers) == _MAX_LENGTH + 1:
        labels[-1] += "+"
    return charts.columns("lengths", list(zip(labels, numbers[1:], strict=True)), _short)


def largest_classes(classes: Sequence[LargestClass]) -> str | None:
    """Draws the largest anagram classes, the largest on top."""
    return _bars("classes", [(" ".join(one.words), one.count) for one in classes], _short)


def matched(matched_words: int, unmatched_words: int) -> str | None:
    """Draws the share of words that are anagrams of a word of the dictionary."""
    total = matched_words + unmatched_words
    if not total:
        return None
    parts = [
        (f"matched: {matched_words / total:.1%}", matched_words),
        (f"unmatched: {unmatched_words / total:.1%}", unmatched_words),
    ]
    return charts.ring("matched", parts, (SERIES[0], "var(--muted)"))


def phases(parts: Sequence[Phase]) -> str | None:
    """Draws how long each phase of a run took, the first on top."""
    return _bars("phases", [(part.name, part.seconds) for part in parts], lambda s: f"{s:.2f} s")


def _over_time(
    name: str, points: list[tuple[float, float]], show: Callable[[float], str]
) -> str | None:
    if len(points) < _MIN_POINTS:
        return None
    return charts.area(name, points, lambda seconds: f"{seconds:g} s", show)


def _bars(name: str, values: list[tuple[str, float]], show: Callable[[float], str]) -> str | None:
    return charts.bars(name, values, show) if values else None


def _short(number: float) -> str:
    """Shows a number with three digits and a suffix: 12,345,678 as ``12.3 M``."""
    for unit, name in ((1e9, " G"), (1e6, " M"), (1e4, " k")):
        if number >= unit:
            unit = 1e3 if unit == 1e4 else unit
            return f"{number / unit:.3g}{name}"
    return f"{number:,.0f}"
