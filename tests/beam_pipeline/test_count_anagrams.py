"""`CountAnagrams` as people use it in pipelines of their own."""

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.testing.util import assert_that, equal_to
from apache_beam.typehints.decorators import TypeCheckError
from hypothesis import given, settings
from hypothesis import strategies as st

from beam_pipeline import CountAnagrams, ReadFiles, ReadString, WriteResults, build
from beam_pipeline.pipeline import ENGINES
from tests.support import reference
from tests.support.beam import pipeline
from tests.support.examples import at_most
from tests.support.strategies import texts
from transforms import (
    AnagramCount,
    Block,
    Chaos,
    ExpandColumns,
    ExpandSignatures,
    ExtractWords,
    FilterBlocks,
    KeyBySignature,
    Resilience,
    SideOutputs,
    TallyBlocks,
    UnpackRecords,
)
from transforms.columns.packing import to_bytes
from transforms.columns.tables import COUNTS
from transforms.errors import DictionaryError

WORDS = ["act", "cat", "tac", "enlist", "listen", "silent", "l'été"]
TEXTS = ["Listen, the cat's", "silent act - étél!", "", "tac"]


def records(counts: dict[str, int]) -> list[AnagramCount]:
    return [AnagramCount(word, n, "".join(sorted(word))) for word, n in counts.items()]


@settings(max_examples=at_most(8))
@given(
    lines=st.lists(texts(20), max_size=4),
    engine=st.sampled_from(ENGINES),
    words=st.lists(st.sampled_from(WORDS), min_size=1),
)
def test_texts_are_counted_for_any_iterable_of_words(
    lines: list[str], engine: str, words: list[str]
) -> None:
    members = {word for entry in words for word in reference.words(entry)}
    expected = reference.counts("\n".join(lines), members)
    with pipeline() as p:
        counted = (
            p
            | beam.Create(lines, reshuffle=False).with_output_types(str)
            | CountAnagrams(dictionary=(word for word in words), engine=engine)
        )
        assert_that(counted, equal_to(records(expected)))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("kind", ["spec", "path", "pathlike", "words", "none"])
