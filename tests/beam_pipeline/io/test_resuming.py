"""What a failed reader has not yielded can be read later: nothing is lost or counted twice."""

from collections.abc import Sequence
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.examples import at_most
from tests.transforms.text.test_blocks import encoded, invalid_in, words_of
from transforms.text.blocks import Block, BlockReader, FileRange
from transforms.text.encoding import Encoding, decode
from transforms.text.normalize import NORMALIZATIONS, words
from transforms.text.settings import TextSettings


class _Breaking:
    """A stream that raises once `good` bytes have been read, and returns short counts before."""

    def __init__(self, data: bytes, start: int, good: int, most: int):
        self._stream = BytesIO(data)
        self._stream.seek(start)
        self._left, self._most = good, most

    def read(self, size: int, /) -> bytes:
        if not self._left:
            raise OSError("broken")
        data = self._stream.read(min(size, self._left, self._most))
        self._left -= len(data)
        return data


def read_resuming(
    data: bytes,
    file_range: FileRange,
    failures: Sequence[int],
    encoding: Encoding,
    most: int,
    **how: Any,
) -> list[Block]:
    """The blocks of `file_range`, read in spite of a failure after so many bytes each time."""
    found: list[Block] = []
    for good in [*failures, len(data) + 1]:
        stream = _Breaking(data, file_range.start, good, most)
        reader = BlockReader(stream, file_range, encoding, **how)
        try:
            found += reader.blocks()
        except OSError:
            file_range = reader.unread
        else:
            return found
    raise AssertionError("the last stream does not break")


def ranges_of(cuts: Sequence[int]) -> list[FileRange]:
    return [
        FileRange("file.txt", start, end)
        for start, end in zip([0, *cuts], [*cuts, None], strict=True)
    ]


@st.composite
def readings(draw: st.DrawFn, encoding: str) -> tuple[bytes, list[int], dict[str, int]]:
    """Content, where it is cut into parts, and how it is read."""
    content = draw(encoded(encoding, max_size=40))
    width = Encoding(encoding).width
    places = st.sampled_from([*range(width, len(content), width)] or [width])
    cuts = draw(st.lists(places, max_size=3, unique=True).map(sorted))
    how = {"block_size": draw(st.integers(1, 20)), "run_limit": draw(st.integers(1, 30))}
    return content, cuts, how


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "gb18030"])
@settings(max_examples=at_most(50))
@given(data=st.data())
def test_reading_that_fails_anywhere_can_be_resumed_without_loss(
    encoding: str, normalization: str, data: st.DataObject
) -> None:
    content, cuts, how = data.draw(readings(encoding))
    failures = data.draw(st.lists(st.integers(0, 40), max_size=3))
    most = data.draw(st.integers(1, 50))
    blocks = []
    for file_range in ranges_of(cuts):
        blocks += read_resuming(
            content,
            file_range,
            failures,
            Encoding(encoding),
            most,
            text=TextSettings(normalization),
            **how,
        )
    text, invalid = decode(content, encoding)
    assert words_of(blocks, normalization) == words(text, normalization)
    assert invalid_in(blocks) == invalid


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "gb18030"])
@settings(max_examples=at_most(50))
@given(data=st.data())
def test_what_quarantine_leaves_out_and_what_it_keeps_are_everything(
    encoding: str, normalization: str, data: st.DataObject
) -> None:
    content, cuts, how = data.draw(readings(encoding))
    quarantine = TextSettings(normalization, "quarantine")
    kept: list[Block] = []
    left_out_blocks: list[Block] = []
    for file_range in ranges_of(cuts):
        stream = BytesIO(content)
        stream.seek(file_range.start)
        reader = BlockReader(stream, file_range, Encoding(encoding), text=quarantine, **how)
        kept += reader.blocks()
        for left_out, error in reader.undecodable:
            assert isinstance(error, UnicodeDecodeError)
            stream = BytesIO(content)
            stream.seek(left_out.start)
            left_out_blocks += BlockReader(
                stream, left_out, Encoding(encoding), text=TextSettings(normalization), **how
            ).blocks()
    text, invalid = decode(content, encoding)
    found = words_of([*kept, *left_out_blocks], normalization)
    assert sorted(found) == sorted(words(text, normalization))
    assert invalid_in([*kept, *left_out_blocks]) == invalid
    if not invalid:
        assert not left_out_blocks
    assert not any(block.invalid_bytes for block in kept)
