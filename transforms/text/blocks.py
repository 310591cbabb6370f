"""A byte stream -> blocks that end between words, in bounded memory whatever it looks like."""

import codecs
from collections.abc import Iterator
from typing import NamedTuple, Protocol

from transforms.errors import AnagramError
from transforms.text.encoding import DROP, Encoding, counting_dropped, decode
from transforms.text.normalize import MAX_WORD_LENGTH, squeeze

BLOCK_SIZE = 1 << 20
#: A stretch of bytes longer than this without a separator is read as one very long word.
STRETCH_LIMIT = 1 << 20
# Most lines are shorter: so far a line's end is looked for before more is read.
_LINE_LENGTH = 1 << 16
# Normalization shortens a word at most fourfold: whatever is cut off here was too long to match.
_LONGEST_REST = 16 * MAX_WORD_LENGTH


class Block(NamedTuple):
    """A piece of a file that begins and ends between words.

    Attributes:
      source: the file's path, or a name such as ``<text>``.
      offset: where `data` begins in it, in bytes; in the decompressed stream if compressed.
      data: the bytes, in `encoding`.
      invalid_bytes: how many bytes that were no valid text `data` has already lost.
    """

    source: str
    offset: int
    data: bytes
    encoding: str = "utf-8"
    invalid_bytes: int = 0

    @classmethod
    def of_text(cls, text: str) -> "Block":
        """The block that holds `text`, of no known source."""
        return cls("<text>", 0, text.encode())

    def decode(self) -> tuple[str, int]:
        """-> the block's text, and how many bytes were no valid text and are left out of it."""
        return decode(self.data, self.encoding)


class FileRange(NamedTuple):
    """A part of a file, to be read.

    Attributes:
      source: the file's path.
      start: where to begin, in bytes of the decompressed stream.
      end: the part ends at the first cut behind this place; None is the end of the file.
      at_cut: whether `start` is a cut. Otherwise the part begins at the first cut behind it.
      carry: in the middle of a very long word or stretch of other characters, what is known of
        it already, decoded.
    """

    source: str
    start: int = 0
    end: int | None = None
    at_cut: bool = False
    carry: str | None = None


def undecodable(source: str, offset: int, error: UnicodeDecodeError) -> AnagramError:
    """The error of a `source` whose bytes from `offset` on raised `error`."""
    return AnagramError(
        f"{source}: byte {offset + error.start}: not valid {error.encoding} ({error.reason}); "
        "--encoding_errors=replace leaves such bytes out"
    )


class ByteStream(Protocol):
    """What blocks are read from: a binary file, positioned at the first byte wanted."""

    def read(self, size: int, /) -> bytes: ...


