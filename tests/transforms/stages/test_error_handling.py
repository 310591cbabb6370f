"""What cannot be processed goes to Beam's error handlers, as rows with a schema."""

import json
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.coders.typecoders import registry
from apache_beam.testing.util import assert_that, equal_to
from apache_beam.transforms.error_handling import ErrorHandler

from beam_pipeline import CountAnagrams, ReadFiles, WriteResults
from beam_pipeline.pipeline import ENGINES
from tests.support.beam import pipeline
from transforms.expand import AnagramCount
from transforms.stages.chaos import Chaos
from transforms.stages.dead_letters import ClassCount, from_json
from transforms.stages.error_handling import ErrorRow
from transforms.stages.retry import Resilience
from transforms.stages.side_outputs import SideOutputs
from transforms.text.blocks import Block
from transforms.words import ExtractWords

#: One line that is no UTF-8, and one that is.
BLOCK = Block("a.txt", 0, b"cat\n\xff dog\ntac\n", "utf-8", 0)


class Take(beam.PTransform[Any, Any]):
    """What consumes errors: takes them as they are."""

    def expand(self, rows: Any) -> Any:
        return rows | beam.Map(lambda row: row).with_output_types(ErrorRow)


@pytest.mark.parametrize("engine", ENGINES)
def test_count_anagrams_hands_lines_that_are_no_text_to_the_handler(engine: str) -> None:
    with pipeline() as p:
        with ErrorHandler(Take()) as handler:
            counted = (
                p
                | beam.Create([BLOCK]).with_output_types(Block)
                | CountAnagrams(
                    dictionary=["act"], engine=engine, encoding_errors="quarantine"
                ).with_error_handler(handler)
            )
        assert_that(counted, equal_to([AnagramCount("act", 2, "act")]), "CheckCounts")
        assert handler.output().element_type is ErrorRow

        def check(rows: list[ErrorRow]) -> None:
            (row,) = rows
            assert (row.stage, row.source, row.offset, row.attempts) == ("filter", "a.txt", 4, 1)
            assert "byte 4 of the file" in row.msg
            letter, settings = from_json(row.element)
            assert letter.payload == BLOCK._replace(offset=4, data=b"\xff dog\n")
            assert settings["encoding_errors"] == "quarantine"
            assert "dictionary" not in settings  # these words are in no file

        assert_that(handler.output(), check, "CheckErrors")


def test_a_stage_that_fails_for_good_goes_on_with_a_handler_and_not_without() -> None:
    resilience = Resilience(2, chaos=Chaos.parse("expand=1"), initial_backoff=0.001)
    count = CountAnagrams(dictionary="gcide", resilience=resilience)
    assert count.with_error_handler(None) is count
    with pipeline() as p:
        with ErrorHandler(Take()) as handler:
            words = p | beam.Create(["cat"])
            counted = words | count.with_error_handler(handler)
        assert_that(counted, equal_to([]), "CheckCounts")
        found = handler.output() | beam.Map(
            lambda row: (row.attempts, row.source, from_json(row.element)[0].payload)
        )
        assert_that(found, equal_to([(2, None, ClassCount("act", 1))]), "CheckErrors")
    assert count.resilience.on_error == "fail"
    with pytest.raises(Exception, match="expand failed"), pipeline() as p:
        p | beam.Create(["cat"]) | count


def test_files_that_cannot_be_read_go_to_the_same_handler(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("cat\n")
    (tmp_path / "b.txt.gz").write_bytes(b"\x1f\x8b\x08 cut")
    side_outputs = SideOutputs()
    with pipeline() as p:
        with ErrorHandler(Take()) as handler:
            read = ReadFiles(tmp_path / "*", side_outputs=side_outputs).with_error_handler(handler)
            words = p | read | ExtractWords(side_outputs=side_outputs).with_error_handler(handler)
        assert_that(words, equal_to(["cat"]), "CheckWords")
        sources = handler.output() | beam.Map(lambda row: Path(row.source or "").name)
        assert_that(sources, equal_to(["b.txt.gz"]), "CheckErrors")
    # Side outputs get all that they get without a handler.
    assert side_outputs.expects_dead_letters
    assert len(side_outputs.totals) == len(side_outputs.dead_letters) == 3


def test_error_rows_have_a_schema_of_plain_types() -> None:
    coder: Any = registry.get_coder(ErrorRow)
    fields = {field.name: field.type for field in coder.schema.fields}
    assert set(fields) == set(ErrorRow._fields)
    assert all(field.WhichOneof("type_info") == "atomic_type" for field in fields.values())
    row = ErrorRow("{}", "é", "read", 1, None, 5)
    assert coder.decode(coder.encode(row)) == row


def test_only_error_handlers_are_taken() -> None:
    with pytest.raises(TypeError, match="error_handler"):
        CountAnagrams().with_error_handler(json)  # type: ignore[arg-type]


def test_what_writes_all_or_nothing_has_nothing_for_a_handler() -> None:
    write = WriteResults("counts.json")
    assert write.with_error_handler(None) is write
    with pytest.raises(TypeError, match="WriteResults: writes all records or none"):
        write.with_error_handler(ErrorHandler(Take()))
