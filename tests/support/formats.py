"""Files of formats that are not text, made by the programs and libraries of these formats."""

import io
import sqlite3
import struct
import tarfile
import wave
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow
import pyarrow.feather
import pyarrow.orc
import pyarrow.parquet

TEXT = b"the cat sat\n" * 50


def tar(tar_format: int = tarfile.USTAR_FORMAT) -> bytes:
    """A tar archive with two texts in it."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tar_format) as archive:
        for name in ("a.txt", "b.txt"):
            member = tarfile.TarInfo(name)
            member.size = len(TEXT)
            archive.addfile(member, io.BytesIO(TEXT))
    return file.getvalue()


def old_tar() -> bytes:
    """A tar archive as it was before POSIX: without a signature, with the same checksum rule."""
    header = bytearray(tar()[:512])
    header[257:265] = bytes(8)
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header) + tar()[512:]


def zipped(first: str = "a.txt", content: bytes = TEXT) -> bytes:
    """A zip archive, or what is one inside."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(first, content)
        archive.writestr("more.xml", TEXT)
    return file.getvalue()


def empty_zip() -> bytes:
    file = io.BytesIO()
    zipfile.ZipFile(file, "w").close()
    return file.getvalue()


def _table() -> pyarrow.Table:
    return pyarrow.table({"word": ["cat", "act"], "count": [1, 2]})


def parquet() -> bytes:
    file = io.BytesIO()
    pyarrow.parquet.write_table(_table(), file)
    return file.getvalue()


def orc(compression: str = "uncompressed") -> bytes:
    file = io.BytesIO()
    pyarrow.orc.write_table(_table(), file, compression=compression)
    return file.getvalue()


def arrow() -> bytes:
    file = io.BytesIO()
    pyarrow.feather.write_feather(_table(), file)
    return file.getvalue()


def sqlite() -> bytes:
    connection = sqlite3.connect(":memory:")
    connection.execute("create table words (word text)")
    if hasattr(connection, "serialize"):
        return bytes(connection.serialize())
    return b"SQLite format 3\0" + bytes(100)  # Python 3.10


def lz4() -> bytes:
    file = pyarrow.BufferOutputStream()
    with pyarrow.CompressedOutputStream(file, "lz4") as compressed:
        compressed.write(TEXT)
    return bytes(file.getvalue())


def pdf() -> bytes:
    return b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<< /Type /Catalog >>\nendobj\n" + TEXT


def sound() -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setparams((1, 2, 8000, 0, "NONE", ""))
        writer.writeframes(bytes(100))
    return file.getvalue()


def program() -> bytes:
    with Path("/proc/self/exe").open("rb") as file:
        return file.read(4096)


_OFFICE = b"application/vnd.oasis.opendocument.text"
#: Name -> what makes a file of the format, and words that its error has.
NOT_TEXT: dict[str, tuple[Callable[[], bytes], str]] = {
    "ustar.tar": (tar, "tar archive"),
    "gnu.tar": (lambda: tar(tarfile.GNU_FORMAT), "tar archive"),
    "pax.tar": (lambda: tar(tarfile.PAX_FORMAT), "tar archive"),
    "old.tar": (old_tar, "tar archive"),
    "a.zip": (zipped, "zip archive"),
    "empty.zip": (empty_zip, "zip archive"),
    "a.docx": (lambda: zipped("[Content_Types].xml"), "office document"),
    "a.xlsx": (lambda: zipped("_rels/.rels"), "office document"),
    "a.odt": (lambda: zipped("mimetype", _OFFICE), "office document"),
    "a.epub": (lambda: zipped("mimetype", b"application/epub+zip"), "EPUB book"),
    "a.doc": (lambda: bytes.fromhex("d0cf11e0a1b11ae1") + bytes(504), "old office document"),
    "a.pdf": (pdf, "PDF document"),
    "a.7z": (lambda: b"7z\xbc\xaf\x27\x1c\0\4" + bytes(24), "7z archive"),
    "a.rar": (lambda: b"Rar!\x1a\x07\x01\0" + bytes(24), "RAR archive"),
    "a.deb": (lambda: b"!<arch>\n%-58s`\n2.0\n" % b"debian-binary", "ar archive"),
    "a.lz4": (lz4, "lz4 file"),
    "a.lz": (lambda: b"LZIP\x01\x0c" + bytes(30), "lzip file"),
    "a.Z": (lambda: b"\x1f\x9d\x90" + bytes(30), "file of compress"),
    "a.parquet": (parquet, "Parquet file"),
    "a.orc": (orc, "ORC file"),
    "zlib.orc": (lambda: orc("zlib"), "ORC file"),
    "a.avro": (lambda: b"Obj\x01\x04\x16avro.schema" + TEXT, "Avro file"),
    "a.arrow": (arrow, "Arrow file"),
    "a.sqlite": (sqlite, "SQLite database"),
    "a.png": (lambda: b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(30), "PNG image"),
    "a.jpg": (lambda: b"\xff\xd8\xff\xe0\0\x10JFIF\0" + bytes(30), "JPEG image"),
    "a.gif": (lambda: b"GIF89a" + struct.pack("<HHBBB", 1, 1, 0x80, 0, 0), "GIF image"),
    "a.wav": (sound, "sound file"),
    "a.mp4": (lambda: b"\0\0\0\x20ftypisom" + bytes(30), "video"),
    "program": (program, "program"),
}
