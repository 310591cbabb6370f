"""The text of rows is taken out, and what is no text is an error when the pipeline is built."""

import re
from typing import Any, NamedTuple, Optional

import apache_beam as beam
import pytest
from apache_beam.pvalue import Row

from tests.support.beam import assert_gives, pipeline
from transforms.rows import ExtractText
from transforms.text.blocks import Block
from transforms.words import ExtractWords, KeyBySignature


class Line(NamedTuple):
    number: int
    line: Optional[str]  # noqa: UP045  # Beam's schemas do not know `str | None`


def test_the_only_text_of_a_row_is_taken_and_null_is_none() -> None:
    assert_gives([Row(line="a cat", number=1)], ExtractText(), ["a cat"])
    assert_gives([Line(1, "a cat"), Line(2, None)], ExtractText(), ["a cat", ""])
    assert_gives([Row(a="x", b="y")], ExtractText("b"), ["y"])


def test_texts_and_blocks_stay_as_they_are() -> None:
    assert_gives(["a cat"], ExtractText(), ["a cat"])
    assert_gives([Block.of_text("a cat")], ExtractText(), [Block.of_text("a cat")])


def test_the_group_of_a_row_precedes_its_text() -> None:
    rows = [Row(line="a cat", book="x"), Row(line="", book="y")]
    assert_gives(rows, ExtractText(group="book"), [("x", "a cat"), ("y", "")])
    assert_gives([Line(1, "a cat")], ExtractText(group="number"), [("1", "a cat")])
    assert_gives([Line(1, None)], ExtractText("line", group="line"), [("", "")])
    block = Block("a.txt", 0, b"a cat")
    row = Row(**block._asdict())
    assert_gives([row], ExtractText(), [block])
    assert_gives([row], ExtractText(group="source"), [("a.txt", block)])
    assert_gives([block], ExtractText(group="source"), [("a.txt", block)])


def test_a_group_that_is_no_field_is_refused() -> None:
    with (
        pytest.raises(ValueError, match=r"group='b': is none of their fields \(a\)"),
        pipeline() as p,
    ):
        p | beam.Create([Row(a="x")]) | ExtractText(group="b")


@pytest.mark.parametrize(
    ("element", "field", "message"),
    [
        (
            Row(a="x", b="y"),
            None,
            "field: rows must have one field of texts, and there are a, b",
        ),
        (Row(a=1), None, "field: rows must have one field of texts, and there is none"),
        (5, None, "there is none"),
        (Row(a="x", b=1), "b", "field='b': is not text (a, b)"),
        (Row(a="x"), "c", "field='c': is none of their fields (a)"),
    ],
)
def test_a_field_that_is_no_text_is_refused(element: Any, field: str | None, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)), pipeline() as p:
        p | beam.Create([element]) | ExtractText(field)


@pytest.mark.parametrize("stage", [ExtractWords(), KeyBySignature()])
def test_stages_of_blocks_and_words_refuse_rows_when_the_pipeline_is_built(
    stage: beam.PTransform[Any, Any],
) -> None:
    # Beam YAML replaces `expand`, and with it the types that Beam would check.
    replaced: Any = stage
    expand = replaced.expand
    replaced.expand = lambda rows: expand(rows)
    with pytest.raises(TypeError, match=r"takes no rows \(with the fields line\)"), pipeline() as p:
        p | beam.Create([Row(line="a cat")]) | replaced
