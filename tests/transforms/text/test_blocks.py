"""The blocks of a file have the words of the whole file, wherever it is cut, in bounded memory."""

import random
import tracemalloc
from collections.abc import Iterator, Sequence
from io import BytesIO
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.support.examples import at_most
from tests.support.strategies import marked_texts, texts
from transforms.errors import UndecodableTextError
from transforms.filtering import decoding_error
from transforms.text.blocks import Block, BlockReader, ByteStream, FileRange, undecodable
from transforms.text.encoding import Encoding, decode
from transforms.text.normalize import (
    MAX_WORD_LENGTH,
    NORMALIZATIONS,
    PUNCTUATION_RULES,
    words,
)
from transforms.text.settings import TextSettings

MEGABYTE = 1 << 20
LONG = 30 * MEGABYTE
#: The most memory that reading in blocks of a megabyte may use, in bytes.
MEMORY_LIMIT = 24 * MEGABYTE
STRICT = TextSettings(encoding_errors="strict")


def read_lazily(
    data: bytes, encoding: str = "utf-8", cuts: Sequence[int] = (), **how: Any
) -> Iterator[Block]:
    """Reads the blocks of all byte ranges between `cuts`, in order."""
    for start, end in pairwise([0, *cuts, None]):
        stream = BytesIO(data)
        stream.seek(start or 0)
        part = FileRange("file.txt", start or 0, end)
        yield from BlockReader(stream, part, Encoding(encoding), **how).blocks()


def read(data: bytes, encoding: str = "utf-8", cuts: Sequence[int] = (), **how: Any) -> list[Block]:
    return list(read_lazily(data, encoding, cuts, **how))


def words_of(blocks: Sequence[Block], normalization: str, punctuation: str = "delete") -> list[str]:
    rules = TextSettings(normalization, punctuation=punctuation)
    return [word for block in blocks for word in block.words(rules)[0]]


def invalid_in(blocks: Sequence[Block]) -> int:
    return sum(block.invalid_bytes + block.decode()[1] for block in blocks)


def assert_valid(block: Block) -> None:
    """Raises what a run under ``strict`` raises."""
    error = decoding_error(block)
    if error is not None:
        raise undecodable(block.source, block.offset, error)


def encoded(encoding: str, max_size: int = 14) -> st.SearchStrategy[bytes]:
    """Bytes that are often text in `encoding`, often almost, and sometimes any bytes."""
    piece = st.one_of(
        texts(6).map(lambda text: text.encode(encoding, "ignore")),
        st.sampled_from(["cat ", "\n", "-", "=", ",", "'", "e\u0301", "\u0316", "\ufe0f"]).map(
            lambda text: text.encode(encoding, "ignore")
        ),
        st.binary(max_size=3),
        st.sampled_from(HARD_BYTES),
    )
    return st.lists(piece, max_size=5).map(lambda pieces: b"".join(pieces)[: 3 * max_size])


#: Unfinished and impossible sequences of UTF-8, GB 18030 and UTF-16, before separators.
HARD_BYTES = [
    *(b"\xe2\x82", b"\xf0\x9f\x98 ", b"\xc3\n", b"\xed\xa0\x80-", b"\xff\xfe", b"\x80"),
    *(b"\x81\x30-", b"\x81\x30\x81 ", b"\x81\n", b"\x84\x31\xa4\x39"),
    *(b"\x00\xd8 \x00", b"\xd8\x00\x00 ", b"\x00\xdc", b"\n\x00", b"\x00\n", b" \x00\x00\x00"),
]
ENCODINGS = ["utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be", "gb18030", "latin-1"]


def assert_same_as_whole(data: bytes, encoding: str, cuts: Sequence[int], **how: int) -> None:
    text, invalid = decode(data, encoding)
    for rule in (("unicode", "delete"), ("unicode", "split"), ("ascii", "delete")):
        settings = TextSettings(rule[0], punctuation=rule[1])
        blocks = read(data, encoding, cuts, text=settings, **how)
        assert words_of(blocks, *rule) == words(text, *rule)
        assert invalid_in(blocks) == invalid


