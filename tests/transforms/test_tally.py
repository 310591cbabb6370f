"""TallyBlocks counts its bundles, small or large, on any number of threads."""

import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.pvalue import PCollection

from tests.support import reference
from tests.support.beam import assert_gives
from tests.support.tables import rows_of
from transforms.columns.combine import CombineColumns
from transforms.columns.passing import received
from transforms.dictionary import DictionarySpec
from transforms.tally import TallyBlocks
from transforms.text.blocks import Block
from transforms.text.settings import TextSettings


class SummedTally(beam.PTransform[PCollection[Block], PCollection[Any]]):
    """TallyBlocks, and the sum of what its bundles give: how they were cut does not matter."""

    def __init__(self, **settings: Any):
        super().__init__()
        self._settings = settings

    def expand(self, blocks: PCollection[Block]) -> PCollection[Any]:
        return (
            blocks
            | TallyBlocks(**self._settings)
            | CombineColumns()
            | beam.FlatMapTuple(lambda _, columns: rows_of(received(columns)))
        )


LETTERS = ["c", "a", "t", "d", "o", "g", "é", " ", "-", "\n"]


@pytest.fixture(params=["small", "compiled", "mixed"])
def limit(request: pytest.FixtureRequest) -> int:
    """Bundles counted with the compiler left out, used from the start, and from the middle on."""
    return {"small": 1 << 30, "compiled": -1, "mixed": 500}[request.param]


@pytest.mark.parametrize("threads", [1, 3])
def test_signatures_of_the_dictionary_are_counted(limit: int, threads: int) -> None:
    blocks = [Block("a", 0, b"cat software xyzzy dog")] * 100
    blocks += [Block("b", 0, "café god act".encode("utf-16-le"), "utf-16-le"), Block("c", 0, b"")]
    expected = {"act": 101, "aeforstw": 100, "dgo": 101}
    assert_gives(blocks, SummedTally(threads=threads, small_bundle_bytes=limit), expected.items())


def test_shorter_words_are_left_out(limit: int) -> None:
    blocks = [Block("a", 0, b"at cat a on\n" * 100)]
    assert_gives(blocks, SummedTally(min_word_length=3, small_bundle_bytes=limit), [("act", 100)])


def test_marks_alone_are_no_words_and_punctuation_can_separate(limit: int) -> None:
    blocks = [Block.of_text("I ❤\ufe0f cat❤\ufe0f,act \u20dd tac<b>dog")]
    for punctuation, expected in (("delete", {}), ("split", {"act": 3, "b": 1, "dgo": 1})):
        tally = SummedTally(
            dictionary=DictionarySpec.of(["act", "dog", "b"]),
            text=TextSettings(punctuation=punctuation),
            small_bundle_bytes=limit,
        )
        assert_gives(blocks, tally, expected.items())


def test_the_order_of_blocks_does_not_matter(limit: int, gcide: frozenset[str]) -> None:
    generator = random.Random(4)
    blocks = [
        Block("a", 0, "".join(generator.choices(LETTERS, k=40)).encode() + b" cat")
        for _ in range(60)
    ]
    signatures = Counter(
        "".join(sorted(word)) for block in blocks for word in reference.words(block.decode()[0])
    )
    known = {"".join(sorted(word)) for word in gcide}
    expected = [(key, count) for key, count in signatures.items() if key in known]
    generator.shuffle(blocks)
    assert_gives(blocks, SummedTally(threads=2, small_bundle_bytes=limit), expected)


CORPUS = DictionarySpec("none")


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("max_table_bytes", [1, 1 << 30])
def test_in_corpus_mode_words_are_counted(limit: int, threads: int, max_table_bytes: int) -> None:
    blocks = [Block("a", 0, b"cat act cat\n"), Block("b", 0, "tac é a".encode())] * 40
    blocks += [Block("c", 0, "a café b".encode("utf-16-le"), "utf-16-le"), Block("d", 0, b"!")]
    expected = {"cat": 80, "act": 40, "tac": 40, "é": 40, "a": 41, "café": 1, "b": 1}
    for shortest in (1, 2):
        tally = SummedTally(
            dictionary=CORPUS,
            min_word_length=shortest,
            threads=threads,
            max_table_bytes=max_table_bytes,
            small_bundle_bytes=limit,
            batch_bytes=30,
        )
        kept = [(word, number) for word, number in expected.items() if len(word) >= shortest]
        assert_gives(blocks, tally, kept)


def test_in_corpus_mode_giants_are_left_out(limit: int) -> None:
    blocks = [Block("a", 0, b"x" * 70_000 + b" a")]
    assert_gives(blocks, SummedTally(dictionary=CORPUS, small_bundle_bytes=limit), [("a", 1)])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TallyBlocks(buckets=0), r"buckets=0.*1 or more"),
        (lambda: TallyBlocks(max_table_bytes=0), r"max_table_bytes=0.*1 or more"),
        (lambda: TallyBlocks(min_word_length=0), r"min_word_length=0.*1 or more"),
        (lambda: TallyBlocks(threads=0), r"threads=0.*1 or more"),
        (
            lambda: TallyBlocks(text=TextSettings("ascii")),
            r"normalization='ascii'.*dictionary is 'unicode'",
        ),
    ],
)
def test_invalid_settings_are_refused_by_name_and_value(
    make: Callable[[], object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        make()
