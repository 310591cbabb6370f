"""Stages that count by group: the group is a part of the key, and is passed on with every element.

Elements and results are then (group, element) pairs. A `DoFn` for single elements is written
without groups and wrapped in `PerGroupFn`; one for whole bundles handles groups itself.
"""

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

import apache_beam as beam
from apache_beam.pvalue import PCollection, TaggedOutput

from transforms.stages.stage import ElementFn, Stage

T = TypeVar("T")
#: An element, and the group that it is in.
InGroup = tuple[str, T]


@dataclass
class GroupedStage(Stage):
    """A stage that can count by group.

    Attributes:
      per_group: whether elements are (group, element) pairs, in which a group is any string.
    """

    per_group: bool = field(default=False, kw_only=True, compare=False)

    def apply_fn(
        self, elements: PCollection[Any], label: str, fn: beam.DoFn, element_type: Any
    ) -> PCollection[Any]:
        if self.per_group and isinstance(fn, ElementFn):
            return super().apply_fn(elements, label, PerGroupFn(fn), tuple[str, element_type])
        return super().apply_fn(elements, label, fn, element_type)


class PerGroupFn(beam.DoFn):
    """Applies another `DoFn` to the element of each (group, element) pair."""

    def __init__(self, fn: ElementFn):
        self._fn = fn

    def __copy__(self) -> "PerGroupFn":
        return PerGroupFn(copy.copy(self._fn))

    def setup(self) -> None:
        self._fn.setup()  # type: ignore[no-untyped-call]

    def teardown(self) -> None:
        self._fn.teardown()  # type: ignore[no-untyped-call]

    def start_bundle(self) -> None:
        self._fn.start_bundle()

    def process(self, pair: tuple[str, Any]) -> Iterator[Any]:
        group, element = pair
        for output in self._fn.process(element):
            if isinstance(output, TaggedOutput):
                yield TaggedOutput(output.tag, output.value._replace(group=group))
            else:
                yield group, output

    def finish_bundle(self) -> Iterator[TaggedOutput[str, Any]]:
        return self._fn.finish_bundle()
