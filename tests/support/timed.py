"""Texts with event times, for tests of windows."""

from collections.abc import Iterable

import apache_beam as beam
from apache_beam.pvalue import PCollection
from apache_beam.transforms.window import TimestampedValue

#: A text, and when it was written, in seconds.
Timed = tuple[str, int]


def create_timed(
    p: beam.Pipeline, texts: Iterable[Timed], *, reshuffle: bool = True
) -> PCollection[str]:
    """Returns the texts, with their times; `reshuffle` as `beam.Create` has it."""
    timed: PCollection[str] = (
        p
        | beam.Create(list(texts), reshuffle=reshuffle)
        | beam.MapTuple(TimestampedValue).with_output_types(str)
    )
    return timed
