"""Statistics of some measurements of one quantity."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

# With fewer measurements there are no outliers.
_MIN_FOR_OUTLIERS = 4


@dataclass(frozen=True)
class Stats:
    """Statistics of some measurements, in their unit.

    Attributes:
      mean: the arithmetic mean.
      std: the standard deviation of the sample; 0 for one measurement.
      min: the least.
      q1: the first quartile.
      median: the second quartile.
      q3: the third quartile.
      max: the greatest.
      outliers: measurements farther from the quartiles than one and a half times the distance
        between them (Tukey's fences), sorted; none of fewer than four measurements.
    """

    mean: float
    std: float
    min: float
    q1: float
    median: float
    q3: float
    max: float
    outliers: tuple[float, ...] = ()

    @classmethod
    def of(cls, values: Sequence[float]) -> "Stats":
        """Computes the statistics of at least one measurement."""
        several = len(values) > 1
        q1, median, q3 = (
            statistics.quantiles(values, method="inclusive") if several else [*values] * 3
        )
        reach = 1.5 * (q3 - q1)
        outliers = [value for value in values if not q1 - reach <= value <= q3 + reach]
        return cls(
            mean=statistics.fmean(values),
            std=statistics.stdev(values) if several else 0.0,
            min=min(values),
            q1=q1,
            median=median,
            q3=q3,
            max=max(values),
            outliers=tuple(sorted(outliers)) if len(values) >= _MIN_FOR_OUTLIERS else (),
        )
