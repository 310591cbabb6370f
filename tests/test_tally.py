"""TallyBlocks and CollectBlocks count their bundles, small or large, on any number of threads."""

import random
from collections import Counter
from typing import Any

import apache_beam as beam
import pytest

from tests import reference
from tests.beam import assert_gives
from transforms.blocks import Block
from transforms.counts import ClassTally, CountSignatures
from transforms.tally import CollectBlocks, TallyBlocks


class SummedTally(beam.PTransform):
    """TallyBlocks, and the sum of what its bundles give: how they were cut does not matter."""

    def __init__(self, **settings: Any):
        super().__init__()
        self._settings = settings

    def expand(self, blocks: beam.PCollection[Block]) -> beam.PCollection[tuple[str, int]]:
        return blocks | TallyBlocks(**self._settings) | CountSignatures()


LETTERS = ["c", "a", "t", "d", "o", "g", "é", " ", "-", "\n"]


@pytest.fixture(params=["small", "compiled", "mixed"])
def bundle_size(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bundles counted with the compiler left out, used from the start, and from the middle on."""
    limit = {"small": 1 << 30, "compiled": -1, "mixed": 500}[request.param]
    monkeypatch.setattr("transforms.tally._SMALL", limit)


@pytest.mark.usefixtures("bundle_size")
@pytest.mark.parametrize("threads", [1, 3])
def test_signatures_of_the_dictionary_are_counted(threads: int) -> None:
    blocks = [Block("a", 0, b"cat software xyzzy dog")] * 100
    blocks += [Block("b", 0, "café god act".encode("utf-16-le"), "utf-16-le"), Block("c", 0, b"")]
    expected = {"act": 101, "aeforstw": 100, "dgo": 101}
    assert_gives(blocks, SummedTally(threads=threads), expected.items())


@pytest.mark.usefixtures("bundle_size")
def test_shorter_words_are_left_out() -> None:
    blocks = [Block("a", 0, b"at cat a on\n" * 100)]
    assert_gives(blocks, SummedTally(min_word_length=3), [("act", 100)])


@pytest.mark.usefixtures("bundle_size")
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le"])
def test_strict_fails_at_the_offset_in_the_file(encoding: str, threads: int) -> None:
    good = [
        Block("some.txt", n * 1000, ("cat " * 250).encode(encoding), encoding) for n in range(9)
    ]
    bad_byte = b"\xff" if encoding == "utf-8" else b"\x00\xdc"
    text = "the cat ".encode(encoding)
    bad = Block("some.txt", 9000, text + bad_byte + " sat".encode(encoding), encoding)
    strict = SummedTally(encoding_errors="strict", threads=threads)
    message = rf"some\.txt: byte {9000 + len(text)}: not valid {encoding}"
    with pytest.raises(Exception, match=message):
        assert_gives([*good, bad, *good], strict, [])
    assert_gives(good, strict, [("act", 9 * 250)])


@pytest.mark.usefixtures("bundle_size")
def test_the_order_of_blocks_does_not_matter(gcide: frozenset[str]) -> None:
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
    assert_gives(blocks, SummedTally(threads=2), expected)


@pytest.mark.parametrize("normalization", ["unicode", "ascii"])
def test_corpus_mode_collects_distinct_words_with_their_counts(normalization: str) -> None:
    blocks = [Block("a", 0, b"cat act cat\n"), Block("b", 0, "tac é a".encode())]
    expected = [
        ("act", ClassTally(2, ("cat",))),
        ("act", ClassTally(1, ("act",))),
        ("act", ClassTally(1, ("tac",))),
        ("a", ClassTally(1, ("a",))),
        *([("é", ClassTally(1, ("é",)))] if normalization == "unicode" else []),
    ]
    assert_gives(blocks, CollectBlocks(normalization), expected)
    long = [pair for pair in expected if pair[0] == "act"]
    assert_gives(blocks, CollectBlocks(normalization, min_word_length=2), long)


def test_corpus_mode_hands_on_many_distinct_words_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transforms.tally._MAX_DISTINCT", 3)
    blocks = [Block("a", 0, text) for text in (b"a b", b"a c", b"a d", b"a")]
    expected = [("a", ClassTally(2, ("a",))), ("b", ClassTally(1, ("b",))),
                ("c", ClassTally(1, ("c",))), ("a", ClassTally(2, ("a",))),
                ("d", ClassTally(1, ("d",)))]  # fmt: skip
    assert_gives(blocks, CollectBlocks(), expected)


def test_corpus_mode_leaves_giants_out_and_obeys_strict() -> None:
    assert_gives(
        [Block("a", 0, b"x" * 70_000 + b" a")], CollectBlocks(), [("a", ClassTally(1, ("a",)))]
    )
    with pytest.raises(Exception, match=r"a: byte 12: not valid utf-8"):
        assert_gives([Block("a", 10, b"a \xff")], CollectBlocks(encoding_errors="strict"), [])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TallyBlocks(encoding_errors="ignore"), r"encoding_errors='ignore'.*strict"),
        (lambda: TallyBlocks(min_word_length=0), r"min_word_length=0.*1 or more"),
        (lambda: TallyBlocks(threads=0), r"threads=0.*1 or more"),
        (lambda: CollectBlocks(normalization="nfc"), r"normalization='nfc'.*unicode.*ascii"),
        (lambda: CollectBlocks(encoding_errors="ignore"), r"encoding_errors='ignore'.*strict"),
        (lambda: CollectBlocks(min_word_length=0), r"min_word_length=0.*1 or more"),
    ],
)
def test_invalid_settings_are_refused_by_name_and_value(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