def test_a_dictionary_may_be_given_in_several_ways(engine: str, kind: str, tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("act\ncat\n")
    dictionary: Any = {
        "spec": "gcide+web2",
        "path": str(path),
        "pathlike": path,
        "words": {"act", "cat"},
        "none": "none",
    }[kind]
    expected = {"act": 2, "cat": 2} if kind != "none" else {"cat": 1, "tac": 1}
    with pipeline() as p:
        counted = p | beam.Create(["cat tac"]) | CountAnagrams(dictionary=dictionary, engine=engine)
        if kind == "spec":
            assert_that(counted | beam.Map(lambda record: record.count), equal_to([2] * 3))
        elif kind == "none":
            assert_that(counted, equal_to([AnagramCount(w, 2, "act") for w in expected]))
        else:
            assert_that(counted, equal_to(records(expected)))


@pytest.mark.parametrize("engine", ENGINES)
def test_punctuation_is_deleted_or_separates(engine: str) -> None:
    with pipeline() as p:
        lines = p | beam.Create(["cat,act <b>tac</b>", "don't cat❤\ufe0f \ufe0f"])
        for punctuation, expected in (
            ("delete", {"act": 1, "nodt": 1}),
            ("split", {"act": 4, "nodt": 1}),
        ):
            counted = lines | punctuation >> CountAnagrams(
                dictionary=["act", "nodt"], engine=engine, punctuation=punctuation
            )
            assert_that(counted, equal_to(records(expected)), f"Check {punctuation}")


def test_it_can_be_applied_twice_under_two_labels() -> None:
    with pipeline() as p:
        lines = p | beam.Create(["cat listen"])
        few = lines | "Few" >> CountAnagrams(dictionary=["act"])
        more = lines | "More" >> CountAnagrams(dictionary=["act", "silent"], engine="elementwise")
        assert_that(few, equal_to(records({"act": 1})), "CheckFew")
        assert_that(more, equal_to(records({"act": 1, "silent": 1})), "CheckMore")


def test_blocks_and_elements_of_unknown_type_are_counted_too() -> None:
    with pipeline() as p:
        blocks = p | "Blocks" >> beam.Create([Block.of_text("cat")]).with_output_types(Block)
        unknown = p | "Any" >> beam.Create(["tac", Block.of_text("act")]).with_output_types(Any)
        for label, text, count in (("Block", blocks, 1), ("Unknown", unknown, 2)):
            counted = text | label >> CountAnagrams(dictionary=["act"])
            assert_that(counted, equal_to(records({"act": count})), f"Check{label}")


def test_elements_of_another_type_are_refused_when_the_pipeline_is_built() -> None:
    p = pipeline()
    with pytest.raises(TypeCheckError, match=r"CountAnagrams: expected .*str.*Block.*got .*int"):
        p | beam.Create([1, 2]) | CountAnagrams()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"engine": "fast"}, ValueError, r"engine='fast'.*vectorized"),
        ({"normalization": "nfc"}, ValueError, r"normalization='nfc'"),
        ({"punctuation": "keep"}, ValueError, r"punctuation='keep'.*delete.*split"),
        ({"encoding_errors": "ignore"}, ValueError, r"encoding_errors='ignore'"),
        ({"min_count": 0}, ValueError, r"min_count=0.*1 or more"),
        ({"top": 0}, ValueError, r"top=0.*1 or more"),
        ({"threads": 0}, ValueError, r"threads=0.*1 or more"),
        ({"engine": ["vectorized"]}, ValueError, r"engine=\['vectorized'\].*elementwise"),
        ({"min_count": "3"}, TypeError, r"min_count='3'.*whole number"),
        ({"min_class_size": 2.5}, TypeError, r"min_class_size=2\.5.*whole number"),
        ({"min_word_length": None}, TypeError, r"min_word_length=None.*whole number"),
        ({"top": True}, TypeError, r"top=True.*whole number"),
        ({"resilience": None}, TypeError, r"resilience=None.*Resilience"),
        ({"side_outputs": {}}, TypeError, r"side_outputs=\{\}.*SideOutputs or None"),
        ({"previous": "r.json"}, TypeError, r"previous='r\.json'.*PTransform or None"),
        ({"dictionary": 7}, TypeError, r"int"),
        ({"dictionary": None}, TypeError, r"iterable of words.*NoneType"),
        ({"dictionary": [1, 2]}, TypeError, r"int"),
        ({"dictionary": ["k.o."]}, (ValueError, DictionaryError), r"no usable word"),
    ],
)
def test_impossible_settings_are_refused_by_name_and_value(
    arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        CountAnagrams(**arguments)


def test_what_is_no_collection_is_refused_when_the_pipeline_is_built() -> None:
    with pytest.raises(TypeError, match=r"PCollection of str or Block.*ReadFiles.*PBegin"):
        pipeline() | CountAnagrams(dictionary=["act"])
    with pytest.raises(TypeError, match="source='cat': must be PTransform"):
        build(pipeline(), "cat", dictionary=["act"])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("made", "settings", "message"),
    [
        (ExtractWords, {"text": "ascii"}, "text='ascii': must be TextSettings"),
        (TallyBlocks, {"text": "ascii"}, "text='ascii': must be TextSettings"),
        (ExpandColumns, {"dictionary": "gcide"}, "dictionary='gcide': must be DictionarySpec"),
        (FilterBlocks, {"text": "strict"}, "text='strict': must be TextSettings"),
        (TallyBlocks, {"dictionary": "gcide"}, "dictionary='gcide': must be DictionarySpec"),
        (ExpandSignatures, {"dictionary": "gcide"}, "dictionary='gcide': must be DictionarySpec"),
        (KeyBySignature, {"resilience": 3}, "resilience=3: must be Resilience"),
        (Resilience, {"chaos": "read=1"}, "chaos='read=1': must be Chaos"),
        (Resilience, {"max_backoff": "1"}, "max_backoff='1': must be int or float"),
    ],
)
def test_single_transforms_name_the_setting_whose_type_is_wrong(
    made: Callable[..., Any], settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(TypeError, match=re.escape(message)):
        made(**settings)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_source_of_somebodys_own_can_be_written_with_invariants(
    engine: str, tmp_path: Path
) -> None:
    side_outputs, path = SideOutputs(), tmp_path / "result.json"
    with pipeline() as p:
        lines = p | beam.Create(["cat act", "tac xyzzy"])
        counted = lines | CountAnagrams(engine=engine, side_outputs=side_outputs)
        counted | WriteResults(str(path), side_outputs=side_outputs)
    assert json.loads(path.read_text()) == {"act": 3, "cat": 3, "tac": 3}
    assert os.listdir(tmp_path) == ["result.json"]


@pytest.mark.parametrize("engine", ENGINES)
def test_columns_hold_the_same_records(engine: str, tmp_path: Path) -> None:
    for as_columns in (False, True):
        with pipeline() as p:
            lines = p | beam.Create(["cat act", "tac xyzzy"])
            counted = lines | CountAnagrams(engine=engine, as_columns=as_columns)
            unpacked = counted | UnpackRecords() if as_columns else counted
            assert_that(unpacked, equal_to(records(dict.fromkeys(["act", "cat", "tac"], 3))))
            counted | WriteResults(f"{tmp_path}/{as_columns}.csv")
    assert (tmp_path / "True.csv").read_bytes() == (tmp_path / "False.csv").read_bytes()


@pytest.mark.parametrize("engine", ENGINES)
def test_what_such_a_pipeline_loses_is_found(
    engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transforms.counts.SumFn.extract_output", lambda self, total: total - 1)
    nothing = to_bytes(COUNTS.empty_table())
    fn = "transforms.columns.combine.CombineColumnsFn"
    monkeypatch.setattr(f"{fn}.extract_output", lambda self, accumulator: nothing)
    side_outputs = SideOutputs()
    with pytest.raises(Exception, match="lost count: words"), pipeline() as p:
        lines = p | beam.Create(["cat act"])
        counted = lines | CountAnagrams(engine=engine, side_outputs=side_outputs)
        counted | WriteResults(f"{tmp_path}/result.json", side_outputs=side_outputs)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    "settings",
    [{"resilience": Resilience(on_error="dead_letter")}, {"encoding_errors": "quarantine"}],
)
def test_dead_letters_that_nobody_takes_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="side_outputs"):
        pipeline() | beam.Create(["cat"]) | CountAnagrams(**settings)
    side_outputs = SideOutputs()
    counted = (
        pipeline() | beam.Create(["cat"]) | CountAnagrams(**settings, side_outputs=side_outputs)
    )
    with pytest.raises(ValueError, match="dead_letters=PATH"):
        counted | WriteResults("result.json", side_outputs=side_outputs)


