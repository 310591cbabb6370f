"""Cuts a stream of bytes into blocks that begin and end between words, in bounded memory.

A **block** is consecutive bytes of a file that begin and end between words, so that its words can
be counted without the neighbouring blocks. A **cut** is a place at which one block may end and the
next may begin. There is a cut after every line feed, and after every other ASCII separator that no
line feed follows within a block's length.

So whether a place is a cut depends only on the file, not on where reading began. When several
workers read ranges of one file, each reads from the first cut after the start of its range to the
first cut after its end: their blocks join without a gap or an overlap, and a line that is shorter
than a block is never divided.

A **long run** is a part of a file without a cut that is too long to be held in memory: one
enormous word, or megabytes of punctuation. It is decoded while it is read. Its complete words are
passed on as blocks, and only the beginning of the unfinished word is kept.
"""

import codecs
from collections.abc import Iterator
from typing import NamedTuple, Protocol

from transforms.errors import UndecodableTextError
from transforms.text.encoding import DROP, Encoding, counting_dropped, decode
from transforms.text.normalize import (
    MAX_WORD_LENGTH,
    split_unfinished_word,
    truncate_unfinished_word,
    words,
)
from transforms.text.settings import TextSettings

#: Bytes after which a block ends at the next cut.
BLOCK_SIZE = 1 << 20
#: Bytes beyond a block's length that are searched for a cut before they are read as a long run.
RUN_LIMIT = 1 << 20
# Most lines are shorter than this, so a line feed is searched here before more is read.
_LINE_LENGTH = 1 << 16
# Normalization shortens a word to a quarter at most. A partial word of this length is therefore
# already too long to match anything, and the rest of it need not be kept.
_MAX_PARTIAL_WORD = 16 * MAX_WORD_LENGTH


class Block(NamedTuple):
    """Consecutive bytes of a file that begin and end between words.

    Attributes:
      source: the file's path, or a name such as ``<text>``.
      offset: position of `data` in the file, in bytes. In a compressed file it is the position
        in the decompressed stream.
      data: the bytes.
      encoding: Python's name of their encoding.
      invalid_bytes: how many bytes that are not valid in the encoding have already been deleted
        from `data`.
    """

    source: str
    offset: int
    data: bytes
    encoding: str = "utf-8"
    invalid_bytes: int = 0

    @classmethod
    def of_text(cls, text: str) -> "Block":
        """Returns a block with a text that is not from a file."""
        return cls("<text>", 0, text.encode())

    def decode(self) -> tuple[str, int]:
        """Decodes the block.

        Returns:
          Its text, and the number of invalid bytes that were deleted from it now.
        """
        return decode(self.data, self.encoding)

    def words(self, rules: TextSettings, min_length: int = 1) -> tuple[list[str], int]:
        """Returns the block's words, and how many of its bytes were not valid text.

        Args:
          rules: how text becomes words.
          min_length: shorter words, in code points, are left out.
        """
        text, invalid_bytes = self.decode()
        found = words(text, rules.normalization, rules.punctuation)
        if min_length > 1:
            found = [word for word in found if len(word) >= min_length]
        return found, invalid_bytes


class FileRange(NamedTuple):
    """A range of a file that is to be read.

    Attributes:
      source: the file's path.
      start: where to begin, in bytes of the decompressed stream.
      end: the range ends at the first cut after this position. None is the end of the file.
      starts_at_cut: whether there is a cut at `start`. If not, the range begins at the first cut
        after it.
      partial_word: the decoded beginning of the word at `start`, if reading resumes in the middle
        of a long run.
      file_size: the stored size of the whole file when it was listed, in bytes; None if unknown.
    """

    source: str
    start: int = 0
    end: int | None = None
    starts_at_cut: bool = False
    partial_word: str | None = None
    file_size: int | None = None


def undecodable(source: str, offset: int, error: UnicodeDecodeError) -> UndecodableTextError:
    """Returns the error for a text with bytes that are not valid in its encoding.

    Args:
      source: the file's path.
      offset: position in the file of the bytes that were decoded.
      error: what decoding them raised.
    """
    position = offset + error.start
    return UndecodableTextError(
        f"{source}: byte {position}: not valid {error.encoding} ({error.reason})"
    )


