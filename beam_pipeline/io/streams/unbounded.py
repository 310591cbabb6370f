"""Reads a Beam `UnboundedSource` without asking the runner to finalize bundles.

A worker keeps the `DoFn`s of a bundle that is to be finalized until the runner has finalized it.
Prism does so when the next bundle has begun, and Flink at a checkpoint, if it makes any. Until then
each further bundle needs new `DoFn`s, and with them new readers: a new connection every second,
while the old ones stay open. A source with nothing to do at finalization can avoid this.

This uses private names of Beam 2.77. Its tests fail when they change.
"""

from collections.abc import Iterator
from typing import Any

import apache_beam as beam
from apache_beam.io import unbounded_source
from apache_beam.io.unbounded_source import ReadFromUnboundedSource
from apache_beam.io.watermark_estimators import ManualWatermarkEstimator
from apache_beam.pvalue import PBegin, PCollection


class ReadUnfinalized(ReadFromUnboundedSource):
    """Reads a source whose checkpoint marks do nothing when they are finalized.

    Args:
      source: the source.
      poll_interval: how long to wait when there is nothing to read, in seconds.
      max_read_time_seconds: the maximum duration of a bundle.
    """

    def expand(self, root: PBegin) -> PCollection[Any]:
        read = _ReadFn(
            self._poll_interval, self._max_records_per_bundle, self._max_read_time_seconds
        )
        elements: PCollection[Any] = (
            root | "Create" >> beam.Create([self._source]) | "ReadUnbounded" >> beam.ParDo(read)
        )
        return elements


_TRACKER = beam.DoFn.RestrictionParam(unbounded_source._PROVIDER)
_WATERMARK_ESTIMATOR = beam.DoFn.WatermarkEstimatorParam(
    ManualWatermarkEstimator.default_provider()
)


class _ReadFn(unbounded_source._ReadFromUnboundedSourceDoFn):
    @beam.DoFn.unbounded_per_element()  # type: ignore[untyped-decorator]
    def process(
        self,
        element: Any,
        tracker: Any = _TRACKER,
        watermark_estimator: Any = _WATERMARK_ESTIMATOR,
    ) -> Iterator[Any]:
        # Beam does not finalize bundles because this method has no parameter for a finalizer.
        yield from super().process(element, _NoFinalizer(), tracker, watermark_estimator)


class _NoFinalizer:
    def register(self, callback: Any) -> None:
        """Does nothing: bundles are not finalized."""
