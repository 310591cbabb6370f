"""The compiled tally counts exactly what the slow path and the oracle count."""

import contextlib
import json
import tracemalloc
import unicodedata
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np
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
from transforms.dictionary import DictionarySpec
from transforms.kernel.classes import ClassTable
from transforms.kernel.fallback import Counted
from transforms.kernel.loops import scramble
from transforms.kernel.tally import BlockTally, TallyTable, tally_table
from transforms.text.blocks import Block
from transforms.text.normalize import MAX_WORD_LENGTH, NORMALIZATIONS, PUNCTUATION_RULES
from transforms.text.settings import TextSettings
from transforms.word_set import WordSet


def table_of(members: Iterable[str], rule: TextSettings = RULES[0]) -> TallyTable:
    """Returns the table of a dictionary of these words, even of such as would be rejected."""
    return TallyTable(ClassTable(WordSet(members).column()), rule)


def tallied(table: TallyTable, *blocks: bytes, min_word_length: int = 1) -> dict[str, int]:
    """Returns the count of each class that occurs, by its signature."""
    tally = BlockTally(table, min_word_length)
    for data in blocks:
        tally.add(data)
        tally.commit()
    return dict(rows_of(next(tally.drain())().columns))


def words_and_matched(counted: Counted) -> tuple[int, int]:
    """How many words were counted, and how many of them have a class."""
    words = sum(counted.words_by_length.values())
    return words, sum(count for _, count in rows_of(counted.columns))


def expected(table: TallyTable, text: str, min_word_length: int = 1) -> dict[str, int]:
    signatures = (
        "".join(sorted(word)) for word in words_of(text, table.text) if len(word) >= min_word_length
    )
    known = set(table.dictionary.signatures.to_pylist())
    return {key: n for key, n in Counter(signatures).items() if key in known}


def assert_counts_as_the_reference(text: str, members: Iterable[str], rule: TextSettings) -> None:
    """Checks the counts, also with all words of the text in the dictionary."""
    own_words = words_of(text, rule)
    for dictionary in (members, [*own_words, "a"]):
        table = table_of(dictionary, rule)
        for shortest in (1, 3):
            tally = BlockTally(table, shortest)
            tally.add(text.encode())
            tally.commit()
            counted = next(tally.drain())()
            assert dict(rows_of(counted.columns)) == expected(table, text, shortest)
            found = sum(len(word) >= shortest for word in own_words)
            assert sum(counted.words_by_length.values()) == found


@settings(max_examples=at_most(60))
@given(st.one_of(texts(), marked_texts()), rules)
@example(" ".join(TRICKY), RULES[0])
@example("".join(TRICKY), RULES[-1])
@example("a=\u0338b e=\u0301 \u1100=\u1161 α\u037a\u0301", RULES[0])
@example("\u20dd \u05b0a \u20dd\u05b0 =\u05b0a a\u05b0 ❤\ufe0fb \ufe0f", RULES[0])
@example("\u20dd \u05b0a \u20dd\u05b0 =\u05b0a a\u05b0 ❤\ufe0fb \ufe0f", RULES[1])
def test_any_text_is_counted_as_the_reference_does(text: str, rule: TextSettings) -> None:
    assert_counts_as_the_reference(text, ["a", "b", "abc", "cat"], rule)


@settings(max_examples=at_most(60))
@given(sentences(["cat", "act", "tac", "dog", "listen", "été", "straße"]), rules)
def test_sentences_are_counted_as_the_reference_does(text: str, rule: TextSettings) -> None:
    assert_counts_as_the_reference(text, ["cat", "act", "silent", "été", "strasse"], rule)


@settings(max_examples=at_most(60))
@given(ascii_texts(), st.sampled_from(PUNCTUATION_RULES))
def test_ascii_text_is_counted_the_same_in_both_normalizations(text: str, punctuation: str) -> None:
    tables = [
        table_of(["a", "b", "ab", "cat", "0"], TextSettings(name, punctuation=punctuation))
        for name in NORMALIZATIONS
    ]
    first, second = (tallied(table, text.encode()) for table in tables)
    assert first == second == expected(tables[0], text)


