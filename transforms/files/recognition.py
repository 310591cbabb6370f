"""Recognizes the format of a file by its first bytes: compressed, or a format that is not text.

Only these bytes decide, so the result is the same for every name, on every filesystem and for
standard input. Text is never taken for another format: if the first bytes of a signature could be
words, it continues with bytes that do not occur in text, unless the text quotes such a whole file.

To add a format, add it to `_FORMATS`, and a file of it to the tests.
"""

import re
import shlex
from typing import NamedTuple

#: How many bytes of a file are enough to recognize it.
HEAD_SIZE = 1024

# By Beam's names. Deflate has no signature, and LZMA (before xz) not always one, so these need an
# extension.
_COMPRESSIONS = {
    "gzip": re.compile(rb"\x1f\x8b\x08"),
    "bzip2": re.compile(rb"BZh[1-9](1AY&SY|\x17rE8P\x90)"),
    "lzma": re.compile(rb"\xfd7zXZ\x00|\x5d\x00\x00..\xff{8}", re.DOTALL),
    "zstd": re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18"),
}
_ANY_COMPRESSION = re.compile(
    b"|".join(b"(?:%s)" % each.pattern for each in _COMPRESSIONS.values()), re.DOTALL
)


class FormatError(ValueError):
    """A file is not text. The message says what it is, and how to extract its text.

    Args:
      reason: what it is.
      command: a command that prints its text, see `_Format`; empty if there is none.
      path: the path of the file.
    """

    def __init__(self, reason: str, command: str = "", path: str = ""):
        super().__init__(reason, command, path)
        self._reason, self._command, self._path = reason, command, path

    def __str__(self) -> str:
        return self.message(self._path)

    def message(self, path: str) -> str:
        """Returns the message for a file with the name `path`."""
        if not self._command:
            return self._reason
        command = self._command.format(shlex.quote(path))
        return f"{self._reason}; `{command}` prints what is in it"


class _Format(NamedTuple):
    """A format that is not text.

    Attributes:
      name: the name with its article.
      signature: matches the first bytes of all files of the format, and of no text.
      command: a command that prints the text in a file, whose path replaces ``{}``; empty if there
        is no common program for it.
    """

    name: str
    signature: "re.Pattern[bytes]"
    command: str = ""


def _format(name: str, signature: bytes, command: str = "") -> _Format:
    return _Format(name, re.compile(signature, re.DOTALL), command)


