"""Charts as a PNG image. Needs resvg-py, see the extra ``plots``."""

import html
import importlib.util
import re
from collections.abc import Sequence

from beam_pipeline.pages.charts import WIDTH
from beam_pipeline.pages.page import Figure
from beam_pipeline.pages.palette import LIGHT, resolve
from beam_pipeline.pages.text import visible

_MARGIN = 24
_TITLE_SIZE, _HEADING_SIZE = 24, 17
_VIEW_BOX = re.compile(r'viewBox="0 0 [0-9.]+ ([0-9.]+)"')
_INHERITED_FONT = re.compile(r"font-family:\s*inherit")
# The first of these that is installed. What "sans-serif" means, not every system knows.
_FONTS = "DejaVu Sans, Liberation Sans, Noto Sans, Arial, Helvetica, Segoe UI, sans-serif"
# Two pixels for each unit of the SVG, so that the text is sharp.
_ZOOM = 2


def why_unavailable() -> str | None:
    """Returns why no image can be drawn, in one line; None if it can."""
    if importlib.util.find_spec("resvg_py") is None:
        return "resvg-py is missing: pip install 'beam-anagrams[plots]', or give a file .html"
    # Without any font the library silently leaves text out.
    if _draw(_document(99, 99, _text(0, 50, 50, "text"))) == _draw(_document(99, 99, "")):
        return "no font is installed here to draw text with; install one, or give a file .html"
    return None


def to_png(title: str, figures: Sequence[Figure]) -> bytes:
    """Draws figures side by side below a title."""
    return _draw(to_svg(title, figures))


def to_svg(title: str, figures: Sequence[Figure]) -> str:
    """Puts figures side by side into one SVG that needs no style sheet around it."""
    top = _MARGIN + _TITLE_SIZE + _MARGIN
    parts = [_text(_MARGIN, _MARGIN + _TITLE_SIZE, _TITLE_SIZE, title)]
    bottom = float(top)
    for index, figure in enumerate(figures):
        left = _MARGIN + index * (WIDTH + _MARGIN)
        height = _height(figure.svg)
        place = f'x="{left}" y="{top + _MARGIN}" width="{WIDTH}" height="{height:g}"'
        parts.append(_text(left, top + _HEADING_SIZE, _HEADING_SIZE, figure.title))
        parts.append(figure.svg.replace("<svg ", f"<svg {place} ", 1))
        bottom = max(bottom, top + _MARGIN + height)
    width = _MARGIN + max(len(figures), 1) * (WIDTH + _MARGIN)
    svg = _document(width, bottom + _MARGIN, "".join(parts))
    return _INHERITED_FONT.sub(f"font-family:{_FONTS}", resolve(svg))


def _draw(svg: str) -> bytes:
    from resvg_py import svg_to_bytes

    return svg_to_bytes(svg_string=svg, background=LIGHT["paper"], zoom=_ZOOM)


def _height(svg: str) -> float:
    found = _VIEW_BOX.search(svg)
    assert found is not None, "every chart has a viewBox"
    return float(found[1])


def _document(width: float, height: float, content: str) -> str:
    size = f'width="{width:g}" height="{height:g}" viewBox="0 0 {width:g} {height:g}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{content}</svg>'


def _text(x: float, y: float, size: float, text: str) -> str:
    style = f'font-family="{_FONTS}" font-size="{size:g}" fill="{LIGHT["ink"]}"'
    return f'<text x="{x:g}" y="{y:g}" {style}>{html.escape(visible(text))}</text>'
