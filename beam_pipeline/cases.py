"""The built-in test cases: texts with the counts expected of them."""

import json
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from transforms.checks import check_one_of

CASE_NAMES = ("small", "medium", "large")


class Case(NamedTuple):
    """A text, and word -> count as GCIDE and either normalization must give it."""

    name: str
    text: str
    expected: dict[str, int]


def load_cases(name: str = "all") -> list[Case]:
    """The cases of ``test_cases.json`` called `name`, or all of them.

    Raises:
      ValueError: there is no such case.
    """
    check_one_of((*CASE_NAMES, "all"), test_case=name)
    cases = [Case(**case) for case in json.loads(_cases_text())]
    return [case for case in cases if name in (case.name, "all")]


def _cases_text() -> str:
    packaged = files("beam_pipeline") / "resources" / "test_cases.json"
    if packaged.is_file():
        return packaged.read_text(encoding="utf-8")
    # In a checkout the file stands where the project keeps it; the wheel has it in the package.
    checkout = Path(__file__).parents[1] / "resources" / "test_cases.json"
    return checkout.read_text(encoding="utf-8")