@pytest.mark.parametrize("encoding", ENCODINGS)
@settings(max_examples=at_most(15))
@given(data=st.data())
def test_every_cut_and_block_size_gives_the_words_of_the_whole(
    encoding: str, data: st.DataObject
) -> None:
    content = data.draw(encoded(encoding))
    width = Encoding(encoding).width
    for block_size in (1, 2, 3, 5, 8, 64):
        for run_limit in (block_size, 3 * block_size):
            for cut in range(width, len(content) + 1, width):
                assert_same_as_whole(
                    content, encoding, [cut], block_size=block_size, run_limit=run_limit
                )


@pytest.mark.parametrize("encoding", ENCODINGS)
@settings(max_examples=at_most(60))
@given(data=st.data())
def test_any_number_of_ranges_gives_the_words_of_the_whole(
    encoding: str, data: st.DataObject
) -> None:
    content = data.draw(encoded(encoding, max_size=40))
    width = Encoding(encoding).width
    places = st.sampled_from([*range(width, len(content), width)] or [width])
    cuts = data.draw(st.lists(places, max_size=6, unique=True).map(sorted))
    block_size = data.draw(st.integers(1, 40))
    run_limit = data.draw(st.integers(1, 60))
    assert_same_as_whole(content, encoding, cuts, block_size=block_size, run_limit=run_limit)


@pytest.mark.parametrize(
    ("encoding", "data"),
    [
        ("gb18030", b"a\x81\x30-\x30b c"),
        ("gb18030", b"a\x81\x30\x81 b c"),
        ("euc_jp", b"a\x8f\xa1 \xa1b c"),
        ("shift_jis", b"a\x81 b\x81- c"),
        ("big5", b"a\x81\n\xa4@ c"),
        ("utf-8", b"a\xe2\x82 b\xf0\x9f-c"),
        ("utf-16-le", b"a\0\0\xd8 \0b\0-\0\0\xdc"),
    ],
)
def test_unfinished_characters_before_a_separator_lose_the_same_bytes_in_any_blocks(
    encoding: str, data: bytes
) -> None:
    for block_size in range(1, len(data) + 2):
        assert_same_as_whole(data, encoding, [], block_size=block_size)


@settings(max_examples=at_most(60))
@given(
    encoded("utf-8", max_size=40),
    st.integers(1, 12),
    st.lists(st.integers(1, 60), max_size=4, unique=True).map(sorted),
)
def test_blocks_join_to_the_file_when_there_is_no_long_run(
    data: bytes, block_size: int, cuts: list[int]
) -> None:
    inside = [cut for cut in cuts if cut <= len(data)]
    blocks = read(data, cuts=inside, block_size=block_size, run_limit=1000)
    assert b"".join(block.data for block in blocks) == data
    at = 0
    for block in blocks:
        assert block.data
        assert (block.source, block.encoding, block.offset) == ("file.txt", "utf-8", at)
        at += len(block.data)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-be"])
@given(
    lines=st.lists(st.text("ab -\r", max_size=15), max_size=8),
    block_size=st.integers(1, 24),
    cut=st.integers(1, 100),
)
def test_lines_shorter_than_a_block_stay_whole(
    encoding: str, lines: list[str], block_size: int, cut: int
) -> None:
    width = Encoding(encoding).width
    pieces = [f"{line}\n".encode(encoding) for line in lines]
    data = b"".join(pieces)
    cut = min(cut * width, len(data))
    blocks = read(data, encoding, [cut], block_size=block_size, run_limit=1000)
    starts = {block.offset for block in blocks}
    begin = 0
    for line in pieces:
        if len(line) <= block_size:
            assert starts.isdisjoint(range(begin + 1, begin + len(line)))
        begin += len(line)


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_empty_input_has_no_words(size: int) -> None:
    for cuts in ([], [4]):
        assert words_of(read(b"", cuts=cuts, block_size=size), "unicode") == []


@settings(max_examples=at_most(60))
@given(st.lists(st.text("cat \n=", max_size=4), max_size=10), st.integers(1, 9), st.data())
def test_a_stream_may_return_less_than_asked(
    pieces: list[str], block_size: int, data: st.DataObject
) -> None:
    content = "".join(pieces).encode()
    lengths = data.draw(st.lists(st.integers(1, 5), min_size=len(content), max_size=len(content)))
    reader = BlockReader(
        _ShortReads(content, lengths),
        FileRange("pipe"),
        Encoding(),
        block_size=block_size,
        run_limit=5,
    )
    assert words_of(list(reader.blocks()), "unicode") == words(content.decode())


