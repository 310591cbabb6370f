"""The colors of pages and charts.

They are kept in Python because a page needs them as CSS variables, in a light and a dark set, and
an image needs their values.
"""

import re
from collections.abc import Mapping

#: Colors that tell the series of a chart apart, on a light and on a dark ground.
_LIGHT_SERIES = (
    *("#2f6f9f", "#c4561f", "#3f8f4f", "#a33b8f", "#8a6d1f", "#1f8f8f"),
    *("#d13b4b", "#6b5bb8", "#5a6470", "#b0792a", "#2f4fbf", "#7a9a1f"),
)
_DARK_SERIES = (
    *("#6aa9d8", "#f08a52", "#7cc98b", "#e08ad0", "#d4b35a", "#5cc9c9"),
    *("#ff8a94", "#ada0f0", "#aab3bd", "#e8b566", "#8aa4ff", "#bcd95a"),
)


def _numbered(colors: tuple[str, ...]) -> dict[str, str]:
    return {f"series-{number}": color for number, color in enumerate(colors, 1)}


#: The value of each color by its name, on a light and on a dark ground.
LIGHT: Mapping[str, str] = {
    "paper": "#fbfaf7",
    "card": "#ffffff",
    "ink": "#22262b",
    "faint": "#6b7178",
    "line": "#dcdad3",
    "muted": "#c9c4b8",
    "good": "#2c7a3f",
    "bad": "#b3261e",
    **_numbered(_LIGHT_SERIES),
}
DARK: Mapping[str, str] = {
    "paper": "#16181b",
    "card": "#1f2226",
    "ink": "#e4e2dd",
    "faint": "#9aa0a6",
    "line": "#373b40",
    "muted": "#565b61",
    "good": "#7cc48d",
    "bad": "#f2857c",
    **_numbered(_DARK_SERIES),
}
#: The light colors, where they differ on paper.
PRINT: Mapping[str, str] = {
    "paper": "#ffffff",
    "ink": "#000000",
    "faint": "#444444",
    "line": "#bbbbbb",
}

#: References to the colors of series, as a style sheet writes them, in order.
SERIES = tuple(f"var(--{name})" for name in _numbered(_LIGHT_SERIES))

_REFERENCE = re.compile(r"var\(--([a-z0-9-]+)\)")


def resolve(svg: str) -> str:
    """Returns `svg` with each reference to a color replaced by its value on a light ground."""
    return _REFERENCE.sub(lambda reference: LIGHT[reference[1]], svg)