_TAR = _format("a tar archive", rb".{257}ustar(\x00|  \x00)", "tar -xOf {}")
_FORMATS = (
    # Archives, and compressions that are not supported here.
    _TAR,
    _format("an EPUB book", rb"PK\x03\x04.{26}mimetypeapplication/epub", "pandoc -t plain {}"),
    _format("an office document", rb"PK\x03\x04.{26}mimetypeapplication/", "pandoc -t plain {}"),
    _format("an office document", rb"PK\x03\x04.{26}(\[Content_T|_rels/)", "pandoc -t plain {}"),
    _format("a zip archive", rb"PK(\x03\x04|\x05\x06|\x07\x08)", "unzip -p {}"),
    _format("a 7z archive", rb"7z\xbc\xaf\x27\x1c", "7z x -so {}"),
    _format("a RAR archive", rb"Rar!\x1a\x07", "unrar p -inul {}"),
    _format("an ar archive", rb"!<arch>\n.{58}`\n", "ar p {}"),
    _format("a cabinet archive", rb"MSCF\x00{4}", "cabextract -p {}"),
    _format("an RPM package", rb"\xed\xab\xee\xdb"),
    _format("an lz4 file", rb"(\x04\x22|\x02\x21)\x4d\x18|\x03\x21\x4c\x18", "lz4 -dc {}"),
    _format("an lzip file", rb"LZIP[\x00\x01]", "lzip -dc {}"),
    _format("an lzop file", rb"\x89LZO\x00\r\n\x1a\n", "lzop -dc {}"),
    _format("a file of compress", rb"\x1f\x9d[\x09-\x10\x89-\x90]", "zcat {}"),
    _format("a Snappy file", rb"\xff\x06\x00\x00sNaPpY"),
    # Documents.
    _format("a PDF document", rb"%PDF-[12]\.\d\s.{0,900}?\d+ \d+ obj\b", "pdftotext {} -"),
    _format("an old office document", rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "catdoc {}"),
    _format("a DjVu document", rb"AT&TFORM.{4}DJV", "djvutxt {}"),
    _format("an e-book", rb".{60}(BOOKMOBI|TEXtREAd)\x00"),
    # Data.
    _format("a Parquet file", rb"PAR1\x15"),
    _format("an Avro file", rb"Obj\x01"),
    _format("an ORC file", rb"ORC.{0,60}\x00"),
    _format("an Arrow file", rb"ARROW1\x00\x00"),
    _format("an HDF5 file", rb"\x89HDF\r\n\x1a\n"),
    _format("a SQLite database", rb"SQLite format 3\x00"),
    # Images, sound, programs.
    _format("a PNG image", rb"\x89PNG\r\n\x1a\n"),
    _format("a JPEG image", rb"\xff\xd8\xff"),
    _format("a GIF image", rb"GIF8[79]a.{6}\x00"),
    _format("a TIFF image", rb"II\x2a\x00|MM\x00\x2a"),
    _format("a BMP image", rb"BM.{4}\x00{4}"),
    _format("a WebP image", rb"RIFF.{4}WEBPVP8"),
    _format("a sound file", rb"RIFF.{4}WAVEfmt |ID3[\x02-\x04]\x00|OggS\x00|fLaC\x00{3}"),
    _format("a video", rb"\x00{3}.ftyp|\x1a\x45\xdf\xa3|RIFF.{4}AVI LIST"),
    _format("a program", rb"\x7fELF|MZ\x90\x00|[\xce\xcf]\xfa\xed\xfe|\xca\xfe\xba\xbe"),
)
# All signatures in one expression, because nearly every file has none of them.
_ANY_FORMAT = re.compile(
    b"|".join(b"(?:%s)" % each.signature.pattern for each in _FORMATS), re.DOTALL
)
_NUMBER_IN_TAR = re.compile(rb" *([0-7]{1,7})[\x00 ]")


def compression_of(head: bytes) -> str | None:
    """Returns Beam's name of the compression of a file; None if it has none that is known.

    Args:
      head: its first bytes, `HEAD_SIZE` of them if it has so many.
    """
    if not _ANY_COMPRESSION.match(head):  # nearly always
        return None
    return next(name for name, signature in _COMPRESSIONS.items() if signature.match(head))


def check_text(head: bytes, path: str, *, compression: str | None = None) -> None:
    """Checks that a file may be text.

    Args:
      head: its first bytes, decompressed; `HEAD_SIZE` of them if it has so many.
      path: of the file.
      compression: how it was compressed, if it was.

    Raises:
      FormatError: it is something else.
    """
    inside = f" inside {compression}" if compression else ""
    if compression and (again := compression_of(head)):
        raise FormatError(f"{again}{inside}, compressed twice; decompress it once")
    found = None
    if _ANY_FORMAT.match(head):
        found = next(each for each in _FORMATS if each.signature.match(head))
    elif _is_old_tar(head):
        found = _TAR
    if found is None:
        return
    # Only tar can decompress by itself.
    command = found.command if found is _TAR or not compression else ""
    raise FormatError(f"{found.name}{inside}, not text", command, path)


def is_plain_text(head: bytes, path: str) -> bool:
    """Returns whether a file may be text that is not compressed.

    Args:
      head: its first bytes; `HEAD_SIZE` of them if it has so many.
      path: of the file.
    """
    if compression_of(head) is not None:
        return False
    try:
        check_text(head, path)
    except FormatError:
        return False
    return True


def _is_old_tar(head: bytes) -> bool:
    """Whether a file is a tar archive of the old format without a signature, by its checksum."""
    number = _NUMBER_IN_TAR.match(head, 148)
    if number is None or len(head) < 512 or b"\0" not in head[:512]:
        return False
    return sum(head[:148]) + 8 * ord(" ") + sum(head[156:512]) == int(number[1], 8)
