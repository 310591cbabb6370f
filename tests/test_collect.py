"""CollectBlocks gives each distinct word of a bundle once, or in parts."""

import pytest

from tests.beam import assert_gives
from transforms.blocks import Block
from transforms.collect import CollectBlocks
from transforms.counts import ClassTally


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
    monkeypatch.setattr("transforms.collect._MAX_DISTINCT", 3)
    blocks = [Block("a", 0, text) for text in (b"a b", b"a c", b"a d", b"a")]
    expected = [("a", ClassTally(2, ("a",))), ("b", ClassTally(1, ("b",))),
                ("c", ClassTally(1, ("c",))), ("a", ClassTally(2, ("a",))),
                ("d", ClassTally(1, ("d",)))]  # fmt: skip
    assert_gives(blocks, CollectBlocks(), expected)


def test_corpus_mode_leaves_giants_out() -> None:
    assert_gives(
        [Block("a", 0, b"x" * 70_000 + b" a")], CollectBlocks(), [("a", ClassTally(1, ("a",)))]
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: CollectBlocks(normalization="nfc"), r"normalization='nfc'.*unicode.*ascii"),
        (lambda: CollectBlocks(min_word_length=0), r"min_word_length=0.*1 or more"),
    ],
)
def test_invalid_settings_are_refused_by_name_and_value(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