@pytest.mark.parametrize(
    "rule",
    [RULES[0], *(pytest.param(rule, marks=pytest.mark.slow) for rule in RULES[1:])],
    ids=str,
)
def test_every_character_counts_as_in_the_reference(rule: TextSettings) -> None:
    assigned = [char for char in ALL_CHARS if unicodedata.category(char) not in ("Cn", "Co")]
    if rule.punctuation == "split":  # letters are treated as under the other rule
        assigned = [char for char in assigned if unicodedata.category(char) != "Lo"]
    # Before and behind letters and a mark, so that a character that composes shows.
    text = "\n".join(f"a{char}e\u0301 {char}\u0338" for char in assigned)
    table = table_of(words_of(text, rule), rule)
    found = tallied(table, text.encode())
    wrong = Counter(expected(table, text))
    wrong.subtract(found)
    assert not [key for key, n in wrong.items() if n]


@settings(max_examples=at_most(80))
@given(st.lists(st.one_of(st.binary(max_size=4), st.sampled_from([b"cat", b" ", "é".encode()]))))
@example([b"c\xe2\x82 a\xf0\x9f\x98", b"\xc2\xa0t\xc0\xa0b\xe0\x80\xa0\xed\xa0\x80"])
@example([b"c\xe2\x82 a"])
def test_any_bytes_are_counted_without_the_invalid_ones(pieces: list[bytes]) -> None:
    data = b"".join(pieces)
    text = data.decode("utf-8", "ignore")
    for rule in RULES:
        table = table_of([*words_of(text, rule), "cat"], rule)
        tally = BlockTally(table)
        tally.add(data)
        tally.commit()
        assert tallied(table, data) == expected(table, text)
        counted = next(tally.drain())()
        assert counted.invalid_bytes == len(data) - len(text.encode())
        found = len(words_of(text, rule))
        assert words_and_matched(counted) == (found, found)


def test_every_lead_byte_before_any_kind_of_bytes_is_read_as_a_decoder_does() -> None:
    kinds = b" -a\x7f\x80\x85\x8f\x90\x9f\xa0\xbf\xc0\xc2\xc3\xe2\xed\xf0\xff"
    lines = [
        bytes([*b"a", lead, second, third, *b"b"])
        for lead in range(0x80, 0x100)
        for second in kinds
        for third in kinds
    ]
    data = b"\n".join(lines)
    text = data.decode("utf-8", "ignore")
    for rule in RULES:
        table = table_of(words_of(text, rule), rule)
        # All at once, and then line by line, so that two errors cannot cancel out.
        assert tallied(table, data) == expected(table, text)
        for line in lines[::7]:
            assert tallied(table, line) == expected(table, line.decode("utf-8", "ignore"))


LONG_PIECES = ("act cat ", "cat", "a-b... ", "été ", "漢\u3000", "e\u0301\u3000", "𝒙 ", "\n")


@settings(max_examples=at_most(30))
@given(
    st.lists(st.tuples(st.sampled_from(LONG_PIECES), st.integers(1, 4_000)), min_size=1, max_size=5)
)
@example([("cat ", 1), ("漢\u3000", 20_000), ("act cat ", 300), ("é", 40_000)])
def test_texts_of_many_chunks_are_counted(pieces: list[tuple[str, int]]) -> None:
    """Also those that have only separators beyond ASCII, or none, in more than 64 KiB."""
    text = "".join(piece * times for piece, times in pieces)
    assert_counts_as_the_reference(text, ["cat", "été", "漢", "a", "b"], RULES[0])


def test_words_and_matches_are_counted_apart() -> None:
    tally = BlockTally(table_of(["cat", "dog"]), min_word_length=2)
    tally.add("act tac xyzzy d o g x é 漢 ÀÉ e\u0301e\u0301 c4t".encode())
    tally.commit()
    counted = next(tally.drain())()
    assert (*words_and_matched(counted), counted.invalid_bytes) == (6, 2, 0)


@settings(max_examples=at_most(60))
@given(
    st.lists(st.lists(st.sampled_from("aabbc"), max_size=45).map("".join), max_size=6), st.data()
)
def test_long_words_of_few_letters_never_match_by_overflow(
    texts_of: list[str], data: st.DataObject
) -> None:
    """Words with more of a letter than any class has, against near misses."""
    filler = "defghijklmnopqrstuvwxyz"
    members = [word[:15] for word in texts_of if word] + ["abc" * 5, filler]
    if data.draw(st.booleans()):
        members += [word for word in texts_of if word] + ["a" * 16, "c" * 40]
    if data.draw(st.booleans()):
        members.append("éè")
    table = table_of(members)
    near = [word + "a" * 16 for word in members] + [word + "a" * 32 for word in members]
    text = " ".join([*texts_of, *near, *members, "a" * 32, "b" * 33, "c" * 64])
    assert tallied(table, text.encode()) == expected(table, text)


