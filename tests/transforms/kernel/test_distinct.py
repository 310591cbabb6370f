"""The compiled count of distinct words counts exactly what the oracle counts."""

import contextlib
import unicodedata
from collections import Counter

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.support.examples import at_most
from tests.support.failing import failing
from tests.support.strategies import (
    ALL_CHARS,
    TRICKY,
    ascii_texts,
    marked_texts,
    sentences,
    texts,
)
from tests.support.tables import rows_of
from tests.support.text_rules import RULES, rules, words_of
from transforms.columns.buckets import split_into_buckets
from transforms.columns.tables import counts_table
from transforms.kernel.distinct import DistinctTally, spelling_table
from transforms.kernel.fallback import Counted, PlainTally, Tally
from transforms.kernel.word_table import WordStore
from transforms.text.blocks import Block
from transforms.text.normalize import MAX_WORD_LENGTH
from transforms.text.settings import TextSettings


def distinct(rule: TextSettings, shortest: int = 1) -> DistinctTally:
    return DistinctTally(spelling_table(rule), WordStore(8, 1 << 30), shortest)


def drained(tally: Tally) -> Counted:
    """Returns all that a tally has counted, after checking the buckets."""
    rows: list[tuple[str, int]] = []
    words_by_length: Counter[int] = Counter()
    invalid_bytes = 0
    for make_part in tally.drain():
        part = make_part()
        if part.bucket is not None:
            assert {bucket for bucket, _ in split_into_buckets(part.columns, 8)} <= {part.bucket}
        rows += rows_of(part.columns)
        words_by_length.update(part.words_by_length)
        invalid_bytes += part.invalid_bytes
    assert len(dict(rows)) == len(rows)
    columns = counts_table(dict(rows), dict(rows).values())
    return Counted(None, columns, dict(words_by_length), invalid_bytes)


def tallied(tally: Tally, *blocks: bytes) -> Counted:
    for data in blocks:
        tally.add(data)
        tally.commit()
    return drained(tally)


def counts(counted: Counted) -> dict[str, int]:
    return dict(rows_of(counted.columns))


def assert_counts_as_the_reference(text: str, rule: TextSettings, shortest: int = 1) -> None:
    words = [word for word in words_of(text, rule) if len(word) >= shortest]
    tallies: list[Tally] = [
        distinct(rule, shortest),
        PlainTally(None, rule, shortest),
    ]
    for tally in tallies:
        counted = tallied(tally, text.encode())
        assert counts(counted) == Counter(words)
        assert counted.words_by_length == Counter(min(len(word), 64) for word in words)


@settings(max_examples=at_most(80))
@given(st.one_of(texts(), marked_texts()), rules, st.sampled_from([1, 3]))
@example(" ".join(TRICKY), RULES[0], 1)
@example("".join(TRICKY), RULES[-1], 1)
@example("a=\u0338b e=\u0301 \u1100=\u1161 α\u037a\u0301", RULES[0], 1)
@example("\u20dd \u05b0a \u20dd\u05b0 =\u05b0a a\u05b0 ❤\ufe0fb \ufe0f", RULES[0], 1)
@example("\u20dd \u05b0a \u20dd\u05b0 =\u05b0a a\u05b0 ❤\ufe0fb \ufe0f", RULES[1], 1)
@example("\u093e \u093ea a\u093e\u0301 \ufdfa\ufdfa", RULES[0], 2)
@example("a " + "\ufdfa" * 3_000 + " b", RULES[0], 1)  # eleven times as long when it is folded
def test_any_text_is_counted_as_the_reference_does(
    text: str, rule: TextSettings, shortest: int
) -> None:
    assert_counts_as_the_reference(text, rule, shortest)


@settings(max_examples=at_most(40))
@given(sentences(["cat", "act", "tac", "dog", "listen", "été", "straße", "ﷺ"]), rules)
def test_sentences_are_counted_as_the_reference_does(text: str, rule: TextSettings) -> None:
    assert_counts_as_the_reference(text, rule)


@settings(max_examples=at_most(40))
@given(ascii_texts(), rules)
def test_ascii_text_is_counted_as_the_reference_does(text: str, rule: TextSettings) -> None:
    assert_counts_as_the_reference(text, rule)


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_every_character_counts_as_in_the_reference(rule: TextSettings) -> None:
    assigned = [char for char in ALL_CHARS if unicodedata.category(char) not in ("Cn", "Co")]
    if rule.punctuation == "split":  # letters are treated as under the other rule
        assigned = [char for char in assigned if unicodedata.category(char) != "Lo"]
    # Before and behind letters, a mark and itself, so that what composes or changes places shows.
    text = "\n".join(f"a{char}e\u0301 {char}\u0338 b{char}{char}" for char in assigned)
    found = Counter(counts(tallied(distinct(rule), text.encode())))
    found.subtract(words_of(text, rule))
    assert not [word for word, number in found.items() if number]


