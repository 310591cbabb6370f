"""Emits elements from `finish_bundle`, for transforms over the global window."""

from collections.abc import Iterable, Iterator
from typing import Any

from apache_beam.pvalue import TaggedOutput
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.windowed_value import WindowedValue

_NOTHING = WindowedValue(None, GlobalWindow().max_timestamp(), (GlobalWindow(),))


def in_global_window(elements: Iterable[Any]) -> Iterator[Any]:
    """Yields each element as a value at the end of the global window; keeps its tag if any."""
    for element in elements:
        if isinstance(element, TaggedOutput):
            yield TaggedOutput(element.tag, _NOTHING.with_value(element.value))
        else:
            yield _NOTHING.with_value(element)