class BlockReader:
    """Cuts a stream, or one byte range of it, into blocks.

    A cut can be made behind every line end, and behind a separator that no line end follows
    within a block's length. Whether a place is a cut thus depends on the file alone, not on
    where reading began: the blocks of neighbouring ranges join without gap or overlap, and a
    line that is shorter than a block stays whole.

    Args:
      stream: positioned at the start of `part`.
      part: what to read of it.
      encoding: resolved for the stream, see `Encoding.of_stream`.
      errors: what to do with undecodable bytes in very long words, which are decoded here:
        ``replace`` leaves them out, ``strict`` raises `AnagramError`, ``quarantine`` leaves the
        rest of the word out.

    Attributes:
      rest: what has not been handed out yet, should reading fail.
      consumed: how many bytes have been.
      undecodable: under ``quarantine``, what was left out, and why.
    """

    def __init__(
        self,
        stream: ByteStream,
        part: FileRange,
        encoding: Encoding,
        *,
        normalization: str = "unicode",
        errors: str = "replace",
        block_size: int = BLOCK_SIZE,
        stretch_limit: int = STRETCH_LIMIT,
    ):
        self._stream = stream
        self._source = part.source
        self._encoding = encoding
        self._normalization = normalization
        self._errors = errors
        width = encoding.width
        self._block_size = -(-block_size // width) * width
        self._stretch_limit = -(-max(stretch_limit, block_size) // width) * width
        self._data = b""
        self._offset = part.start  # of _data[0] in the stream
        self._ended = False
        self._begin = part.start
        self.rest = part
        self.undecodable: list[tuple[FileRange, UnicodeDecodeError]] = []

    @property
    def consumed(self) -> int:
        return self._offset - self._begin

    def blocks(self) -> Iterator[Block]:
        """The blocks of the part: from its first cut to the first cut behind its end."""
        end = self.rest.end
        if self._offset == 0 and end is None:  # most files are small: no cut to look for
            self._fill(self._block_size + 1)
            if self._ended:
                if self._data:
                    yield Block(self._source, 0, self._data, self._encoding.name)
                self._drop(len(self._data))
                return
        if self.rest.carry is not None:
            yield from self._stretch(0)
        elif self._offset and not self.rest.at_cut:
            found = self._skip_to_cut(end)
            self._begin = self._offset
            if not found:
                return
        while end is None or self._offset <= end:
            self._passed()
            size = self._block_size if end is None else min(self._block_size, end - self._offset)
            cut = self._find_cut(size)
            if cut is None:
                yield from self._stretch(size + self._stretch_limit)
            elif cut == 0:
                return
            else:
                yield Block(self._source, self._offset, self._data[:cut], self._encoding.name)
                self._drop(cut)

    def _passed(self, carry: str | None = None, pending: int = 0) -> None:
        """Notes that all up to here has been handed out, `carry` and `pending` bytes apart."""
        self.rest = self.rest._replace(start=self._offset - pending, at_cut=True, carry=carry)

    def _find_cut(self, begin: int) -> int | None:
        """The first cut behind index `begin` of the data; None if it is too far to look for."""
        for reach in (min(_LINE_LENGTH, self._block_size), self._block_size):
            self._fill(begin + reach)
            line_end = self._find("newline", begin, begin + reach)
            if line_end >= 0:
                return line_end
        return self._find_separator(begin, begin + self._stretch_limit)

    def _find_separator(self, begin: int, limit: int) -> int | None:
        """The first cut behind `begin`, given that no line ends within a block's length."""
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
        """Moves to the first cut behind the start; False if it is also the first behind `end`."""
        cut = self._find_cut(0)
        while cut is None:
            self._drop(self._stretch_limit)
            if end is not None and self._offset > end:
                return False
            cut = self._find_separator(0, self._stretch_limit)
        self._drop(cut)
        return True

    def _stretch(self, size: int) -> Iterator[Block]:
        """Reads to the next cut through a stretch too long to be held in memory.

        `size` bytes of the data are known to hold no cut.
        """
        begin = self._offset
        try:
            yield from self._squeezed(size)
        except UnicodeDecodeError as error:
            if self._errors != "quarantine":
                raise undecodable(self._source, self.rest.start, error) from error
            if self._offset == begin:
                self._drop(size)
            while (cut := self._find_separator(0, self._block_size)) is None:
                self._drop(self._block_size)
            self._drop(cut)
            rest = self.rest._replace(end=self._offset - self._encoding.width)
            self.undecodable.append((rest, error))

    def _squeezed(self, size: int) -> Iterator[Block]:
        """The words of a stretch. It is decoded on the way: only characters can be squeezed."""
        decoder = codecs.getincrementaldecoder(self._encoding.name)(
            DROP if self._errors == "replace" else "strict"
        )
        rest = self.rest.carry or ""
        cut = None
        while cut is None:
            text, invalid = self._decode(decoder, self._data[:size])
            complete, rest = squeeze(rest + text, self._normalization)
            yield Block(self._source, self.rest.start, complete.encode(), invalid_bytes=invalid)
            rest = rest[:_LONGEST_REST]
            self._drop(size)
            self._passed(rest, len(decoder.getstate()[0]))
            size = self._block_size
            cut = self._find_separator(0, size)
        text, invalid = self._decode(decoder, self._data[:cut], final=True)
        yield Block(self._source, self.rest.start, (rest + text).encode(), invalid_bytes=invalid)
        self._drop(cut)

    def _decode(
        self, decoder: codecs.IncrementalDecoder, data: bytes, final: bool = False
    ) -> tuple[str, int]:
        if final:  # some decoders treat an unfinished character otherwise than `decode`
            errors = "replace" if self._errors == "replace" else "strict"
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
        self._data = self._data[size:]
        self._offset += size
