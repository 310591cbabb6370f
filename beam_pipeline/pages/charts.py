"""Draws charts as SVG, with a function for each kind. The only module that imports pygal.

A chart has no script, refers to the colors of `palette` by name, and has the same bytes for the
same figures. It is narrow, so that its text is readable on a phone.
"""

import math
import sys
from collections.abc import Callable, Mapping, Sequence

import pygal
from pygal import PluginImportFixer
from pygal.etree import etree
from pygal.graph.graph import Graph
from pygal.style import Style

from beam_pipeline.pages.palette import SERIES
from beam_pipeline.pages.text import visible

# pygal's finder for plug-ins lacks `find_spec`, which other users of `sys.meta_path` call.
sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, PluginImportFixer)]

#: Width of every chart, in the units of its SVG. A page scales it.
WIDTH = 450
_HEIGHT = 260
_BAR_HEIGHT = 34
_BAR_MARGINS = 30
_LINES_HEIGHT = 320
_MARGIN = 8
_LEGEND_ROW = 23
_LEGEND_COLUMNS = 2
_MAX_LEGEND = 21
_FONT_SIZE = 16
_MAX_LABEL = 40
# The width of a character on average, for a rough layout.
_CHAR_WIDTH = 9.0
# With longer labels a legend has one column.
_MAX_IN_COLUMN = 15

#: Turns a number into the text that is shown for it.
Show = Callable[[float], str]


def bars(
    name: str,
    values: Sequence[tuple[str, float | None]],
    show: Show,
    *,
    missing: str = "not measured",
    colors: Sequence[str] = (),
) -> str:
    """Draws horizontal bars, the first on top, each with its number at its end.

    Args:
      name: the id of the chart, unique on its page.
      values: the label and the number of each bar. None draws no bar.
      show: how a number is shown.
      missing: what is shown instead of a number that is None.
      colors: of the bars, in order; by default they all have the same.
    """
    texts = [missing if number is None else show(number) for _, number in values]
    chart = _chart(
        pygal.HorizontalBar,
        name,
        _BAR_MARGINS + _BAR_HEIGHT * len(values),
        print_values=True,
        print_values_position="top",
        print_zeroes=True,
        range=(0, _bar_range(values, texts)),
        show_y_labels=True,
        show_x_labels=False,
    )
    chart.x_labels = [visible(label) for label, _ in reversed(values)]
    drawn: list[dict[str, object]] = [
        {"value": number or 0, "formatter": _always(text)}
        for (_, number), text in zip(values, texts, strict=True)
    ]
    for bar, color in zip(drawn, colors, strict=False):
        bar["color"] = color
    chart.add(name, drawn[::-1])
    root = chart.render_tree()
    for text in root.iter():
        if _has_class(text, "value"):
            # pygal centers a number on the end of its bar.
            text.set("text-anchor", "start")
    return _svg(root)


def columns(name: str, values: Sequence[tuple[str, float]], show: Show) -> str:
    """Draws vertical bars over their labels.

    Args:
      name: the id of the chart, unique on its page.
      values: the label and the number of each bar.
      show: how a number on the axis is shown.
    """
    chart = _chart(pygal.Bar, name, _HEIGHT, value_formatter=show)
    chart.x_labels = [visible(label) for label, _ in values]
    chart.add(name, [number for _, number in values])
    return _svg(chart.render_tree())


def ring(name: str, parts: Sequence[tuple[str, float]], colors: Sequence[str] = SERIES) -> str:
    """Draws the parts of a whole as sectors of a ring.

    Args:
      name: the id of the chart, unique on its page.
      parts: the label and the size of each part.
      colors: of the parts, in order.
    """
    chart = _chart(
        pygal.Pie,
        name,
        _HEIGHT,
        colors,
        inner_radius=0.55,
        show_legend=True,
        legend_at_bottom=True,
        legend_at_bottom_columns=_LEGEND_COLUMNS,
    )
    for label, size in parts:
        chart.add(visible(label), size)
    return _svg(chart.render_tree())


def area(name: str, points: Sequence[tuple[float, float]], show_x: Show, show_y: Show) -> str:
    """Draws the filled area below a line that begins at the height of 0.

    Args:
      name: the id of the chart, unique on its page.
      points: at least one, in the order of their first number.
      show_x: how a number on the horizontal axis is shown.
      show_y: how a number on the vertical axis is shown.
    """
    chart = _chart(
        pygal.XY,
        name,
        _HEIGHT,
        fill=True,
        show_dots=False,
        include_x_axis=True,
        value_formatter=show_y,
        x_value_formatter=show_x,
        range=(0, max(y for _, y in points) * 1.05 or 1),
    )
    chart.add(name, list(points))
    return _svg(chart.render_tree())


