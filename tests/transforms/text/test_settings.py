"""The settings of text processing are checked where they are made."""

import itertools

import pytest

from transforms.text.encoding import ERROR_POLICIES
from transforms.text.normalize import NORMALIZATIONS, PUNCTUATION_RULES
from transforms.text.settings import TextSettings


def test_the_defaults_are_those_of_the_command_line() -> None:
    assert TextSettings() == TextSettings("unicode", "replace", "delete")


def test_every_permitted_combination_is_accepted_and_can_be_compared() -> None:
    combinations = list(itertools.product(NORMALIZATIONS, ERROR_POLICIES, PUNCTUATION_RULES))
    assert len({TextSettings(*combination) for combination in combinations}) == len(combinations)


@pytest.mark.parametrize("value", ["", "nfc", "Unicode"])
def test_another_normalization_is_refused_by_name(value: str) -> None:
    with pytest.raises(ValueError, match=rf"normalization='{value}'.*unicode.*ascii"):
        TextSettings(normalization=value)


@pytest.mark.parametrize("value", ["", "ignore", "STRICT"])
def test_another_error_policy_is_refused_by_name(value: str) -> None:
    with pytest.raises(
        ValueError, match=rf"encoding_errors='{value}'.*replace.*strict.*quarantine"
    ):
        TextSettings(encoding_errors=value)


@pytest.mark.parametrize("value", ["", "keep", "Split"])
def test_another_rule_for_punctuation_is_refused_by_name(value: str) -> None:
    with pytest.raises(ValueError, match=rf"punctuation='{value}'.*delete.*split"):
        TextSettings(punctuation=value)


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        TextSettings().normalization = "ascii"  # type: ignore[misc]
