"""Encodings: which can be cut into blocks, at which bytes, and how text is decoded."""

import codecs
import contextlib
import functools
import itertools
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

#: What to do with bytes that are not valid in the encoding: ``replace`` deletes them from their
#: word, ``strict`` fails, ``quarantine`` sends the line they are in to the dead letters.
ERROR_POLICIES = ("replace", "strict", "quarantine")

# Blocks are cut at ASCII separators only: they are separators in every normalization, and in the
# encodings accepted here their bytes are never part of another character.
_SEPARATORS = b"\t\n\v\f\r\x1c\x1d\x1e\x1f -"
_WIDE = {
    "utf-16-le": (2, "little"),
    "utf-16-be": (2, "big"),
    "utf-32-le": (4, "little"),
    "utf-32-be": (4, "big"),
}
_BYTE_ORDER_MARKS = {
    # UTF-32 first, whose little-endian mark begins with that of UTF-16.
    "utf-32": ((codecs.BOM_UTF32_LE, "utf-32-le"), (codecs.BOM_UTF32_BE, "utf-32-be")),
    "utf-16": ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")),
}
_ALL_MARKS = tuple(mark for marks in _BYTE_ORDER_MARKS.values() for mark, _ in marks)


@dataclass(frozen=True)
class Encoding:
    """An encoding whose text can be cut at separators without decoding it.

    These are UTF-16, UTF-32, and all encodings in which each ASCII character is encoded as the same
    byte as in ASCII: UTF-8, Latin-1, Windows and ISO code pages, Shift-JIS, GB 18030 and others.

    Attributes:
      name: Python's name of the codec; a suffix ``-sig`` is removed.

    Raises:
      ValueError: if there is no such encoding, or if its text cannot be cut without decoding it.
    """

    name: str = "utf-8"

    def __post_init__(self) -> None:
        try:
            name = codecs.lookup(self.name).name.removesuffix("-sig").replace("_", "-")
            # This rejects codecs that are not for text (hex, zip), stateful ones (UTF-7, ISO-2022),
            # and those that are not supersets of ASCII (EBCDIC).
            accepted = name in _WIDE or name in _BYTE_ORDER_MARKS or _is_ascii_transparent(name)
        except LookupError:
            raise ValueError(f"{self.name!r} is not a known encoding") from None
        if not accepted:
            raise ValueError(
                f"{self.name!r} cannot be cut into blocks; convert the text to UTF-8 first"
            )
        object.__setattr__(self, "name", name)

    @classmethod
    def detect(cls, head: bytes) -> "Encoding":
        """Returns the encoding that the byte order mark of a stream indicates, otherwise UTF-8.

        Args:
          head: the first 4 bytes of the stream, or all of a shorter one.
        """
        if not head.startswith(_ALL_MARKS):  # as nearly always
            return _encoding("utf-8")
        marks = itertools.chain.from_iterable(_BYTE_ORDER_MARKS.values())
        return _encoding(next(name for mark, name in marks if head.startswith(mark)))

    def of_stream(self, head: bytes) -> "Encoding":
        """Returns this encoding with the byte order of one stream.

        UTF-16 and UTF-32 without a byte order mark are taken to be little-endian.

        Args:
          head: the first 4 bytes of the stream, or all of a shorter one.
        """
        marks = _BYTE_ORDER_MARKS.get(self.name)
        if marks is None:
            return self
        return _encoding(next((name for bom, name in marks if head.startswith(bom)), marks[0][1]))

    @property
    def width(self) -> int:
        """The size of a code unit in bytes: 1, 2 or 4."""
        return _WIDE.get(self.name, (1, ""))[0]

    def find(self, what: str, data: bytes, start: int, stop: int, offset: int) -> int:
        """Finds the first separator or line feed that begins in ``data[start:stop]``.

        Args:
          what: ``"separator"`` or ``"newline"``.
          data: encoded text, which may begin inside a code unit.
          start: index into `data` at which the search begins.
          stop: index into `data` at which the search ends.
          offset: position of ``data[0]`` in its file, in bytes. Code units of more than one byte
            are aligned in the file, not in `data`.

        Returns:
          The index into `data` after the character that was found, or -1.
        """
        width = self.width
        pattern = _pattern(what, *_WIDE.get(self.name, (1, "little")))
        for match in pattern.finditer(data, start, stop + width - 1):
            if (offset + match.start()) % width == 0:
                return match.end()
        return -1


@functools.cache
def _encoding(name: str) -> Encoding:
    return Encoding(name)  # cached, because its checks would take long for many small files


def _is_ascii_transparent(name: str) -> bool:
    """Whether every ASCII character is its own byte, and no sequence of them is an escape."""
    escapes = b"+AGE- \\u0061 \\x61 =61 %61"
    return escapes.decode(name, "ignore") == escapes.decode("ascii") and all(
        bytes([code]).decode(name, "ignore") == chr(code) for code in range(128)
    )


@functools.cache
def _pattern(what: str, width: int, order: str) -> re.Pattern[bytes]:
    units = b"[\n]" if what == "newline" else b"[" + re.escape(_SEPARATORS) + b"]"
    padding = b"\0" * (width - 1)
    return re.compile(units + padding if order == "little" else padding + units)


#: Name of the codec error handler that deletes invalid bytes and counts them.
DROP = "anagrams.drop"
_dropped = threading.local()


def _drop(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    # How many bytes the codec reports as invalid depends on how much of the text it has received.
    # The first one is always invalid, so only this one is deleted before decoding goes on.
    wide = error.encoding.startswith(("utf-16", "utf-32"))
    end = error.end if wide else error.start + 1
    _dropped.count += end - error.start
    return "", end


codecs.register_error(DROP, _drop)


@contextlib.contextmanager
def counting_dropped() -> Iterator[Callable[[], int]]:
    """Counts the bytes that the error handler `DROP` deletes on this thread.

    Yields:
      A function that returns how many bytes there have been since the ``with`` was entered.
    """
    _dropped.count = 0
    yield lambda: int(_dropped.count)


def decode(data: bytes, encoding: str = "utf-8", errors: str = "replace") -> tuple[str, int]:
    """Decodes text that may have invalid bytes.

    Args:
      data: encoded text.
      encoding: Python's name of its encoding.
      errors: ``replace`` deletes invalid bytes, ``strict`` raises at the first one.

    Returns:
      The text, and the number of invalid bytes that were deleted from it.

    Raises:
      UnicodeDecodeError: if there is an invalid byte and `errors` is ``strict``.
    """
    if errors == "strict":
        return data.decode(encoding), 0
    if encoding == "utf-8":
        # Fast, and exact: "ignore" keeps the bytes of valid characters and no others.
        text = data.decode(encoding, "ignore")
        return text, len(data) - len(text.encode())
    with counting_dropped() as dropped:
        return data.decode(encoding, DROP), dropped()
