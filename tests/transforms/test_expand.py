"""Counted signatures become records of the dictionary's members, filtered."""

from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.coders.typecoders import registry

from tests.support.beam import assert_gives
from transforms.counts import ClassTally
from transforms.dictionary import DictionarySpec
from transforms.expand import AnagramCount, ExpandSignatures

CAT = [AnagramCount(word, 3, "act") for word in ("act", "cat", "tac")]


def test_each_member_of_a_class_has_its_count() -> None:
    assert_gives([("act", 3), ("dgo", 1)], ExpandSignatures(), [
        *CAT,
        AnagramCount("dog", 1, "dgo"),
        AnagramCount("god", 1, "dgo"),
    ])  # fmt: skip


def test_classes_without_members_give_nothing() -> None:
    assert_gives([("qqqqz", 7), ("", 1)], ExpandSignatures(), [])


def test_members_come_from_the_dictionary_named(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_text("tca\n")
    assert_gives(
        [("act", 2)],
        ExpandSignatures(DictionarySpec(str(path))),
        [AnagramCount("tca", 2, "act")],
    )


@pytest.mark.parametrize(
    ("filters", "kept"),
    [
        ({"min_class_size": 2}, {"act", "cat", "tac", "dog", "god"}),
        ({"min_class_size": 3}, {"act", "cat", "tac"}),
        ({"min_class_size": 4}, set()),
        ({"min_count": 3}, {"act", "cat", "tac", "software"}),
        ({"min_count": 5}, {"software"}),
        ({"min_class_size": 2, "min_count": 3}, {"act", "cat", "tac"}),
    ],
)
def test_small_classes_and_small_counts_are_left_out(
    filters: dict[str, Any], kept: set[str]
) -> None:
    seen = [
        ("act", ClassTally(4, ("act", "cat", "tac"))),
        ("dgo", ClassTally(2, ("dog", "god"))),
        ("aeforstw", ClassTally(9, ("software",))),
    ]
    expected = [
        AnagramCount(word, tally.count, key)
        for key, tally in seen
        for word in tally.words
        if word in kept
    ]
    assert_gives(seen, ExpandSignatures(DictionarySpec("none"), **filters), expected)


def test_the_class_size_is_that_of_the_dictionary_not_of_the_text() -> None:
    assert_gives([("act", 3)], ExpandSignatures(min_class_size=3), CAT)
    assert_gives([("act", 3)], ExpandSignatures(min_class_size=4), [])
    assert_gives([("act", 3)], ExpandSignatures(min_count=4), [])


@pytest.mark.parametrize("name", ["min_class_size", "min_count"])
@pytest.mark.parametrize("value", [0, -1])
def test_invalid_filters_are_refused_by_name_and_value(name: str, value: int) -> None:
    filters: dict[str, Any] = {name: value}
    with pytest.raises(ValueError, match=rf"{name}={value}.*1 or more"):
        ExpandSignatures(**filters)


def test_records_have_a_schema() -> None:
    coder = registry.get_coder(AnagramCount)
    assert isinstance(coder, beam.coders.RowCoder)
    record = AnagramCount("été", 2**40, "téé")
    assert coder.decode(coder.encode(record)) == record
    assert [field.name for field in coder.schema.fields] == ["word", "count", "signature"]
