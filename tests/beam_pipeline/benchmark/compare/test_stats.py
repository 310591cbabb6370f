"""Statistics of known values."""

import pytest

from beam_pipeline.benchmark.compare.stats import Stats


def test_known_values() -> None:
    stats = Stats.of([1, 2, 3, 4, 100])
    assert (stats.min, stats.q1, stats.median) == (1, 2, 3)
    assert (stats.q3, stats.max, stats.mean) == (4, 100, 22)
    assert stats.outliers == (100,)
    assert stats.std == pytest.approx(43.62, abs=0.01)


def test_few_values_have_no_outliers() -> None:
    assert Stats.of([1, 1, 100]).outliers == ()
    assert Stats.of([7]) == Stats(7, 0, 7, 7, 7, 7, 7)
