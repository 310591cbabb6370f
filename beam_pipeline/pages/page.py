"""Pages made from templates.

All values in a template are escaped, except charts, whose text is escaped by their library.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from beam_pipeline.pages import palette
from beam_pipeline.pages.text import visible


class Figure(NamedTuple):
    """A chart on a page.

    Attributes:
      title: what it shows.
      svg: the chart.
      rows: the same figures as text, by their label.
    """

    title: str
    svg: str
    rows: Sequence[tuple[str, str]] = ()


def render(package: str, template: str, **context: Any) -> str:
    """Renders a page.

    Args:
      package: the package whose folder ``templates`` has the template. The template can extend
        ``base.html`` and import ``macros.html`` of this package.
      template: the name of its file.
      **context: what the template shows.
    """
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(package), PackageLoader(__package__)]),
        autoescape=True,
        finalize=_finalize,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(
        light=palette.LIGHT, dark=palette.DARK, print=palette.PRINT, **context
    )


def _finalize(value: Any) -> Any:
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value