@pytest.mark.parametrize("longest", [3, 15, 16, 40])
def test_many_of_a_letter_are_not_taken_for_some_of_another(longest: int) -> None:
    """Also if classes have so many of each letter that the weights need both sums."""
    alphabet = "abcdefghijklmnopqrstuvwxyz"
    members = [alphabet, "cat" + "z" * min(longest, 16), "y" * 3 + "z" * 12]
    members += [letter * longest for letter in alphabet]
    table = table_of(members)
    words = [base + letter * n for base in ("", "cat") for letter in alphabet for n in range(70)]
    text = " ".join([*words, *members])
    assert tallied(table, text.encode()) == expected(table, text)


def test_both_sums_are_compared_where_only_letters_beyond_ascii_have_a_high_weight() -> None:
    alphabet, greek = "abcdefghijklmnopqrstuvwxyz", "αβγδεζηθικλμνξοπρστυφχψω"
    # Four d, of which a class has three at most, weigh as much as one e.
    table = table_of([letter * 3 for letter in alphabet] + [alphabet * 3, greek, "eωωω"])
    assert not table.byte_effects.high.any()
    assert tallied(table, "dddd eωωω".encode()) == {"eωωω": 1}


def test_every_word_of_gcide_finds_its_own_class_and_no_other(gcide: frozenset[str]) -> None:
    table = tally_table(DictionarySpec("gcide"), RULES[0])
    words = sorted(gcide)
    # Turned around, and with one letter exchanged, which is mostly no word.
    turned = [word[::-1] for word in words]
    changed = [word[:-1] + chr(97 + (ord(word[-1]) - 96) % 26) for word in words]
    text = "\n".join([*words, *turned, *changed])
    assert tallied(table, text.encode()) == expected(table, text)


def test_a_dictionary_made_to_have_equal_hashes_is_counted() -> None:
    letters = [chr(0x4E00 + index) for index in range(70)]
    every = "".join(letters)
    weights = ClassTable(WordSet([every]).column()).letter_weights()
    of_low = {weights.sums_of(letter)[0]: letter for letter in letters}
    of_high = {weights.sums_of(letter)[1]: letter for letter in letters}
    # Weights are powers of 2, so there is a word for each low sum, and one for each high sum. Take
    # a high sum that is scrambled to a low sum: the two words hash as one.
    scrambled = scramble(np.arange(2000, dtype=np.uint64)).tolist()
    high_sum = next(n for n in range(1, 2000) if scrambled[n] < 2 * max(of_low))
    low_sum = scrambled[high_sum]
    first = "".join(letter for weight, letter in of_low.items() if low_sum & weight)
    high = "".join(letter for weight, letter in of_high.items() if high_sum & weight)
    assert weights.sums_of(first)[:2] == (low_sum, 0)
    assert weights.sums_of(high)[:2] == (0, high_sum)
    table = table_of([every, first, high])
    assert tallied(table, f"{first} {high[::-1]} {every}".encode()) == {
        "".join(sorted(word)): 1 for word in (first, high, every)
    }


def test_what_the_slow_path_remembers_is_bounded() -> None:
    table = table_of(["cat"])
    tally = BlockTally(table, max_cached_bytes=1 << 16)
    tracemalloc.start()
    try:
        for number in range(20):
            tally.add(" ".join(f"{number:04d}{n:04d}𝒙" + "x" * 900 for n in range(100)).encode())
        assert tracemalloc.get_traced_memory()[0] < 1 << 19
    finally:
        tracemalloc.stop()


def test_tallies_of_several_blocks_add_up() -> None:
    table = table_of(["cat", "dog"])
    assert tallied(table, b"cat act", b"", b" ", b"god", b"tac\n") == {"act": 3, "dgo": 1}
    assert tallied(table, b"") == {}


@pytest.mark.parametrize("max_slow_pieces", [1, 2, 3, 100])
def test_any_number_of_pieces_may_be_left_to_the_slow_path(max_slow_pieces: int) -> None:
    table = table_of(["éa", "cat"])
    tally = BlockTally(table, max_slow_pieces=max_slow_pieces)
    tally.add(("e\u0301a cat 漢😀 " * 50).encode())
    tally.commit()
    assert dict(rows_of(next(tally.drain())().columns)) == {"aé": 50, "act": 50}