def test_dead_letters_can_be_taken_by_the_pipeline_itself(tmp_path: Path) -> None:
    chaos = Chaos.parse("extract=1,latency=0")
    resilience, side_outputs = Resilience(2, "dead_letter", chaos), SideOutputs()
    with pipeline() as p:
        counted = (
            p
            | beam.Create(["cat act"])
            | CountAnagrams(resilience=resilience, side_outputs=side_outputs)
        )
        counted | WriteResults(f"{tmp_path}/r.json", dead_letters=None, side_outputs=side_outputs)
        letters = tuple(side_outputs.dead_letters) | "AllLetters" >> beam.Flatten()
        found = letters | beam.Map(lambda letter: (letter.stage, letter.attempts, letter.payload))
        assert_that(found, equal_to([("extract", 2, Block.of_text("cat act"))]))


@pytest.mark.parametrize("kind", ["a path", "a Path", "a list"])
def test_a_file_is_read_and_written_however_its_path_is_given(kind: str, tmp_path: Path) -> None:
    text, result = tmp_path / "cat.txt", tmp_path / "result.csv"
    text.write_text("cat")
    read: Any = {"a path": str(text), "a Path": text, "a list": [text]}[kind]
    with pipeline() as p:
        counted = p | ReadFiles(read) | CountAnagrams(dictionary=["act"])
        counted | WriteResults(result if kind == "a Path" else str(result))
    assert result.read_text() == "word,count,signature\nact,1,act\n"  # as the extension says


@pytest.mark.parametrize(
    ("made", "arguments", "error", "message"),
    [
        (ReadFiles, (7,), TypeError, "patterns=7: must be str or PathLike or Iterable"),
        (ReadFiles, (["a.txt", 7],), TypeError, "pattern=7: must be str or PathLike"),
        (ReadString, (b"cat",), TypeError, "text=b'cat': must be str"),
        (WriteResults, (7,), TypeError, "path=7: must be str or PathLike"),
        (WriteResults, ("r.xml",), ValueError, "path='r.xml': the extension names none of"),
        (WriteResults, ("r.json", "xml"), ValueError, "format='xml': must be one of"),
    ],
)
def test_sources_and_sinks_name_what_is_wrong_when_they_are_made(
    made: Callable[..., Any], arguments: tuple[Any, ...], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=re.escape(message)):
        made(*arguments)


def test_build_takes_the_same_settings_and_a_source() -> None:
    with pipeline() as p:
        counted = build(p, ReadString("cat"), dictionary=["act"], min_count=1, top=1)
        assert_that(counted, equal_to(records({"act": 1})))
