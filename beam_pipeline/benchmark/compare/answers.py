"""Validates the types, ranges and sizes of a worker's messages, which are untrusted."""

import math
from collections.abc import Mapping
from typing import Any

from beam_pipeline.benchmark.compare.run import Status

#: The maximum size of an answer: all words of the dictionary with large counts take about 4 MB.
MAX_ANSWER_BYTES = 1 << 24
_MAX_COUNT = 1 << 63
_MAX_LINE = 300
_EXPECTED = '{"runtime": milliseconds, "anagram_counts": {word: count}}'


def checked_answer(message: Any) -> dict[str, Any]:
    """Returns the fields of a `Run` from a worker's message.

    Raises:
      ValueError: the message does not have the required form.
    """
    if not isinstance(message, dict):
        raise ValueError(f"not {_EXPECTED}")
    if isinstance(message.get("error"), str):
        return {"status": Status.FAILED, "error": one_line(message["error"])}
    answer = message.get("answer")
    if not isinstance(answer, dict):
        raise ValueError(f"not {_EXPECTED}")
    return {
        "status": Status.DONE,
        "counts": _checked_counts(answer.get("anagram_counts")),
        "reported_ms": _checked_runtime(answer.get("runtime")),
    }


def one_line(text: str) -> str:
    """Returns a text as one line that is not too long."""
    return " ".join(text[: 4 * _MAX_LINE].split())[:_MAX_LINE]


def _checked_counts(counts: Any) -> Mapping[str, int]:
    if not isinstance(counts, dict):
        raise ValueError("anagram_counts is not a dict")
    for word, count in counts.items():
        if type(count) is not int:
            raise ValueError(f"the count of {word[:_MAX_LINE]!a} is not an int")
        if not -_MAX_COUNT <= count < _MAX_COUNT:
            raise ValueError(f"the count of {word[:_MAX_LINE]!a} has more than 64 bits")
    return counts


def _checked_runtime(runtime: Any) -> float:
    if isinstance(runtime, bool) or not isinstance(runtime, (int, float)):
        raise ValueError("runtime is not a number of milliseconds")
    if not 0 <= runtime < _MAX_COUNT or not math.isfinite(runtime):
        raise ValueError("runtime is negative, infinite, or not a number")
    return float(runtime)
