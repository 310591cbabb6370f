"""The charts of a report, as SVG to be put into its page. Made by pygal, without its scripts."""

import itertools
import sys
from collections.abc import Callable, Sequence

import pygal
from pygal import PluginImportFixer
from pygal.etree import etree
from pygal.graph.graph import Graph
from pygal.style import Style
from rich.filesize import decimal

from beam_pipeline.monitor.watch import Phase, TimelinePoint
from beam_pipeline.report.model import LargestClass, LengthCount

# pygal's finder for plug-ins lacks `find_spec`, which other users of `sys.meta_path` call.
sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, PluginImportFixer)]

# Colours are those of the page, which knows whether it is dark; see the template.
_SERIES = ("var(--first)", "var(--second)", "var(--third)", "var(--fourth)")
_STYLE = Style(
    background="transparent",
    plot_background="transparent",
    foreground="var(--ink)",
    foreground_strong="var(--ink)",
    foreground_subtle="var(--faint)",
    guide_stroke_color="var(--faint)",
    major_guide_stroke_color="var(--faint)",
    colors=_SERIES,
    value_colors=("var(--ink)",) * len(_SERIES),
    opacity=".85",
    font_family="inherit",
    label_font_size=15,
    major_label_font_size=15,
    value_font_size=15,
    value_label_font_size=15,
    legend_font_size=15,
    stroke_width="2",
)
_WIDTH = 450
# Rates over less than this tell nothing.
_LEAST_SECONDS = 0.1
_LONGEST = 14


def throughput(points: Sequence[TimelinePoint]) -> str | None:
    """Megabytes read in each second over the run, if it was long enough to tell."""
    rates = []
    apart = list(points[:1])
    for point in points:  # the last one may come at once behind another
        if point.seconds - apart[-1].seconds >= _LEAST_SECONDS:
            apart.append(point)
    for before, after in itertools.pairwise(apart):
        if before.bytes_read is not None and after.bytes_read is not None:
            rate = (after.bytes_read - before.bytes_read) / (after.seconds - before.seconds)
            rates += [(before.seconds, rate), (after.seconds, rate)]
    return _over_time("throughput", rates, lambda rate: f"{decimal(int(rate))}/s")


def memory(points: Sequence[TimelinePoint]) -> str | None:
    """Memory of all processes over the run."""
    used = [(point.seconds, float(point.memory_bytes)) for point in points]
    return _over_time("memory", used, lambda size: decimal(int(size)))


def words_by_length(counts: Sequence[LengthCount]) -> str | None:
    """How many words have 1, 2, 3... letters; from a length on together, as few are longer."""
    if not counts:
        return None
    numbers = [0] * (_LONGEST + 1)
    for one in counts:
        numbers[min(one.length, _LONGEST)] += one.words
    while len(numbers) > 2 and not numbers[-1]:
        numbers.pop()
    chart = _chart(pygal.Bar, "lengths", 260, value_formatter=_short)
    labels = [str(length) for length in range(1, len(numbers))]
    if len(numbers) == _LONGEST + 1:
        labels[-1] += "+"
    chart.x_labels = labels
    chart.add("words", numbers[1:])
    return _svg(chart)


def largest_classes(classes: Sequence[LargestClass]) -> str | None:
    """The largest anagram classes, the largest on top."""
    return _bars("classes", [(" ".join(one.words), one.count) for one in classes], _short)


def matched(matched_words: int, unmatched_words: int) -> str | None:
    """The share of words that are anagrams of a word of the dictionary."""
    total = matched_words + unmatched_words
    if not total:
        return None
    chart = _chart(
        pygal.Pie,
        "matched",
        260,
        inner_radius=0.55,
        show_legend=True,
        legend_at_bottom=True,
        legend_at_bottom_columns=2,
    )
    chart.add(f"matched: {matched_words / total:.1%}", matched_words)
    chart.add(f"unmatched: {unmatched_words / total:.1%}", unmatched_words)
    return _svg(chart)


def phases(parts: Sequence[Phase]) -> str | None:
    """How long each phase of the run took, the first on top."""
    return _bars("phases", [(part.name, part.seconds) for part in parts], lambda s: f"{s:.2f} s")


def _over_time(
    name: str, points: list[tuple[float, float]], shown: Callable[[float], str]
) -> str | None:
    if len(points) < 3:
        return None
    chart = _chart(
        pygal.XY,
        name,
        260,
        fill=True,
        show_dots=False,
        include_x_axis=True,
        value_formatter=shown,
        x_value_formatter=lambda seconds: f"{seconds:g} s",
        range=(0, max(value for _, value in points) * 1.05 or 1),
    )
    chart.add(name, points)
    return _svg(chart)


def _bars(name: str, values: list[tuple[str, float]], shown: Callable[[float], str]) -> str | None:
    if not values:
        return None
    chart = _chart(
        pygal.HorizontalBar,
        name,
        30 + 34 * len(values),
        classes=("bars",),
        value_formatter=shown,
        print_values=True,
        print_values_position="top",
        range=(0, 1.25 * max(number for _, number in values) or 1),  # room for the last number
        show_y_labels=True,
        show_x_labels=False,
    )
    labels, numbers = zip(*reversed(values), strict=True)
    chart.x_labels = labels
    chart.add(name, numbers)
    return _svg(chart)


def _short(number: float) -> str:
    """12,345,678 -> 12.3 M."""
    for unit, name in ((1e9, " G"), (1e6, " M"), (1e4, " k")):
        if number >= unit:
            unit = 1e3 if unit == 1e4 else unit
            return f"{number / unit:.3g}{name}"
    return f"{number:,.0f}"


def _chart(kind: type[Graph], name: str, height: int, **settings: object) -> Graph:
    chart = kind(
        **{
            "style": _STYLE,
            "js": (),
            "width": _WIDTH,
            "height": height,
            "show_legend": False,
            "margin": 8,
            "truncate_label": 40,
            "max_scale": 7,
            **settings,
        }
    )
    chart.uuid = name  # by default another one each time
    return chart


def _svg(chart: Graph) -> str:
    root = chart.render_tree()
    for parent in list(root.iter()):
        for child in list(parent):
            # Scripts, which only move things, and comments with addresses in them.
            if not isinstance(child.tag, str) or child.tag.endswith("script"):
                parent.remove(child)
    return str(etree.tostring(root, encoding="unicode"))
