"""The built-in test cases: texts with their expected counts, and the comparison with a result."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from transforms.checks import check_one_of

CASE_NAMES = ("small", "medium", "large")


class Case(NamedTuple):
    """A text and its expected result.

    Attributes:
      name: one of `CASE_NAMES`.
      text: the text to count.
      expected: the count of each word, with the dictionary GCIDE and either normalization.
    """

    name: str
    text: str
    expected: dict[str, int]


def load_cases(name: str = "all") -> list[Case]:
    """Loads the cases of ``test_cases.json``.

    Args:
      name: one of `CASE_NAMES`, or ``all``.

    Raises:
      ValueError: there is no such case.
    """
    check_one_of((*CASE_NAMES, "all"), test_case=name)
    cases = [Case(**case) for case in json.loads(_cases_text())]
    return [case for case in cases if name in (case.name, "all")]


@dataclass(frozen=True)
class Difference:
    """How a result differs from the expected one; false if it does not.

    Attributes:
      missing: expected words that are not in the result, sorted.
      wrong: words in both, but with different counts, sorted.
      extra: words in the result that are not expected, sorted.
    """

    missing: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.missing or self.wrong or self.extra)

    def __str__(self) -> str:
        parts = [("missing", self.missing), ("wrong", self.wrong), ("extra", self.extra)]
        return ", ".join(f"{len(words)} {name} ({words[0]})" for name, words in parts if words)


def difference(expected: Mapping[str, int], actual: Mapping[str, int]) -> Difference:
    """Compares a result with the expected one, word by word.

    Example:
      >>> print(difference({"act": 1, "cat": 1}, {"cat": 2}))
      1 missing (act), 1 wrong (cat)
    """
    common = expected.keys() & actual.keys()
    return Difference(
        missing=tuple(sorted(expected.keys() - common)),
        wrong=tuple(sorted(word for word in common if expected[word] != actual[word])),
        extra=tuple(sorted(actual.keys() - common)),
    )


def _cases_text() -> str:
    packaged = files("beam_pipeline") / "resources" / "test_cases.json"
    if packaged.is_file():
        return packaged.read_text(encoding="utf-8")
    # A checkout has the file in the folder `resources`, a wheel in the package.
    checkout = Path(__file__).parents[1] / "resources" / "test_cases.json"
    return checkout.read_text(encoding="utf-8")
