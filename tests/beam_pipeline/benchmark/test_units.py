"""Quantities are readable, and not rounded to what they are not."""

import pytest

from beam_pipeline.benchmark.units import (
    format_bytes,
    format_count,
    format_percent,
    format_seconds,
)


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (format_seconds(0.0000123), "0.01 ms"),
        (format_seconds(0.0123), "12.3 ms"),
        (format_seconds(0.1234), "123 ms"),
        (format_seconds(0.99996), "1.00 s"),
        (format_seconds(9.996), "10.0 s"),
        (format_seconds(1234), "1,234 s"),
        (format_bytes(0), "0 B"),
        (format_bytes(999), "999 B"),
        (format_bytes(999_999), "1.00 MB"),
        (format_bytes(1_234_567_890), "1.23 GB"),
        (format_bytes(-5_000_000), "-5.00 MB"),
        (format_percent(1), "100 %"),
        (format_percent(0.999), ">99 %"),
        (format_percent(0.001), "<1 %"),
        (format_percent(0), "0 %"),
        (format_count(1234567.8), "1,234,568"),
    ],
)
def test_quantities_have_three_digits_and_a_unit(shown: str, expected: str) -> None:
    assert shown == expected
