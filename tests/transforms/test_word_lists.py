"""Word lists of every format give their entries, or are a clear error; nothing is guessed."""

import codecs
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.strategies import texts
from transforms import word_lists
from transforms.word_lists import UndecodableListError, check_codec


def parse_entries(content: bytes, path: str = "", encoding: str | None = None) -> list[str]:
    """All entries of a list."""
    return list(word_lists.parse_entries(content, path, encoding))


HUNSPELL = "3\nlisten/DRSMZG\nsilent/MD\tpo:adj\ncat\tpo:noun is:plural\n"


@pytest.mark.parametrize(
    ("content", "entries"),
    [
        ("cat\nact\n", ["cat", "act"]),
        ("cat\r\nact", ["cat", "act"]),
        ("\ufeffcat\r\n\r\n  act \t\n\n", ["cat", "act"]),
        ("cat\ncat\nCat\n", ["cat", "cat", "Cat"]),
        ("", []),
        ("\n \n\t\r\n", []),
        ("# a list\n#\ncat\n  # more\nact # an animal\ndo#g\n#dog", ["cat", "act", "do#g"]),
        ("c\0at\nact", ["c\0at", "act"]),
        ("x" * 1_000_000 + "\ncat", ["x" * 1_000_000, "cat"]),
        ("[sic]\ncat", ["[sic]", "cat"]),
        ("{cat\n", ["{cat"]),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_text_has_an_entry_in_each_line(content: str, entries: list[str]) -> None:
    assert parse_entries(content.encode()) == entries
    assert parse_entries(content.encode(), "list.txt") == entries


@pytest.mark.parametrize(
    ("content", "entries"),
    [
        (HUNSPELL, ["listen", "silent", "cat"]),
        (HUNSPELL.replace("\n", "\r\n"), ["listen", "silent", "cat"]),
        ("\ufeff" + HUNSPELL, ["listen", "silent", "cat"]),
        ("# from a project\n2 \n\ncat/S # plural\nact\n", ["cat", "act"]),
        ("4\nTCP\\/IP/M\nand\\/or\na\\/b/1,2\ncat", ["TCP/IP", "and/or", "a/b", "cat"]),
        ("2\ncat po:noun\nsea cat/S po:noun st:cat", ["cat", "sea cat"]),
        ("49568\nlisten/DRSMZG\nsilent/MD", ["listen", "silent"]),
        ("1\nlisten/DRSMZG\nsilent/MD", ["listen", "silent"]),
        ("3\n/S\ncat/S", ["/S", "cat"]),
        ("0\n", []),
    ],
)
def test_flags_and_morphology_of_hunspell_are_left_out(content: str, entries: list[str]) -> None:
    for name in ("", "en_US.dic", "words.txt", "EN.DIC.gz"):
        assert parse_entries(content.encode(), name) == entries


def test_a_list_named_dic_has_flags_also_without_a_count() -> None:
    assert parse_entries(b"listen/DRSMZG\nsilent/MD", "en.dic") == ["listen", "silent"]
    assert parse_entries(b"listen/DRSMZG\nsilent/MD", "en.txt") == ["listen/DRSMZG", "silent/MD"]


def test_a_list_that_begins_with_a_number_is_no_list_of_hunspells() -> None:
    numbers = ["2", "1080", "&c", *("and/or" for _ in range(100))]
    assert parse_entries("\n".join(numbers).encode()) == numbers


@pytest.mark.parametrize(
    ("content", "entries"),
    [
        ('["cat", "act"]', ["cat", "act"]),
        ('\ufeff ["cat", "act", "cat"]\r\n', ["cat", "act", "cat"]),
        ('{"cat": 1, "act": null, "dog": "an animal", "cat": 2}', ["cat", "act", "dog"]),
        ('{"words": ["listen", "silent"]}', ["listen", "silent"]),
        ('{"data": {"words": {"listen": 1, "silent": 2}}}', ["listen", "silent"]),
        ('{"cat": 1}', ["cat"]),
        ('{"words": []}', []),
        ("[]", []),
        ('["ca\\u0000t", "# cat", "cat/S", "\\ud800"]', ["ca\0t", "# cat", "cat/S", "\ud800"]),
    ],
)
def test_json_is_an_array_or_an_object_of_words_or_a_wrapper_of_one(
    content: str, entries: list[str]
) -> None:
    for name in ("", "words.json", "words.JSON.gz", "words.txt"):
        assert parse_entries(content.encode(), name) == entries


@pytest.mark.parametrize(
    "content",
    [
        '{"description": "animals", "animals": ["cat", "dog"]}',
        '{"nouns": ["cat"], "verbs": ["listen"]}',
        '{"cat": {"pos": "noun"}, "dog": {"pos": "noun"}}',
        '[["cat", 1], ["act", 2]]',
        '[{"word": "cat"}]',
        '["cat", 3]',
        '{"words": [1, 2]}',
        "[" * 50 + "]" * 50,
    ],
)
def test_other_json_is_an_error_and_never_a_few_wrong_words(content: str) -> None:
    for name in ("words.json", "words", "words.txt"):
        with pytest.raises(ValueError, match="JSON"):
            parse_entries(content.encode(), name)


@pytest.mark.parametrize("content", ['["cat", ', "cat\nact", "", "3", '"cat"', "1" * 5000])
def test_a_file_named_json_must_be_json(content: str) -> None:
    with pytest.raises(ValueError, match=r"JSON|Expecting|limit"):
        parse_entries(content.encode(), "words.json")


@pytest.mark.parametrize("codec", ["utf-8-sig", "utf-16", "utf-32", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("content", ["café\nact", '["café", "act"]', "2\ncafé/S\nact/M"])
def test_a_byte_order_mark_decides(codec: str, content: str) -> None:
    mark = {"utf-16-le": codecs.BOM_UTF16_LE, "utf-16-be": codecs.BOM_UTF16_BE}.get(codec, b"")
    assert parse_entries(mark + content.encode(codec)) == ["café", "act"]


@pytest.mark.parametrize("codec", ["latin-1", "cp1252", "utf-16-le", "cp500", "shift_jis", "utf-8"])
def test_a_named_codec_decides(codec: str) -> None:
    text = "act\ncat" if codec in ("shift_jis", "cp500") else "café\nact"
    assert parse_entries(text.encode(codec), "", codec) == text.split()


def test_a_byte_order_mark_is_no_part_of_a_word_under_a_named_codec() -> None:
    for codec in ("utf-8", "utf-8-sig", "utf-16"):
        data = "cat\nact".encode(codec)
        assert parse_entries(data if codec != "utf-8" else codecs.BOM_UTF8 + data, "", codec) == [
            "cat",
            "act",
        ]


@pytest.mark.parametrize(
    ("content", "encoding", "message"),
    [
        (b"cat\ncaf\xe9\n", None, "byte 7 is not valid utf-8"),
        (b"\xef\xbb\xbfcaf\xe9", None, "byte 6 is not valid utf-8"),
        (b"caf\xe9", "ascii", "byte 3 is not valid ascii"),
        (b"\xff\xfec\0a", None, "not valid utf-16"),
        (b"caf\xe9", "utf-32", "not valid utf-32"),
    ],
)
def test_what_is_not_valid_text_is_an_error(
    content: bytes, encoding: str | None, message: str
) -> None:
    with pytest.raises(UndecodableListError, match=message):
        parse_entries(content, "", encoding)


@pytest.mark.parametrize("codec", ["nosuch", "", "hex", "rot13", "a\0b", "undefined", "x" * 1000])
def test_what_is_no_codec_of_text_is_refused(codec: str) -> None:
    with pytest.raises(ValueError, match="is not a known encoding"):
        check_codec(codec)


@given(st.binary(max_size=60), st.sampled_from(["", "a.json", "a.dic", "a.txt"]))
def test_any_bytes_are_entries_or_an_error(content: bytes, name: str) -> None:
    try:
        entries = parse_entries(content, name)
    except (RecursionError, ValueError):
        return
    assert all(isinstance(entry, str) for entry in entries)


@given(st.lists(texts(6), max_size=6))
def test_json_gives_every_string_as_it_is(words: list[str]) -> None:
    assert parse_entries(json.dumps(words).encode()) == words
    assert parse_entries(json.dumps({"list": words}).encode(), "w.json") == words


@given(st.text("ab \n\r\x0b\x1c\u2028", max_size=12), st.integers(0, 4))
def test_a_long_text_is_split_into_the_same_lines(text: str, times: int) -> None:
    whole = (text + "x" * (1 << 15)) * times
    assert parse_entries(whole.encode()) == [
        line.strip() for line in whole.splitlines() if line.strip()
    ]
