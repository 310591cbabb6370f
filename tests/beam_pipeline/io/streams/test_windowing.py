"""Windows as users write them, and sessions of a whole stream."""

from typing import Any

import apache_beam as beam
import pytest
from apache_beam.testing.util import assert_that, equal_to
from apache_beam.transforms.window import TimestampedValue

from beam_pipeline.io.streams.windowing import Windowing
from tests.support.beam import pipeline

Interval = tuple[float, float]


def windows_of(text: str, seconds: list[int]) -> beam.PTransform[Any, Any]:
    """Yields (window, number of elements); each element has a key of its own."""

    def with_window(pair: tuple[int, int], window: Any = beam.DoFn.WindowParam) -> Any:
        return (float(window.start), float(window.end)), pair[1]

    def expand(root: Any) -> Any:
        return (
            root
            | beam.Create(seconds, reshuffle=False)
            | beam.Map(lambda second: TimestampedValue((second, 1), second))
            | "Into" >> Windowing.parse(text).into()
            | beam.CombinePerKey(sum)
            | "WithWindow" >> beam.Map(with_window)
            | "Sum" >> beam.CombinePerKey(sum)
        )

    return beam.ptransform_fn(expand)()


@pytest.mark.parametrize(
    "text, expected",
    [
        ("10", [((0, 10), 2), ((10, 20), 1), ((30, 40), 1)]),
        ("1m", [((0, 60), 4)]),
        (
            "sliding:20:10",
            [((-10, 10), 2), ((0, 20), 3), ((10, 30), 1), ((20, 40), 1), ((30, 50), 1)],
        ),
        # Each element has a key of its own, and yet they share a session.
        ("session:10", [((1, 21), 3), ((35, 45), 1)]),
    ],
)
def test_elements_are_in_the_windows_that_are_written(
    text: str, expected: list[tuple[Interval, int]]
) -> None:
    with pipeline() as p:
        assert_that(p | windows_of(text, [1, 9, 11, 35]), equal_to(expected))


@pytest.mark.parametrize(
    ("text", "lateness", "complete", "start"),
    [
        ("10", 0, 100, 100),
        ("session:10", 0, 101, 101),
        ("sliding:20:10", 0, 100, 80),  # the window until 110 begins at 90
        ("10", 25, 100, 65),  # the window until 80 gets late text
        ("sliding:20:10", 25, 100, 55),
    ],
)
def test_windows_that_are_not_over_begin_in_reach(
    text: str, lateness: int, complete: int, start: int
) -> None:
    assert complete - Windowing.parse(text).reach(lateness) == start


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "0",
            "-1",
            "1.5",
            "5y",
            "m",
            "sliding",
            "sliding:60",
            "sliding:10:20",
            "sliding:10:0",
        ),
        *(
            "session",
            "session:",
            "session:0",
            "session:1:2",
            "fixed:60",
            "1:2",
            "60 ",
            "9999999999",
        ),
    ],
)
def test_what_is_no_window_is_an_error(text: str) -> None:
    with pytest.raises(ValueError):
        Windowing.parse(text)
