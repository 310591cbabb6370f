"""Applies `DoFn`s for whole bundles to each window separately.

A `DoFn` that collects elements in `process` and emits results in `finish_bundle` is written as if
all elements were in the global window. If they are not, each window gets a copy of the `DoFn`,
which receives only the elements of this window, and whose results at the end of a bundle are
emitted into the window.
"""

import copy
from collections.abc import Iterator
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import PCollection, TaggedOutput
from apache_beam.transforms.core import Windowing
from apache_beam.transforms.trigger import (
    AccumulationMode,
    AfterCount,
    DefaultTrigger,
    TriggerFn,
)
from apache_beam.transforms.window import (
    BoundedWindow,
    GlobalWindows,
    NonMergingWindowFn,
    TimestampCombiner,
)
from apache_beam.utils.windowed_value import WindowedValue


def is_windowed(elements: PCollection[Any]) -> bool:
    """Returns whether elements may be in other windows than the global one."""
    return not isinstance(elements.windowing.windowfn, GlobalWindows)


def per_window(fn: beam.DoFn, elements: PCollection[Any]) -> beam.DoFn:
    """Returns a `DoFn` that applies `fn` to each window of `elements` separately.

    Args:
      fn: must emit results at the end of a bundle with
        `transforms.stages.bundles.in_global_window`.
      elements: the input.
    """
    return PerWindowFn(fn) if is_windowed(elements) else fn


def has_panes(elements: PCollection[Any]) -> bool:
    """Returns whether a grouping may fire more than one pane of a window.

    That is so if there is a trigger or an allowed lateness.
    """
    windowing = elements.windowing
    is_late_allowed = windowing.allowed_lateness > 0 and is_windowed(elements)
    return is_late_allowed or not isinstance(windowing.triggerfn, DefaultTrigger)


def keys_can_share(elements: PCollection[Any]) -> bool:
    """Returns whether several keys can be combined under one key without changing the results.

    They cannot if windows merge, such as sessions, or have several panes, because the elements of
    each key decide when windows merge or panes fire.
    """
    return not (is_merging(elements) or has_panes(elements))


def is_merging(elements: PCollection[Any]) -> bool:
    """Returns whether windows may merge, such as sessions: then each key has its own."""
    return not isinstance(elements.windowing.windowfn, NonMergingWindowFn)


def is_accumulating(elements: PCollection[Any]) -> bool:
    """Returns whether panes accumulate."""
    mode = elements.windowing.accumulation_mode
    return has_panes(elements) and mode == AccumulationMode.ACCUMULATING


class SetWindowing(beam.ParDo):
    """Sets the windowing of the next grouping, and leaves elements in their windows.

    `beam.WindowInto` would assign windows again, by timestamps. After a grouping these are the end
    of a window, which belongs to several sliding windows.

    Args:
      windowing: the windowing to set.
      element_type: the type of the elements.
    """

    def __init__(self, windowing: Windowing, element_type: Any = Any):
        super().__init__(_Same())  # type: ignore[no-untyped-call]
        self.with_output_types(element_type)  # type: ignore[no-untyped-call]
        self._windowing = windowing

    def get_windowing(self, inputs: Any) -> Windowing:
        return self._windowing


def with_trigger(elements: PCollection[Any], trigger: TriggerFn, mode: Any) -> Windowing:
    """Returns the windows and the allowed lateness of elements, with another trigger.

    Args:
      elements: the elements whose windows and allowed lateness are used.
      trigger: the trigger of the next grouping.
      mode: the accumulation mode of its panes.
    """
    windowing = elements.windowing
    return Windowing(
        windowing.windowfn,
        trigger,
        mode,
        allowed_lateness=windowing.allowed_lateness.micros / 1e6,
    )


class _Same(beam.DoFn):
    def process(self, element: Any) -> list[Any]:
        return [element]


def check_comparable(elements: PCollection[Any], setting: str) -> None:
    """Checks that the results of all keys in a window can be compared with each other.

    Args:
      elements: the results of each key.
      setting: the setting that needs it, for the message.

    Raises:
      ValueError: each key has windows or panes of its own.
    """
    if not keys_can_share(elements):
        what = "windows, as they merge" if is_merging(elements) else "panes"
        raise ValueError(
            f"{setting}: compares the words of a window when it is over, but here each signature "
            f"has its own {what}; take windows that do not merge, without a trigger and an "
            "allowed lateness"
        )


def check_countable_together(elements: PCollection[Any], name: str) -> None:
    """Checks that the words of a bundle can be counted together without changing the results.

    Args:
      elements: the input.
      name: the name of the transform that does so, for the message.

    Raises:
      ValueError: sums should have the timestamp of an element, or a trigger counts elements.
    """
    windowing = elements.windowing
    instead = "take engine='elementwise', or the transforms that it is made of"
    if windowing.timestamp_combiner != TimestampCombiner.OUTPUT_AT_EOW:
        raise ValueError(
            f"{name}: counts words without the timestamp of each, so counts have that of the end "
            f"of their window; for another timestamp_combiner {instead}"
        )
    if any(isinstance(trigger, AfterCount) for trigger in _triggers(windowing.triggerfn)):
        raise ValueError(
            f"{name}: the trigger AfterCount would count bundles, not words; {instead}"
        )


def _triggers(trigger: Any) -> Iterator[TriggerFn]:
    """Yields a trigger and all its subtriggers."""
    yield trigger
    for value in vars(trigger).values():
        for part in value if isinstance(value, (list, tuple)) else [value]:
            if isinstance(part, TriggerFn):
                yield from _triggers(part)


class PerWindowFn(beam.DoFn):
    """Applies a copy of a `DoFn` to each window of a bundle."""

    def __init__(self, fn: beam.DoFn):
        self._fn = fn

    def setup(self) -> None:
        self._fn.setup()

    def teardown(self) -> None:
        self._fn.teardown()

    def start_bundle(self) -> None:
        self._fns: dict[BoundedWindow, beam.DoFn] = {}

    def process(self, element: Any, window: Any = beam.DoFn.WindowParam) -> Any:
        fn = self._fns.get(window)
        if fn is None:
            fn = self._fns[window] = copy.copy(self._fn)
            fn.start_bundle()
        return fn.process(element)

    def finish_bundle(self) -> Iterator[Any]:
        while self._fns:
            window, fn = self._fns.popitem()
            for output in fn.finish_bundle() or ():
                yield _in_window(output, window)


def _in_window(output: Any, window: BoundedWindow) -> Any:
    """Returns an output from the end of a bundle, as a value at the end of a window."""
    if isinstance(output, TaggedOutput):
        return TaggedOutput(output.tag, _in_window(output.value, window))
    return WindowedValue(output.value, window.max_timestamp(), (window,))
