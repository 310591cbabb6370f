"""Figures -> a chart: runtime against size, memory, success. Needs matplotlib."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from beam_pipeline.benchmark.compare.comparison import Comparison
from beam_pipeline.benchmark.compare.summary import Summary, summarize

#: Extensions of the files it can write.
FORMATS = (".png", ".html")
_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<style>body {{ font-family: sans-serif; margin: 2em }} svg {{ max-width: 100%; height: auto }}
</style></head>
<body><h1>{title}</h1>
{svg}
</body></html>
"""
_TITLE = "Anagram counts, compared"


def write_chart(comparisons: Sequence[Comparison], path: Path) -> None:
    """Writes the chart of all subjects to `path`, an image or a page that needs no other file.

    Those that were wrong are not in it.
    """
    figure = _figure(comparisons)
    if path.suffix.lower() == ".png":
        figure.savefig(path, dpi=150)
        return
    from matplotlib import rc_context

    drawn = io.StringIO()
    with rc_context({"svg.fonttype": "none"}):  # text stays text
        figure.savefig(drawn, format="svg", metadata=dict.fromkeys(("Creator", "Date")))
    svg = drawn.getvalue()
    path.write_text(_PAGE.format(title=_TITLE, svg=svg[svg.index("<svg") :]), "utf-8")


def _figure(comparisons: Sequence[Comparison]) -> Any:
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 5.5), layout="constrained")
    runtime, memory, success = figure.subplots(1, 3, width_ratios=(2, 1, 1))
    success.sharey(memory)
    by_name: dict[str, list[tuple[int, Summary]]] = {}
    for comparison in sorted(comparisons, key=lambda comparison: comparison.size_bytes):
        for summary in summarize(comparison):
            if not summary.verdict.startswith("WRONG"):
                by_name.setdefault(summary.name, []).append((comparison.size_bytes, summary))
    colors = {name: colormaps["tab20"](index % 20) for index, name in enumerate(by_name)}
    for name, points in by_name.items():
        _draw_runtime(runtime, name, points, colors[name])
    _draw_bars(
        memory,
        {
            name: max((s.peak_bytes / 1e6 for _, s in points if s.peak_bytes), default=None)
            for name, points in by_name.items()
        },
        colors,
    )
    _draw_bars(
        success,
        {
            name: 100 * sum(s.successes for _, s in points) / max(sum(s.runs for _, s in points), 1)
            for name, points in by_name.items()
        },
        colors,
    )
    runtime.set(xscale="log", yscale="log", xlabel="size of the text, bytes")
    runtime.set(ylabel="runtime, median, s", title="Runtime against size")
    runtime.grid(True, which="major", alpha=0.3)
    if by_name:
        runtime.legend(fontsize="small", loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=4)
    memory.set(title="Peak memory, MB")
    success.set(title="Success, %", xlim=(0, 115))
    success.tick_params(labelleft=False)
    return figure


def _draw_runtime(axes: Any, name: str, points: list[tuple[int, Summary]], color: Any) -> None:
    timed = [(size, summary.runtime) for size, summary in points if summary.runtime]
    if not timed:
        return
    sizes = [size for size, _ in timed]
    axes.errorbar(
        sizes,
        [runtime.median for _, runtime in timed],
        yerr=[
            [runtime.median - runtime.quarter for _, runtime in timed],
            [runtime.three_quarters - runtime.median for _, runtime in timed],
        ],
        label=name,
        color=color,
        marker="o",
        capsize=3,
    )


def _draw_bars(axes: Any, values: dict[str, float | None], colors: dict[str, Any]) -> None:
    names = list(reversed(values))
    axes.barh(names, [values[name] or 0 for name in names], color=[colors[name] for name in names])
    for row, name in enumerate(names):
        value = values[name]
        label = "not measured" if value is None else f"{value:,.0f}"
        place = {"xytext": (3, 0), "textcoords": "offset points", "va": "center"}
        axes.annotate(label, (value or 0, row), fontsize="small", **place)
    axes.margins(x=0.2)