def lines(
    name: str,
    series: Mapping[str, Sequence[tuple[float, float]]],
    show_x: Show,
    show_y: Show,
    colors: Sequence[str] = SERIES,
) -> str:
    """Draws a line for each of some series, both axes logarithmic, with a legend below.

    Args:
      name: the id of the chart, unique on its page.
      series: the points of each line by its label. All numbers are greater than 0.
      show_x: how a number on the horizontal axis is shown; each that a point has is marked.
      show_y: how a number on the vertical axis is shown.
      colors: of the lines, in order.
    """
    y_labels = _powers_of_ten([y for points in series.values() for _, y in points])
    is_narrow = max(map(len, series), default=0) > _MAX_IN_COLUMN
    legend_columns = 1 if is_narrow else _LEGEND_COLUMNS
    legend_rows = math.ceil(len(series) / legend_columns)
    # pygal rounds the number of rows down, and would cut off the last one.
    rows_left_out = legend_rows - len(series) // legend_columns
    chart = _chart(
        pygal.XY,
        name,
        _LINES_HEIGHT + _LEGEND_ROW * legend_rows,
        colors,
        logarithmic=True,
        dots_size=3,
        show_legend=True,
        legend_at_bottom=True,
        legend_at_bottom_columns=legend_columns,
        truncate_legend=_MAX_LABEL if is_narrow else _MAX_LEGEND,
        margin_right=40,  # for the half of the last label that stands behind the end of its axis
        margin_bottom=_MARGIN + _LEGEND_ROW * rows_left_out,
        range=(y_labels[0], 1.1 * y_labels[-1]),  # pygal leaves out a label at the very top
        value_formatter=show_y,
        x_value_formatter=show_x,
        show_x_guides=True,
    )
    chart.x_labels = sorted({x for points in series.values() for x, _ in points})
    chart.y_labels = y_labels
    for label, points in series.items():
        chart.add(visible(label), list(points))
    return _svg(chart.render_tree())


def _chart(
    kind: type[Graph],
    name: str,
    height: int,
    colors: Sequence[str] = SERIES,
    **settings: object,
) -> Graph:
    style = Style(
        background="transparent",
        plot_background="transparent",
        foreground="var(--ink)",
        foreground_strong="var(--ink)",
        foreground_subtle="var(--faint)",
        guide_stroke_color="var(--faint)",
        major_guide_stroke_color="var(--faint)",
        colors=tuple(colors),
        value_colors=("var(--ink)",) * len(colors),
        opacity=".85",
        font_family="inherit",
        label_font_size=_FONT_SIZE,
        major_label_font_size=_FONT_SIZE,
        value_font_size=_FONT_SIZE,
        value_label_font_size=_FONT_SIZE,
        legend_font_size=_FONT_SIZE,
        stroke_width="2",
    )
    chart = kind(
        **{
            "style": style,
            "js": (),
            "width": WIDTH,
            "height": height,
            "show_legend": False,
            "margin": _MARGIN,
            "truncate_label": _MAX_LABEL,
            "max_scale": 7,
            **settings,
        }
    )
    chart.uuid = name  # random by default
    return chart


def _bar_range(values: Sequence[tuple[str, float | None]], texts: Sequence[str]) -> float:
    """Returns the number at the end of the axis: the longest bar leaves room for its text."""
    longest = max((number for _, number in values if number is not None), default=0.0)
    label_width = _CHAR_WIDTH * min(max((len(label) for label, _ in values), default=0), _MAX_LABEL)
    text_width = _CHAR_WIDTH * (2 + max(map(len, texts), default=0))
    width = WIDTH - label_width
    return longest * width / max(width - text_width, width / 3) or 1


def _powers_of_ten(numbers: Sequence[float]) -> list[float]:
    """Returns the powers of ten from the one below the least number to the one above the most."""
    first, last = math.floor(math.log10(min(numbers))), math.ceil(math.log10(max(numbers)))
    return [float(f"1e{exponent}") for exponent in range(first, last + 1)]


def _always(text: str) -> Callable[[object], str]:
    return lambda _: text


def _has_class(element: etree.Element, name: str) -> bool:
    return name in element.get("class", "").split()


def _svg(root: etree.Element) -> str:
    for parent in list(root.iter()):
        for child in list(parent):
            # Scripts, which only move things, and comments with addresses in them.
            if not isinstance(child.tag, str) or child.tag.endswith("script"):
                parent.remove(child)
    return str(etree.tostring(root, encoding="unicode"))
