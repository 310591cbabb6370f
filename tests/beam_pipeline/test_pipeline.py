"""The whole pipeline counts what the oracle counts, with either engine, however text is cut."""

import dataclasses
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.pvalue import PBegin, PCollection
from apache_beam.testing.util import assert_that, equal_to
from hypothesis import given, settings
from hypothesis import strategies as st

from beam_pipeline import CountAnagrams, build
from beam_pipeline.io.sources import ReadFiles, ReadString
from beam_pipeline.pipeline import ENGINES
from tests.support import reference
from tests.support.beam import assert_gives, of_newest_beam, pipeline
from tests.support.examples import at_most
from tests.support.strategies import sentences
from transforms.dictionary import DictionarySpec
from transforms.expand import AnagramCount, GroupedCount, TopWords
from transforms.tally import TallyBlocks
from transforms.text.normalize import NORMALIZATIONS, PUNCTUATION_RULES
from transforms.text.settings import TextSettings

VOCABULARY = ["cat", "act", "dog", "listen", "least", "stream", "the", "a", "software", "naïve"]
TEXT = "The cat's act;act a well-known – STREAM of <b>masters</b>, tac❤\ufe0f! software É éE\n" * 3


def assert_counts(source: beam.PTransform[Any, Any], expected: dict[str, int], **how: Any) -> None:
    """The pipeline from `source` gives the `expected` counts, each with its signature."""
    with pipeline() as p:
        records = build(p, source, **how)
        assert_that(
            records,
            equal_to(
                [AnagramCount(word, n, "".join(sorted(word))) for word, n in expected.items()]
            ),
        )


def write_files(folder: Path, text: str, layout: str) -> str:
    """Writes `text` as one file, or each line as one; returns the pattern of the files."""
    lines = (layout == "a file a line" and text.splitlines(keepends=True)) or [text]
    for index, line in enumerate(lines):
        (folder / f"{index}.txt").write_bytes(line.encode())
    return f"{folder}/*.txt"


