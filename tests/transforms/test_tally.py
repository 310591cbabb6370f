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
from transforms.counts import CountSignatures
from transforms.dictionary import DictionarySpec
from transforms.tally import TallyBlocks
from transforms.text.blocks import Block
from transforms.text.settings import TextSettings


class SummedTally(beam.PTransform[PCollection[Block], PCollection[tuple[str, int]]]):
    """TallyBlocks, and the sum of what its bundles give: how they were cut does not matter."""

    def __init__(self, **settings: Any):
        super().__init__()
        self._settings = settings

    def expand(self, blocks: PCollection[Block]) -> PCollection[tuple[str, int]]:
        return blocks | TallyBlocks(**self._settings) | CountSignatures()


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


@pytest.mark.parametrize(
    ("make", "message"),
    [
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