class ByteStream(Protocol):
    """The methods of a binary file that `BlockReader` needs."""

    def read(self, size: int, /) -> bytes:
        """Returns at most `size` bytes; an empty result means the end."""


class BlockReader:
    """Cuts a stream, or a range of it, into blocks.

    With the error policy ``quarantine``, a long run is read up to its first invalid byte; the rest
    of the run is added to `undecodable`, and reading goes on after it.

    Args:
      stream: the file, positioned at the start of `file_range`.
      file_range: the range to read.
      encoding: the encoding of this stream, see `Encoding.of_stream`.
      text: how to decode long runs and to split them into words. Blocks are not decoded here.
      block_size: bytes after which a block ends at the next cut.
      run_limit: bytes beyond a block's length that are searched for a cut before they are read as
        a long run; at least `block_size`.

    Attributes:
      unread: the range that has not been returned in blocks yet. If reading fails, it can be read
        later.
      undecodable: the parts of long runs that were left out with ``quarantine``, and why.
    """

    def __init__(
        self,
        stream: ByteStream,
        file_range: FileRange,
        encoding: Encoding,
        *,
        text: TextSettings | None = None,
        block_size: int = BLOCK_SIZE,
        run_limit: int = RUN_LIMIT,
    ):
        self._stream = stream
        self._source = file_range.source
        self._encoding = encoding
        self._text = text or TextSettings()
        width = encoding.width
        self._block_size = -(-block_size // width) * width
        self._run_limit = -(-max(run_limit, block_size) // width) * width
        self._data = b""
        self._offset = file_range.start  # of _data[0] in the stream
        self._ended = False
        self._begin = file_range.start
        self.unread = file_range
        self.undecodable: list[tuple[FileRange, UnicodeDecodeError]] = []

    @property
    def consumed(self) -> int:
        """How many bytes have been read and returned in blocks."""
        return self._offset - self._begin

    @property
    def reached(self) -> int:
        """The position in the stream up to which bytes have been read, even if not yet returned."""
        return self._offset + len(self._data)

    def blocks(self) -> Iterator[Block]:
        """Reads the range, from its first cut to the first cut after its end.

        Yields:
          The blocks, in the order of the stream.

        Raises:
          UndecodableTextError: if a long run has an invalid byte and the error policy is
            ``strict``.
        """
        end = self.unread.end
        if self._offset == 0 and end is None:  # most files are small and need no cut
            self._fill(self._block_size + 1)
            if self._ended:
                if self._data:
                    yield Block(self._source, 0, self._data, self._encoding.name)
                self._drop(len(self._data))
                return
        if self.unread.partial_word is not None:
            yield from self._read_long_run(0)
        elif self._offset and not self.unread.starts_at_cut:
            found = self._skip_to_cut(end)
            self._begin = self._offset
            if not found:
                return
        while end is None or self._offset <= end:
            self._mark_read()
            size = self._block_size if end is None else min(self._block_size, end - self._offset)
            cut = self._find_cut(size)
            if cut is None:
                yield from self._read_long_run(size + self._run_limit)
            elif cut == 0:
                return
            else:
                yield Block(self._source, self._offset, self._data[:cut], self._encoding.name)
                self._drop(cut)

    def _mark_read(self, partial_word: str | None = None, pending: int = 0) -> None:
        """Updates `unread`: everything before this place has been returned.

        The exceptions are `partial_word`, and the last `pending` bytes, which are not decoded yet.
        """
        self.unread = self.unread._replace(
            start=self._offset - pending, starts_at_cut=True, partial_word=partial_word
        )

    def _find_cut(self, begin: int) -> int | None:
        """Returns the first cut after index `begin` of the data, or None in a long run."""
        for reach in (min(_LINE_LENGTH, self._block_size), self._block_size):
            self._fill(begin + reach)
            line_end = self._find("newline", begin, begin + reach)
            if line_end >= 0:
                return line_end
        return self._find_separator(begin, begin + self._run_limit)

    def _find_separator(self, begin: int, limit: int) -> int | None:
        """Returns the first cut between `begin` and `limit`, if there is one.

        No line ends within a block's length after `begin`, as the caller has checked.
        """
        while begin < limit:
            self._fill(begin + self._block_size)
            stop = min(begin + self._block_size, limit, len(self._data))
            separator = self._find("separator", begin, stop)
            if separator >= 0:
                self._fill(separator + self._block_size)
                line_begin = separator - self._encoding.width
                line_end = self._find("newline", line_begin, separator + self._block_size)
                return line_end if line_end >= 0 else separator
            if stop < limit and self._ended:
                return len(self._data)
            begin = stop
        return None

    def _skip_to_cut(self, end: int | None) -> bool:
        """Moves to the first cut after the start.

        Returns:
          False if that is also the first cut after `end`, so that the range is empty.
        """
        cut = self._find_cut(0)
        while cut is None:
            self._drop(self._run_limit)
            if end is not None and self._offset > end:
                return False
            cut = self._find_separator(0, self._run_limit)
        self._drop(cut)
        return True

    def _read_long_run(self, size: int) -> Iterator[Block]:
        """Reads to the next cut, through more bytes than can be held in memory.

        Args:
          size: how many buffered bytes are known to have no cut.
        """
        begin = self._offset
        try:
            yield from self._words_of_long_run(size)
        except UnicodeDecodeError as error:
            if self._text.encoding_errors != "quarantine":
                raise undecodable(self._source, self.unread.start, error) from error
            if self._offset == begin:
                self._drop(size)
            while (cut := self._find_separator(0, self._block_size)) is None:
                self._drop(self._block_size)
            self._drop(cut)
            left_out = self.unread._replace(end=self._offset - self._encoding.width)
            self.undecodable.append((left_out, error))

    def _words_of_long_run(self, size: int) -> Iterator[Block]:
        """Decodes a long run while reading it, because only decoded text can be split anywhere."""
        replace = self._text.encoding_errors == "replace"
        decoder = codecs.getincrementaldecoder(self._encoding.name)(DROP if replace else "strict")
        partial_word = self.unread.partial_word or ""
        cut = None
        while cut is None:
            text, invalid = self._decode(decoder, self._data[:size])
            complete, partial_word = split_unfinished_word(
                partial_word + text, self._text.normalization, self._text.punctuation
            )
            yield Block(self._source, self.unread.start, complete.encode(), invalid_bytes=invalid)
            partial_word = truncate_unfinished_word(partial_word, _MAX_PARTIAL_WORD)
            self._drop(size)
            self._mark_read(partial_word, len(decoder.getstate()[0]))
            size = self._block_size
            cut = self._find_separator(0, size)
        text, invalid = self._decode(decoder, self._data[:cut], final=True)
        data = (partial_word + text).encode()
        yield Block(self._source, self.unread.start, data, invalid_bytes=invalid)
        self._drop(cut)

    def _decode(
        self, decoder: codecs.IncrementalDecoder, data: bytes, final: bool = False
    ) -> tuple[str, int]:
        if final:  # at an unfinished character, some incremental decoders differ from `decode`
            errors = "replace" if self._text.encoding_errors == "replace" else "strict"
            return decode(decoder.getstate()[0] + data, self._encoding.name, errors)
        with counting_dropped() as dropped:
            return decoder.decode(data), dropped()

    def _find(self, what: str, start: int, stop: int) -> int:
        return self._encoding.find(what, self._data, start, stop, self._offset)

    def _fill(self, size: int) -> None:
        """Reads until `size` bytes are buffered or the stream ends."""
        while len(self._data) < size and not self._ended:
            more = self._stream.read(size - len(self._data))
            self._data += more
            self._ended = not more

    def _drop(self, size: int) -> None:
        """Discards the first `size` buffered bytes."""
        self._data = self._data[size:]
        self._offset += size