@settings(max_examples=at_most(12))
@given(
    text=sentences(VOCABULARY),
    engine=st.sampled_from(ENGINES),
    normalization=st.sampled_from(NORMALIZATIONS),
    punctuation=st.sampled_from(PUNCTUATION_RULES),
    spec=st.sampled_from(["gcide", "gcide+web2", "none"]),
    layout=st.sampled_from(["string", "one file", "a file a line"]),
    block_size=st.sampled_from([1, 7, 64, 1 << 20]),
    filters=st.fixed_dictionaries(
        {},
        optional={
            "min_word_length": st.integers(1, 4),
            "min_class_size": st.integers(1, 4),
            "min_count": st.integers(1, 3),
            "top": st.integers(1, 9),
        },
    ),
)
def test_any_text_in_any_files_is_counted_as_the_oracle_does(
    text: str,
    engine: str,
    normalization: str,
    punctuation: str,
    spec: str,
    layout: str,
    block_size: int,
    filters: dict[str, Any],
    members_of: dict[str, frozenset[str] | None],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    dictionary = DictionarySpec(spec, normalization)
    expected = reference.counts(
        text, members_of[spec], normalization, punctuation=punctuation, **filters
    )
    if layout == "string":
        source: ReadString | ReadFiles = ReadString(text)
    else:
        pattern = write_files(tmp_path_factory.mktemp("texts"), text, layout)
        how = TextSettings(normalization, punctuation=punctuation)
        source = ReadFiles((pattern,), text=how, block_size=block_size)
    assert_counts(
        source,
        expected,
        engine=engine,
        dictionary=dictionary,
        punctuation=punctuation,
        **filters,
    )


@pytest.fixture(scope="module")
def members_of(gcide: frozenset[str], web2: frozenset[str]) -> dict[str, frozenset[str] | None]:
    """The words of each dictionary, which are the same in both normalizations."""
    return {"gcide": gcide, "gcide+web2": gcide | web2, "none": None}


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_cat_is_counted_for_act_cat_and_tac(engine: str) -> None:
    assert_counts(ReadString("cat"), {"act": 1, "cat": 1, "tac": 1}, engine=engine)


def test_a_word_is_not_echoed_unless_the_dictionary_has_it(engine: str) -> None:
    assert_counts(ReadString("software " * 3), {"forwaste": 3}, engine=engine)


@pytest.mark.parametrize("spec", ["gcide", "none"])
def test_empty_text_gives_nothing(engine: str, spec: str) -> None:
    assert_counts(ReadString(""), {}, engine=engine, dictionary=DictionarySpec(spec))


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("punctuation", PUNCTUATION_RULES)
@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_compiled_code_counts_as_the_oracle_does(
    normalization: str, punctuation: str, threads: int, gcide: frozenset[str], tmp_path: Path
) -> None:
    text = TEXT * 1500
    assert len(text.encode()) > TallyBlocks.small_bundle_bytes
    pattern = write_files(tmp_path, text, "one file")
    how = TextSettings(normalization, punctuation=punctuation)
    source = ReadFiles((pattern,), text=how, block_size=500)
    expected = reference.counts(text, gcide, normalization, punctuation=punctuation)
    dictionary = DictionarySpec("gcide", normalization)
    assert_counts(source, expected, dictionary=dictionary, punctuation=punctuation, threads=threads)


def test_invalid_bytes_are_left_out_or_fail_the_run(engine: str, tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_bytes(b"c\xffat act\xfe\n")
    assert_counts(ReadFiles((str(path),)), {"act": 2, "cat": 2, "tac": 2}, engine=engine)
    with pytest.raises(Exception, match=rf"{path}: byte 1: not valid utf-8"):
        assert_counts(ReadFiles((str(path),)), {}, engine=engine, encoding_errors="strict")


def test_strict_also_holds_inside_a_string_without_a_cut(engine: str) -> None:
    text = "x" * 3_000_000 + b"\xff".decode("utf-8", "surrogateescape") + "x"
    with pytest.raises(Exception, match=r"<text>: byte 3000000: not valid utf-8"):
        assert_counts(ReadString(text), {}, engine=engine, encoding_errors="strict")


def test_giants_are_no_members_of_their_class(engine: str) -> None:
    text = "x" * 70_000 + " cat"
    none = DictionarySpec("none")
    assert_counts(ReadString(text), {"cat": 1}, engine=engine, dictionary=none)


@of_newest_beam  # others decode rows as classes of their own
@pytest.mark.parametrize("option", ["--runtime_type_check", "--no_pipeline_type_check"])
def test_checks_of_types_change_no_records(option: str, engine: str) -> None:
    options = PipelineOptions([option])
    with beam.Pipeline(runner="FnApiRunner", options=options) as p:
        texts = p | beam.Create(["cat", "act"])
        for dictionary in ("none", ["cat", "act"]):
            count = CountAnagrams(dictionary=dictionary, engine=engine, top=2)
            counted = texts | f"Count {dictionary}" >> count
            expected = [AnagramCount(word, 2, "act") for word in ("cat", "act")]
            assert_that(counted, equal_to(expected), label=f"Counts {dictionary}")
            grouped = (
                texts
                | f"Group {dictionary}" >> beam.Map(lambda text: ("g", text))
                | f"Count groups {dictionary}" >> dataclasses.replace(count, per_group=True)
            )
            of_groups = [GroupedCount("g", *record) for record in expected]
            assert_that(grouped, equal_to(of_groups), label=f"Groups {dictionary}")


@pytest.mark.parametrize("seed", [1, 2])
def test_the_greatest_counts_are_kept_and_of_equal_ones_the_first_words(seed: int) -> None:
    ranked = [AnagramCount(f"w{n:02d}", 9 - n // 8, "x") for n in range(40)]
    shuffled = ranked.copy()
    random.Random(seed).shuffle(shuffled)
    for n in (1, 5, 12, 99):
        assert_gives(shuffled, TopWords(n), ranked[:n])


def test_two_counts_in_one_pipeline_do_not_disturb_each_other() -> None:
    with pipeline() as p:
        for number, text in enumerate(["cat", "software"]):
            records = p | f"Count{number}" >> _Count(text)
            expected = list(reference.counts(text, {"act", "cat", "tac", "forwaste"}))
            words = records | f"Words{number}" >> beam.Map(lambda record: record.word)
            assert_that(words, equal_to(expected), label=f"Check{number}")


class _Count(beam.PTransform[PBegin, PCollection[AnagramCount]]):
    def __init__(self, text: str):
        super().__init__()
        self._text = text

    def expand(self, root: PBegin) -> PCollection[AnagramCount]:
        return build(root, ReadString(self._text))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: build(p, ReadString("cat"), engine="fast"), r"engine='fast'.*vectorized"),
        (
            lambda p: build(p, ReadString("cat"), encoding_errors="ignore"),
            r"encoding_errors='ignore'",
        ),
        (lambda p: build(p, ReadString("cat"), punctuation="keep"), r"punctuation='keep'.*split"),
        (lambda p: build(p, ReadString("cat"), min_word_length=0), r"min_word_length=0.*1 or more"),
        (lambda p: build(p, ReadString("cat"), min_count=0), r"min_count=0.*1 or more"),
        (lambda p: build(p, ReadString("cat"), min_class_size=0), r"min_class_size=0.*1 or more"),
        (lambda p: build(p, ReadString("cat"), top=0), r"=0.*1 or more"),
        (lambda p: TopWords(0), r"=0.*1 or more"),
    ],
)
def test_invalid_settings_are_refused_by_name_and_value(
    make: Callable[[beam.Pipeline], object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        make(pipeline())
