"""Encodings are accepted if they can be cut at ASCII separators; decoding counts invalid bytes."""

import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.text.encoding import Encoding, decode

ASCII_SEPARATORS = "\t\n\v\f\r\x1c\x1d\x1e\x1f -"


@pytest.mark.parametrize(
    ("name", "resolved"),
    [
        ("utf-8", "utf-8"),
        ("UTF8", "utf-8"),
        ("utf_8_sig", "utf-8"),
        ("ascii", "ascii"),
        ("latin-1", "iso8859-1"),
        ("cp1252", "cp1252"),
        ("KOI8-R", "koi8-r"),
        ("shift_jis", "shift-jis"),
        ("euc_jp", "euc-jp"),
        ("euc_kr", "euc-kr"),
        ("big5", "big5"),
        ("gb18030", "gb18030"),
        ("utf-16", "utf-16"),
        ("UTF-16LE", "utf-16-le"),
        ("utf-16-be", "utf-16-be"),
        ("utf-32", "utf-32"),
        ("utf_32_le", "utf-32-le"),
        ("utf-32-be", "utf-32-be"),
    ],
)
def test_encodings_that_can_be_cut_are_accepted(name: str, resolved: str) -> None:
    assert Encoding(name).name == resolved
    assert codecs.lookup(resolved) == codecs.lookup(name.replace("_sig", ""))


@pytest.mark.parametrize(
    "name",
    [
        *("utf-7", "iso2022_jp", "iso2022_kr", "hz", "punycode", "idna"),  # keep state
        *("cp037", "cp500", "cp1026", "cp864"),  # ASCII characters are other bytes
        *("unicode_escape", "raw_unicode_escape"),  # ASCII bytes are other characters
        *("hex", "base64", "zip", "bz2", "rot13", "uu", "quopri"),  # no text encodings
        *("undefined", "", "utf-9", "nonsense", "no such", "ü", "a\0b", "../etc"),
    ],
)
def test_other_encodings_are_refused(name: str) -> None:
    with pytest.raises(ValueError):
        Encoding(name)


@pytest.mark.parametrize("name", ["utf-7", "cp037", "nonsense", "hex"])
def test_a_refused_encoding_is_named(name: str) -> None:
    with pytest.raises(ValueError, match=repr(name)):
        Encoding(name)


@pytest.mark.parametrize(
    ("name", "head", "resolved"),
    [
        ("utf-16", codecs.BOM_UTF16_LE + b"c\0", "utf-16-le"),
        ("utf-16", codecs.BOM_UTF16_BE + b"\0c", "utf-16-be"),
        ("utf-16", codecs.BOM_UTF32_LE, "utf-16-le"),
        ("utf-16", b"c\0a\0", "utf-16-le"),
        ("utf-16", b"", "utf-16-le"),
        ("utf-32", codecs.BOM_UTF32_LE, "utf-32-le"),
        ("utf-32", codecs.BOM_UTF32_BE, "utf-32-be"),
        ("utf-32", b"c\0\0\0", "utf-32-le"),
        ("utf-16-be", codecs.BOM_UTF16_LE, "utf-16-be"),
        ("utf-8", codecs.BOM_UTF16_LE, "utf-8"),
    ],
)
def test_byte_order_marks_tell_the_byte_order(name: str, head: bytes, resolved: str) -> None:
    assert Encoding(name).of_stream(head).name == resolved


@pytest.mark.parametrize(
    ("head", "detected"),
    [
        (codecs.BOM_UTF8 + b"c", "utf-8"),
        (codecs.BOM_UTF16_LE + b"c\0", "utf-16-le"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE + b"\0c", "utf-16-be"),
        (codecs.BOM_UTF32_LE + b"c\0\0\0", "utf-32-le"),
        (codecs.BOM_UTF32_BE + b"\0\0\0c", "utf-32-be"),
        (b"c\0a\0", "utf-8"),
        (b"\xff", "utf-8"),
        (b"", "utf-8"),
    ],
)
def test_a_byte_order_mark_tells_the_encoding(head: bytes, detected: str) -> None:
    assert Encoding.detect(head).name == detected


@pytest.mark.parametrize(
    ("name", "width"), [("utf-8", 1), ("gb18030", 1), ("utf-16-be", 2), ("utf-32-le", 4)]
)
def test_width_is_that_of_a_code_unit(name: str, width: int) -> None:
    assert Encoding(name).width == width


@pytest.mark.parametrize("name", ["utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@given(
    text=st.text(st.sampled_from(ASCII_SEPARATORS + "aé漢\u0a00\u2000\u0d0a\u200a😀"), max_size=12),
    skipped=st.integers(0, 5),
)
def test_separators_are_found_whole_and_aligned(name: str, text: str, skipped: int) -> None:
    encoding = Encoding(name)
    data = text.encode(name)
    ends = [
        len(text[: index + 1].encode(name))
        for index, char in enumerate(text)
        if char in ASCII_SEPARATORS
    ]
    newlines = [end for end in ends if data[:end].decode(name).endswith("\n")]
    # The data may begin inside a code unit: its offset in the file tells where units begin.
    skipped = min(skipped, len(data))
    for what, expected in (("separator", ends), ("newline", newlines)):
        found, start = [], 0
        while (end := encoding.find(what, data[skipped:], start, len(data), skipped)) >= 0:
            found.append(end + skipped)
            start = end
        begins = [end for end in expected if end - encoding.width >= skipped]
        assert found == begins


@given(st.binary(max_size=40))
def test_decoding_deletes_invalid_bytes_and_counts_them(data: bytes) -> None:
    text, invalid = decode(data)
    assert text == data.decode("utf-8", "ignore")
    assert invalid == len(data) - len(text.encode())


@pytest.mark.parametrize(
    ("data", "encoding", "expected"),
    [
        (b"", "utf-8", ("", 0)),
        (b"c\xffa\xfet", "utf-8", ("cat", 2)),
        (b"\xe2\x82 \xc3", "utf-8", (" ", 3)),
        (b"\xed\xa0\x80cat", "utf-8", ("cat", 3)),
        (b"caf\xe9", "latin-1", ("café", 0)),
        (b"caf\x81", "cp1252", ("caf", 1)),
        (b"caf\xe9", "ascii", ("caf", 1)),
        (b"c\0\0\xd8a\0t", "utf-16-le", ("ca", 3)),
        (b"\0\0\0c\0\x11\0\0", "utf-32-be", ("c", 4)),
    ],
)
def test_invalid_bytes_of_known_texts(
    data: bytes, encoding: str, expected: tuple[str, int]
) -> None:
    assert decode(data, encoding) == decode(data, encoding, "replace") == expected


def test_counts_of_one_call_do_not_reach_the_next() -> None:
    assert decode(b"\xff\xff") == ("", 2)
    assert decode(b"\xff") == ("", 1)
    assert decode(b"cat") == ("cat", 0)


@given(st.text(max_size=20))
def test_strict_decodes_valid_text(text: str) -> None:
    assert decode(text.encode(), errors="strict") == (text, 0)


def test_strict_fails_at_the_first_invalid_byte() -> None:
    with pytest.raises(UnicodeDecodeError) as caught:
        decode(b"cat \xff\xfe", errors="strict")
    assert caught.value.start == 4
