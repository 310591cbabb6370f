"""The built-in cases: small, medium, large; each expects what the oracle counts."""

import pytest

from beam_pipeline.cases import CASE_NAMES, Case, Difference, difference, load_cases
from tests.support import reference
from tests.support.cli import ROOT


@pytest.fixture(params=CASE_NAMES)
def case(request: pytest.FixtureRequest) -> Case:
    (found,) = load_cases(request.param)
    return found


def test_there_is_one_case_of_each_size() -> None:
    assert [case.name for case in load_cases()] == ["small", "medium", "large"]
    sizes = [len(case.text.split()) for case in load_cases()]
    assert sizes[0] == 1
    assert 60 <= sizes[1] <= 100
    assert 600 <= sizes[2] <= 900


def test_unknown_case_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"test_case='huge'.*small.*medium.*large"):
        load_cases("huge")


def test_expected_counts_are_those_of_the_oracle(case: Case, gcide: frozenset[str]) -> None:
    assert case.expected == reference.counts(case.text, gcide)


def test_both_normalizations_expect_the_same(case: Case) -> None:
    members = reference.dictionary_words("gcide", "ascii")
    assert case.expected == reference.counts(case.text, members, "ascii")


def test_small_case_is_the_one_of_the_contract() -> None:
    (small,) = load_cases("small")
    assert small.text == "cat"
    assert small.expected == {"act": 1, "cat": 1, "tac": 1}


def test_medium_case_has_the_counts_a_person_finds() -> None:
    (medium,) = load_cases("medium")
    expected = medium.expected
    assert (expected["the"], expected["a"], expected["act"]) == (9, 4, 1)
    assert expected["listen"] == expected["tinsel"] == 1  # "Silent", but not "listening"
    assert expected["thing"] == 1  # "night-" stands apart from "watchman"
    assert "watchman" in expected and "night" in expected and "nightwatchman" not in expected
    assert {"he", "d"}.isdisjoint(expected)  # "he'd" is the one word "hed"


def test_large_case_has_the_counts_a_person_finds() -> None:
    (large,) = load_cases("large")
    expected = large.expected
    assert expected["silent"] == 3  # "Listen", "silent", "listen"
    assert expected["united"] == 2  # "untied", "united"
    assert expected["stream"] == 3  # "STREAM", "master", "maters"
    assert expected["least"] == 6  # and stale, slate, steal, tales, teals
    assert expected["spear"] == 6  # "Parse", spare, spear, pears, reaps, rapes
    assert expected["rhythm"] == 1
    assert "1887" not in expected


def test_differences_are_of_three_kinds() -> None:
    found = difference({"act": 1, "cat": 2, "tac": 2}, {"act": 1, "cat": 3, "dog": 1})
    assert found == Difference(missing=("tac",), wrong=("cat",), extra=("dog",))
    assert str(found) == "1 missing (tac), 1 wrong (cat), 1 extra (dog)"
    assert not difference({"act": 1}, {"act": 1})


def test_hatch_runs_the_small_case_unless_it_is_told_otherwise() -> None:
    script = 'pipeline = "python -m beam_pipeline {args:--test_case=small}"'
    assert script in (ROOT / "pyproject.toml").read_text("utf-8").splitlines()