class _ShortReads:
    """A stream whose reads return at most `lengths` bytes, one length after the other."""

    def __init__(self, data: bytes, lengths: list[int]):
        self._stream = BytesIO(data)
        self._lengths = iter(lengths)

    def read(self, size: int, /) -> bytes:
        return self._stream.read(min(size, next(self._lengths, size)))


class _Generated:
    """A stream of `begin`, `size` bytes of repeated `filler`, and `end`, made while it is read."""

    def __init__(self, filler: bytes, size: int, *, begin: bytes = b"", end: bytes = b""):
        self._filler, self._left = filler, size // len(filler)
        self._pending, self._end = begin, end

    def read(self, size: int, /) -> bytes:
        while len(self._pending) < size and self._left:
            repeats = min(self._left, max(1, MEGABYTE // len(self._filler)))
            self._pending += self._filler * repeats
            self._left -= repeats
        if not self._left and self._end:
            self._pending += self._end
            self._end = b""
        data, self._pending = self._pending[:size], self._pending[size:]
        return data


def blocks_in_bounded_memory(stream: ByteStream, **how: Any) -> Iterator[Block]:
    tracemalloc.start()
    try:
        yield from BlockReader(stream, FileRange("huge.txt"), Encoding(), **how).blocks()
        assert tracemalloc.get_traced_memory()[1] < MEMORY_LIMIT
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
@pytest.mark.parametrize("filler", [b"=", "\u00b4".encode(), b"=" * 99 + b"\xff"])
def test_a_huge_run_of_deleted_characters_leaves_the_word_at_its_end(
    filler: bytes, normalization: str
) -> None:
    stream = _Generated(filler, LONG, begin=b"dog c", end=b"at")
    found, invalid = [], 0
    for block in blocks_in_bounded_memory(stream, text=TextSettings(normalization)):
        text, lost = block.decode()
        found += words(text, normalization)
        invalid += block.invalid_bytes + lost
    assert found == ["dog", "cat"]
    assert invalid == filler.count(b"\xff") * (LONG // len(filler))


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_a_word_of_thirty_megabytes_is_one_word(normalization: str) -> None:
    stream = _Generated(b"abc", LONG, begin=b"dog\n", end=b" cat")
    found = []
    for block in blocks_in_bounded_memory(stream, text=TextSettings(normalization)):
        found += [word[:10] for word in words(block.decode()[0], normalization)]
    assert found == ["dog", "abcabcabca", "cat"]


def test_a_line_of_thirty_megabytes_has_all_its_words() -> None:
    count = LONG // 100
    found = sum(
        len(words(block.decode()[0]))
        for block in blocks_in_bounded_memory(_Generated(b"x" * 99 + b" ", LONG))
    )
    assert found == count


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
@pytest.mark.parametrize("letter", ["a", "é", "e\u0301", "漢"])
def test_a_word_of_two_million_letters_is_one_word_in_any_ranges(
    letter: str, normalization: str
) -> None:
    data = ("cat " + letter * 2_000_000 + " dog").encode()
    middle = len(data) // 2
    blocks = read(data, cuts=[MEGABYTE, middle, middle + 1], text=TextSettings(normalization))
    found = words_of(blocks, normalization)
    giants = [word for word in found if len(word) > MAX_WORD_LENGTH]
    whole = words(letter, normalization)
    assert len(giants) == len(whole)
    assert [word for word in found if len(word) <= MAX_WORD_LENGTH] == ["cat", "dog"]


def test_a_giant_is_a_word_exactly_if_it_has_a_letter_wherever_its_only_one_is() -> None:
    marks = "\u0316\u0301" * 600_000
    for giant, punctuation, found in (
        (marks, "delete", 1),
        (f"{marks}a", "delete", 2),
        (f"{marks}a", "split", 2),
    ):
        blocks = read(f"cat {giant}\n".encode(), text=TextSettings(punctuation=punctuation))
        assert len(words_of(blocks, "unicode", punctuation)) == found


@settings(max_examples=at_most(60))
@given(
    st.lists(marked_texts(4), max_size=6).map("".join),
    st.sampled_from(PUNCTUATION_RULES),
    st.integers(1, 40),
    st.lists(st.integers(1, 200), max_size=4, unique=True).map(sorted),
)
def test_runs_of_marks_are_normalized_alike_wherever_they_are_cut(
    text: str, punctuation: str, block_size: int, cuts: list[int]
) -> None:
    rules = TextSettings(punctuation=punctuation)
    data = text.encode()
    inside = [cut for cut in cuts if cut <= len(data)]
    blocks = read(data, cuts=inside, text=rules, block_size=block_size, run_limit=block_size)
    assert words_of(blocks, "unicode", punctuation) == words(text, punctuation=punctuation)


@pytest.mark.parametrize("rule", [("unicode", "split"), ("ascii", "split")])
def test_a_line_of_thirty_megabytes_is_split_at_its_punctuation(rule: tuple[str, str]) -> None:
    stream = _Generated(b"x" * 97 + b"'x,", LONG, begin=b"dog,")
    rules, found = TextSettings(rule[0], punctuation=rule[1]), 0
    for block in blocks_in_bounded_memory(stream, text=rules):
        found += len(block.words(rules)[0])
    assert found == 1 + LONG // 100


@pytest.mark.parametrize("separator", ["\u00a0", "\u3000", "\u2014", "\u0085"])
@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_separators_beyond_ascii_separate_inside_a_long_run(
    separator: str, normalization: str
) -> None:
    text = separator.join(["cat"] * 2000)
    blocks = read(text.encode(), block_size=100, run_limit=100, text=TextSettings(normalization))
    assert words_of(blocks, normalization) == words(text, normalization)


@settings(max_examples=at_most(60))
@given(encoded("utf-8", max_size=40), st.integers(1, 20), st.integers(1, 20))
@example(b"a" * 30 + b"\xff cat", 4, 4)
@example(b"a" * 9 + b"\xe2\x82" + b"a" * 9, 5, 5)
def test_strict_names_source_and_exact_byte_offset(
    data: bytes, block_size: int, run_limit: int
) -> None:
    how: dict[str, Any] = {"text": STRICT, "block_size": block_size, "run_limit": run_limit}
    try:
        data.decode()
    except UnicodeDecodeError as error:
        with pytest.raises(UndecodableTextError) as caught:
            for block in read_lazily(data, **how):
                assert_valid(block)
        assert str(caught.value).startswith(f"file.txt: byte {error.start}: not valid utf-8")
        assert "--" not in str(caught.value), "the command line adds its options"
    else:
        texts_of = [block.decode()[0] for block in read(data, **how)]
        assert words(" ".join(texts_of)) == words(data.decode())


def test_strict_offset_is_exact_behind_megabytes_of_one_word() -> None:
    at = 3 * MEGABYTE + 5
    data = b"a" * at + b"\xff" + b"a" * MEGABYTE
    with pytest.raises(UndecodableTextError, match=rf"^file\.txt: byte {at}: not valid utf-8"):
        read(data, text=STRICT)


def test_strict_offset_counts_from_the_start_of_the_file_in_a_later_range() -> None:
    data = b"cat dog\n" * 20 + b"c\xffat\n"
    stream = BytesIO(data)
    stream.seek(96)
    reader = BlockReader(stream, FileRange("file.txt", 96), Encoding(), block_size=16)
    with pytest.raises(UndecodableTextError, match=r"^file\.txt: byte 161: not valid utf-8"):
        for block in reader.blocks():
            assert_valid(block)


def test_random_text_in_random_ranges_loses_no_word() -> None:
    generator = random.Random(5)
    letters = ["a", "b", "é", "漢", "=", "'", "\u0301", "\u00a0", " ", "-", "\n"]
    text = "".join(generator.choices(letters, weights=[9, 9, 9, 9, 9, 9, 9, 1, 1, 1, 1], k=20_000))
    data = text.encode()
    for normalization in NORMALIZATIONS:
        cuts = sorted(generator.sample(range(len(data)), 30))
        blocks = read(
            data, cuts=cuts, block_size=50, run_limit=70, text=TextSettings(normalization)
        )
        assert words_of(blocks, normalization) == words(text, normalization)