@settings(max_examples=at_most(80))
@given(st.lists(st.one_of(st.binary(max_size=4), st.sampled_from([b"cat", b" ", "é".encode()]))))
@example([b"c\xe2\x82 a\xf0\x9f\x98", b"\xc2\xa0t\xc0\xa0b\xe0\x80\xa0\xed\xa0\x80"])
@example([b"c\xe2\x82 a"])
def test_any_bytes_are_counted_without_the_invalid_ones(pieces: list[bytes]) -> None:
    data = b"".join(pieces)
    text = data.decode("utf-8", "ignore")
    for rule in RULES:
        counted = tallied(distinct(rule), data)
        assert counts(counted) == Counter(words_of(text, rule))
        assert counted.invalid_bytes == len(data) - len(text.encode())


@settings(max_examples=at_most(30))
@given(
    st.lists(texts(30), max_size=6),
    rules,
    st.sampled_from([1, 2, 100]),
    st.integers(1, 4),
    st.integers(1, 3),
    st.sampled_from([0, 1 << 10, 1 << 20]),
)
def test_tables_that_grow_are_drained_and_are_merged_lose_nothing(
    pieces: list[str],
    rule: TextSettings,
    max_slow_pieces: int,
    max_distinct: int,
    tallies: int,
    max_bytes: int,
) -> None:
    store = WordStore(8, max_bytes)
    made = [
        DistinctTally(spelling_table(rule), own, 1, max_distinct, max_slow_pieces)
        for own in [store, store, store.like(buckets=1)][:tallies]
    ]
    found: Counter[str] = Counter()
    invalid = 0
    for number, piece in enumerate(pieces):
        tally = made[number % tallies]
        tally.add(b"this is tried again")
        tally.add(piece.encode() + b"\n\xff")
        tally.commit()
        if tally.is_full:
            counted = drained(tally)
            found.update(counts(counted))
            invalid += counted.invalid_bytes
    first, *others = made
    for other in others:
        first.merge(other)
    counted = drained(first)
    found.update(counts(counted))
    assert +found == Counter(word for piece in pieces for word in words_of(piece, rule))
    assert invalid + counted.invalid_bytes == len(pieces)
    assert counts(drained(first)) == {}


def test_many_words_of_any_kind_are_counted() -> None:
    words = [f"{'aé漢𐐨'[n % 4]}{n:x}" for n in range(30_000)]
    found = counts(tallied(distinct(RULES[0]), " ".join(words * 2).encode()))
    assert found == Counter(words * 2)


def test_giants_are_words_that_are_in_no_result() -> None:
    giants = ("a" * (MAX_WORD_LENGTH + 1), "9" * 3_000_000, "é" * 1_000_000)
    longest = "é" * MAX_WORD_LENGTH
    tally = distinct(RULES[0])
    counted = tallied(tally, *(f"cat {giant} {longest}".encode() for giant in giants))
    assert counts(counted) == {"cat": 3, longest: 3}
    assert counted.words_by_length == {3: 3, 64: 6}


def test_what_is_not_committed_never_counts() -> None:
    tally = distinct(RULES[0])
    tally.add(b"cat tac")
    tally.add("act e\u0301a \xff".encode("latin-1", "replace"))
    tally.add(b"cat dog")
    tally.commit()
    tally.add(b"lost")
    assert counts(drained(tally)) == {"cat": 1, "dog": 1}


@settings(max_examples=at_most(60))
@given(marked_texts(), marked_texts(), rules, st.integers(1, 3), st.integers(0, 5))
@example("", "a\ufc5e\ufc5e", RULES[0], 1, 0)
def test_what_fails_half_way_never_counts(
    lost: str, kept: str, rule: TextSettings, max_slow_pieces: int, fails_at: int
) -> None:
    tally = DistinctTally(
        spelling_table(rule), WordStore(8, 1 << 30), max_slow_pieces=max_slow_pieces
    )
    with failing(Block, "words", fails_at), contextlib.suppress(MemoryError):
        tally.add(lost.encode())
    tally.add(kept.encode())
    tally.commit()
    assert counts(drained(tally)) == Counter(words_of(kept, rule))


@pytest.mark.parametrize("fails_at", [0, 1, 2])
def test_taking_back_may_fail_and_go_on_later(fails_at: int) -> None:
    tally = DistinctTally(spelling_table(RULES[0]), WordStore(8, 1 << 30), max_slow_pieces=1)
    tally.add("cat e\u0301a dog e\u0301b act e\u0301c".encode())
    with failing(Block, "words", fails_at), pytest.raises(MemoryError):
        tally.add(b"god")
    tally.add(b"tac")
    tally.commit()
    assert counts(drained(tally)) == {"tac": 1}
