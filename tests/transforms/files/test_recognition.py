"""What is not text is recognized, whatever it is called, and text never is."""

import codecs
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.support.files import COMPRESSORS
from tests.support.formats import NOT_TEXT
from transforms.files.recognition import HEAD_SIZE, FormatError, check_text, compression_of

#: The first words of texts that begin like a file of another format.
BEGINNINGS = (
    *("BZh9", "BZh91AY", "PK", "PK\n", "%PDF", "%PDF-1.4", "GIF89a", "Rar!", "Obj", "PAR1", "ORC"),
    *(
        "MZ",
        "BM",
        "II*",
        "MM",
        "RIFF",
        "ID3",
        "OggS",
        "fLaC",
        "7z",
        "!<arch>\n",
        "AT&TFORM",
        "LZIP",
    ),
    *("LZIP", "ustar", "MSCF", "SQLite format 3", "ARROW1", "ELF", "JFIF", "x" * 257 + "ustar"),
    *(
        "0123456 " * 64,
        "BOOKMOBI",
        " " * 60 + "BOOKMOBI",
        "ftyp",
        "\x1f",
        "\ufeffPK",
        "ý7zXZ",
    ),
)
#: Characters of texts: white space, but no other control characters.
CHARACTERS = st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from("\t\n\v\f\r\x1c\x1f")


@pytest.mark.parametrize("name", NOT_TEXT)
def test_what_is_not_text_is_called_by_its_name(name: str) -> None:
    make, words = NOT_TEXT[name]
    with pytest.raises(FormatError, match=words):
        check_text(make()[:HEAD_SIZE], "file.txt")


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("gnu.tar", "`tar -xOf 'my file'`"),
        ("a.zip", "`unzip -p 'my file'`"),
        ("a.lz4", "`lz4 -dc 'my file'`"),
        ("a.pdf", "`pdftotext 'my file' -`"),
        ("a.docx", "`pandoc -t plain 'my file'`"),
    ],
)
def test_the_message_has_a_command_that_prints_the_text(name: str, command: str) -> None:
    with pytest.raises(FormatError, match="not text; ") as caught:
        check_text(NOT_TEXT[name][0]()[:HEAD_SIZE], "my file")
    assert command in str(caught.value)


@pytest.mark.parametrize("extension", [name for name in COMPRESSORS if name != "deflate"])
@given(data=st.binary(max_size=50))
def test_compressed_data_is_recognized(extension: str, data: bytes) -> None:
    names = {"gz": "gzip", "bz2": "bzip2", "zst": "zstd", "xz": "lzma"}
    assert compression_of(COMPRESSORS[extension](data)[:HEAD_SIZE]) == names[extension]


@example("BZh91AY&S Y", "utf-8")
@given(
    st.builds(str.__add__, st.sampled_from(["", *BEGINNINGS]), st.text(CHARACTERS, max_size=600)),
    st.sampled_from(["utf-8", "utf-8-sig", "latin-1", "gb18030", "utf-16", "utf-32", "utf-16-be"]),
)
def test_text_is_never_taken_for_anything_else(text: str, encoding: str) -> None:
    head = text.encode(encoding, "ignore")[:HEAD_SIZE]
    assert compression_of(head) is None
    check_text(head, "file.txt")


@given(st.text(max_size=300))
def test_text_with_control_characters_is_only_mistaken_by_a_whole_signature(text: str) -> None:
    if any(unicodedata.category(char) == "Cc" for char in text):
        check_text(text.encode()[:HEAD_SIZE], "file.txt")


@pytest.mark.parametrize("size", [0, 1, 3, 100, 511, 512, 513])
def test_a_short_beginning_is_no_error(size: int) -> None:
    for head in (bytes(size), b"\xff" * size, codecs.BOM_UTF16_LE[:size], b"0" * size):
        check_text(head, "file.txt")