def test_more_pieces_than_are_left_to_the_slow_path_at_once_all_count() -> None:
    table = table_of(["éa", "cat"])
    text = "e\u0301a cat 漢😀 " * 40_000
    assert tallied(table, text.encode()) == {"aé": 40_000, "act": 40_000}


SENTENCE = "act  d-og, e\u0301a éa ЁЖ 漢\u3000😀 tac\t(god)\n... é\u2013cat _ 7ab \u00a0cat "


def test_words_are_counted_wherever_a_chunk_of_them_ends() -> None:
    table = table_of(["éa", "cat", "dog", "ёж", "é", "7ab"])
    for before in range(len(SENTENCE.encode())):
        for text in ("_" * before + SENTENCE * 60, "." * before + "act dog, " * 700 + SENTENCE):
            assert tallied(table, text.encode()) == expected(table, text)


@settings(max_examples=at_most(40), deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["cat ", "cat", " ", "é", "e\u0301a ", "ёж ", "ёж-", "漢", SENTENCE]),
            st.integers(1, 12_000),
        ),
        max_size=5,
    )
)
def test_parts_of_any_kind_of_text_are_counted_wherever_one_ends(
    parts: list[tuple[str, int]],
) -> None:
    table = table_of(["éa", "cat", "dog", "ёж", "é", "漢"])
    text = "".join(piece * (size // len(piece.encode())) for piece, size in parts)
    assert tallied(table, text.encode()) == expected(table, text)


def test_giants_are_words_that_match_nothing() -> None:
    table = table_of(["a" * 20, "cat"])
    tally = BlockTally(table)
    for giant in ("a" * (MAX_WORD_LENGTH + 1), "9" * 3_000_000, "é" * 1_000_000):
        tally.add(f"cat {giant} act".encode())
        tally.commit()
    counted = next(tally.drain())()
    assert rows_of(counted.columns) == [("act", 6)]
    assert counted.words_by_length == {3: 6, 64: 3}


def test_what_is_not_committed_never_counts() -> None:
    tally = BlockTally(table_of(["cat", "éa"]))
    tally.add(b"cat tac")
    tally.add("act e\u0301a \xff".encode("latin-1", "replace"))
    assert words_and_matched(next(tally.drain())()) == (0, 0)
    tally.add(b"cat dog")
    tally.commit()
    assert words_and_matched(next(tally.drain())()) == (2, 1)


@settings(max_examples=at_most(60))
@given(marked_texts(), marked_texts(), rules, st.integers(1, 3), st.integers(0, 5))
def test_what_fails_half_way_never_counts(
    lost: str, kept: str, rule: TextSettings, max_slow_pieces: int, fails_at: int
) -> None:
    table = table_of([*words_of(lost, rule), *words_of(kept, rule), "a"], rule)
    tally = BlockTally(table, max_slow_pieces=max_slow_pieces)
    with failing(Block, "words", fails_at), contextlib.suppress(MemoryError):
        tally.add(lost.encode())
    tally.add(kept.encode())
    tally.commit()
    counted = next(tally.drain())()
    assert dict(rows_of(counted.columns)) == expected(table, kept)
    assert sum(counted.words_by_length.values()) == len(words_of(kept, rule))


def test_what_is_taken_back_may_be_read_in_other_parts_than_before() -> None:
    table = table_of(["éa", "cat"])
    tally = BlockTally(table, max_slow_pieces=2)
    # Reading stops at a letter of a page that is not filled yet, and after two slow pieces.
    tally.add("e\u0301a Ё e\u0301a e\u0301a".encode())
    tally.add(b"cat")
    tally.commit()
    assert words_and_matched(next(tally.drain())()) == (1, 1)


def test_a_table_is_made_once_for_a_dictionary(tmp_path: Path) -> None:
    path = tmp_path / "words.json"
    path.write_text(json.dumps(["cat", "act"]))
    table = tally_table(DictionarySpec(str(path)), RULES[0])
    assert tally_table(DictionarySpec(str(path)), TextSettings()) is table
    assert tally_table(DictionarySpec(str(path)), RULES[1]) is not table
    assert table.dictionary.signatures.to_pylist() == ["act"]
