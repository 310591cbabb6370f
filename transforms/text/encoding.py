"""Encoded text: which encodings can be cut into blocks, where, and how they are decoded."""

import codecs
import contextlib
import functools
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

#: What to do with bytes that are not valid in the encoding: leave them out of their word, fail,
#: or put their line aside as a dead letter.
ERROR_POLICIES = ("replace", "strict", "quarantine")

# Only ASCII separators serve as cuts: they mean the same in both normalizations, and their
# bytes are never part of another character in the encodings accepted here.
_SEPARATORS = b"\t\n\v\f\r\x1c\x1d\x1e\x1f -"
_WIDE = {
    "utf-16-le": (2, "little"),
    "utf-16-be": (2, "big"),
    "utf-32-le": (4, "little"),
    "utf-32-be": (4, "big"),
}
_BYTE_ORDER_MARKS = {
    "utf-16": ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")),
    "utf-32": ((codecs.BOM_UTF32_LE, "utf-32-le"), (codecs.BOM_UTF32_BE, "utf-32-be")),
}


@dataclass(frozen=True)
class Encoding:
    """An encoding whose text can be cut at separators without decoding it.

    Accepted are the encodings in which each ASCII character is always its one byte (UTF-8,
    Latin-1, Windows and ISO code pages, Shift-JIS, GB 18030, ...), UTF-16 and UTF-32.

    Raises:
      ValueError: there is no such encoding, or it keeps state across characters.
    """

    name: str = "utf-8"

    def __post_init__(self) -> None:
        try:
            name = codecs.lookup(self.name).name.removesuffix("-sig").replace("_", "-")
            # No text codec: hex, zip and the like. No plain ASCII: UTF-7, ISO-2022, EBCDIC.
            accepted = name in _WIDE or name in _BYTE_ORDER_MARKS or _is_ascii_transparent(name)
        except LookupError:
            raise ValueError(f"{self.name!r} is not a known encoding") from None
        if not accepted:
            raise ValueError(
                f"{self.name!r} cannot be cut into blocks; convert the text to UTF-8 first"
            )
        object.__setattr__(self, "name", name)

    @property
    def has_byte_order_mark(self) -> bool:
        """Whether a stream's first bytes tell the order of its code units."""
        return self.name in _BYTE_ORDER_MARKS

    def of_stream(self, head: bytes) -> "Encoding":
        """The encoding of the stream that begins with `head` (4 bytes): BOMs tell byte order.

        UTF-16 and UTF-32 without one are little-endian.
        """
        marks = _BYTE_ORDER_MARKS.get(self.name)
        if marks is None:
            return self
        return Encoding(next((name for bom, name in marks if head.startswith(bom)), marks[0][1]))

    @property
    def width(self) -> int:
        """Bytes in a code unit: 1, 2 or 4."""
        return _WIDE.get(self.name, (1, ""))[0]

    def find(self, what: str, data: bytes, start: int, stop: int, offset: int) -> int:
        """Where the first separator or newline that begins in ``data[start:stop]`` ends.

        Args:
          what: ``"separator"`` or ``"newline"``.
          offset: the position of ``data[0]`` in its file, for the alignment of wide units.

        Returns:
          An index into `data`, or -1.
        """
        width = self.width
        pattern = _pattern(what, *_WIDE.get(self.name, (1, "little")))
        for match in pattern.finditer(data, start, stop + width - 1):
            if (offset + match.start()) % width == 0:
                return match.end()
        return -1


def _is_ascii_transparent(name: str) -> bool:
    escapes = b"+AGE- \\u0061 \\x61 =61 %61"
    return escapes.decode(name, "ignore") == escapes.decode("ascii") and all(
        bytes([code]).decode(name, "ignore") == chr(code) for code in range(128)
    )


@functools.cache
def _pattern(what: str, width: int, order: str) -> re.Pattern[bytes]:
    units = b"[\n]" if what == "newline" else b"[" + re.escape(_SEPARATORS) + b"]"
    padding = b"\0" * (width - 1)
    return re.compile(units + padding if order == "little" else padding + units)


#: Name of the codec error handler that leaves bytes out and counts them.
DROP = "anagrams.drop"
_dropped = threading.local()


def _drop(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    # Where a codec of single bytes gives up depends on how much follows; one byte is always sure.
    wide = error.encoding.startswith(("utf-16", "utf-32"))
    end = error.end if wide else error.start + 1
    _dropped.count += end - error.start
    return "", end


codecs.register_error(DROP, _drop)


@contextlib.contextmanager
def counting_dropped() -> Iterator[Callable[[], int]]:
    """Yields a function that tells how many bytes `DROP` has left out on this thread since."""
    _dropped.count = 0
    yield lambda: int(_dropped.count)


def decode(data: bytes, encoding: str = "utf-8", errors: str = "replace") -> tuple[str, int]:
    """`data` -> its text, and how many bytes were no valid text and are left out of it.

    Raises:
      UnicodeDecodeError: under ``strict``, at the first such byte.
    """
    if errors == "strict":
        return data.decode(encoding), 0
    if encoding == "utf-8":  # fast, and as exact: the text's own bytes are those that are left
        text = data.decode(encoding, "ignore")
        return text, len(data) - len(text.encode())
    with counting_dropped() as dropped:
        return data.decode(encoding, DROP), dropped()
