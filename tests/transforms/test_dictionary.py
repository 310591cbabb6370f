"""Dictionaries hold the words of the contract, from every kind of source, or are a clear error."""

import hashlib
import json
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from string import ascii_lowercase
from typing import Any

import pytest
from english_words import get_english_words_set
from hypothesis import given
from hypothesis import strategies as st

from tests.support import reference
from tests.support.cli import ROOT
from tests.support.files import COMPRESSORS
from tests.support.strategies import texts
from transforms.dictionary import (
    Dictionary,
    DictionarySpec,
    accept,
    accepted_words,
    group,
    is_word,
)
from transforms.errors import DictionaryError, UndecodableDictionaryError
from transforms.text.normalize import MAX_WORD_LENGTH, NORMALIZATIONS
from transforms.text.signature import signature

ANIMALS = {"act": ("act", "cat"), "dgo": ("dog",)}


def members(spec: str, normalization: str = "unicode") -> list[str]:
    classes = DictionarySpec(spec, normalization).load().classes
    return sorted(word for words in classes.values() for word in words)


def test_gcide_has_the_numbers_of_the_contract() -> None:
    raw = get_english_words_set(["gcide"])
    loaded = DictionarySpec().load()
    assert len(raw) == 115_325
    assert sum(map(is_word, raw)) == 105_927
    assert loaded.size == 105_381
    assert len(loaded.classes) == 97_527
    assert loaded.classes["act"] == ("act", "cat", "tac")


@pytest.mark.parametrize(
    ("spec", "normalization"),
    [
        ("gcide", "unicode"),
        ("gcide", "ascii"),
        ("web2", "ascii"),
        pytest.param("gcide+web2", "unicode", marks=pytest.mark.slow),
    ],
)
def test_word_lists_and_unions_are_those_of_the_reference(spec: str, normalization: str) -> None:
    expected = reference.dictionary_words(spec, normalization)
    assert set(members(spec, normalization)) == expected
    assert DictionarySpec(spec, normalization).load().size == len(expected)


def test_the_order_of_a_union_does_not_matter() -> None:
    union = DictionarySpec("gcide+web2").load()
    assert DictionarySpec("web2+gcide").load().classes == union.classes
    assert DictionarySpec("gcide+web2+gcide").load().sha256() == union.sha256()


def test_classes_list_sorted_words_under_their_signature() -> None:
    for key, words in DictionarySpec("gcide+web2").load().classes.items():
        assert list(words) == sorted(set(words))
        assert {signature(word) for word in words} == {key}


@pytest.mark.parametrize("entry", ["cat", "Cat", "don't", "don’t", "o'", "éa", "e\u0301", "漢字"])
def test_letters_marks_and_apostrophes_make_a_word(entry: str) -> None:
    assert is_word(entry)
    assert reference.accepts(entry)


@pytest.mark.parametrize(
    "entry",
    ["a b", "a-b", "a–b", "mp3", "e.g.", "<eacute/", "a_b", "x²", "a\u200db", "ca\tt", "a\n"],
)
def test_any_other_character_makes_an_entry_no_word(entry: str) -> None:
    assert not is_word(entry)
    assert not reference.accepts(entry)


@given(st.one_of(texts(4), st.text("aé\u0301'’ -1", max_size=5)))
def test_entries_are_accepted_as_the_reference_does(entry: str) -> None:
    has_letter = any(char not in "'’" for char in entry)
    assert is_word(entry) == (has_letter and reference.accepts(entry))


@given(st.lists(st.one_of(texts(3), st.text("abcé'-1", max_size=4)), max_size=8))
def test_accepted_entries_are_normalized_and_grouped(entries: list[str]) -> None:
    for normalization in NORMALIZATIONS:
        expected: dict[str, set[str]] = {}
        for entry in filter(reference.accepts, entries):
            for word in reference.words(entry, normalization):
                expected.setdefault("".join(sorted(word)), set()).add(word)
        assert group(accepted_words(entries, normalization)) == {
            key: tuple(sorted(words)) for key, words in expected.items()
        }


@given(st.sets(st.text("abc", min_size=1, max_size=4)), st.lists(st.text("abc", max_size=5)))
def test_members_do_not_depend_on_earlier_lookups(words: set[str], asked: list[str]) -> None:
    dictionary, expected = Dictionary(DictionarySpec("list"), words), group(words)
    for key in map(signature, asked):
        assert dictionary.members(key) == expected.get(key, ())
    assert dictionary.classes == expected
    assert dictionary.size == len(words)


@pytest.mark.slow
def test_threads_may_look_up_classes_at_the_same_time(gcide: frozenset[str]) -> None:
    keys = sorted({signature(word) for word in gcide}, key=hash)
    for _ in range(3):
        dictionary = Dictionary(DictionarySpec(), gcide)
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(dictionary.members, keys, chunksize=1000))
        assert found == list(map(dictionary.classes.get, keys))


def test_entries_too_long_to_match_are_left_out() -> None:
    longest = "a" * MAX_WORD_LENGTH
    assert accepted_words([longest, longest + "a"]) == {longest}


@pytest.mark.parametrize(
    "content",
    [
        "cat\nact\ndog\n",
        "cat\r\nact\r\ndog",
        "\ufeffcat\nact\ndog\n",
        "  cat \n\nact\t\ndog\ncat\n",
        "Cat\nACT\nDog\nmp3\nsea cat\n<eacute/\n",
        "c'at\nact\ndog",
    ],
    ids=["plain", "CRLF", "BOM", "blank", "upper case and rejected", "apostrophe"],
)
def test_word_per_line_files_are_read(content: str, tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_bytes(content.encode())
    assert DictionarySpec(str(path)).load().classes == ANIMALS


@pytest.mark.parametrize("extension", COMPRESSORS)
@pytest.mark.parametrize("name", ["list.txt", "list.json"])
def test_compressed_files_are_read(name: str, extension: str, tmp_path: Path) -> None:
    path = tmp_path / f"{name}.{extension}"
    content = b"cat\nact\ndog\n" if name == "list.txt" else b'["cat", "act", "dog"]'
    path.write_bytes(COMPRESSORS[extension](content))
    assert DictionarySpec(str(path)).load().classes == ANIMALS


@pytest.mark.parametrize(
    "content",
    ['["cat", "act", "dog"]', '{"cat": 1, "act": null, "dog": "x"}', '\ufeff["cat","act","dog"]'],
)
def test_json_arrays_and_objects_are_read(content: str, tmp_path: Path) -> None:
    path = tmp_path / "words.JSON"
    path.write_bytes(content.encode())
    assert DictionarySpec(str(path)).load().classes == ANIMALS


def test_a_path_can_be_joined_with_a_word_list(tmp_path: Path) -> None:
    path = tmp_path / "more.txt"
    path.write_text("tca\ncta\n")
    assert DictionarySpec(f"gcide+{path}").load().classes["act"] == (
        "act", "cat", "cta", "tac", "tca",
    )  # fmt: skip


def test_a_file_may_have_a_plus_sign_in_its_name(tmp_path: Path) -> None:
    path = tmp_path / "a+b.txt"
    path.write_text("cat\nact\ndog\n")
    assert DictionarySpec(str(path)).load().classes == ANIMALS


def test_ascii_normalization_deletes_other_letters(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_text("café\ncaf\n漢\n", encoding="utf-8")
    assert members(str(path), "ascii") == ["caf"]
    assert members(str(path), "unicode") == ["caf", "café", "漢"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.txt", b""),
        ("blank.txt", b"\n \n\t\n"),
        ("numbers.txt", b"1\n2\n3-4\n"),
        ("latin1.txt", b"caf\xe9\n"),
        ("binary.txt", bytes(range(256))),
        ("broken.json", b'["cat", '),
        ("number.json", b"3"),
        ("string.json", b'"cat"'),
        ("mixed.json", b'["cat", 3]'),
        ("none.json", b"[]"),
        ("plain.txt.gz", b"cat\n"),
        ("cut.txt.gz", COMPRESSORS["gz"](b"cat\nact\n")[:-5]),
    ],
)
def test_a_file_without_usable_words_is_one_clear_error(
    name: str, content: bytes, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DictionaryError) as caught:
        DictionarySpec(str(path)).load()
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    assert "--" not in str(caught.value), "the command line adds its options"


@pytest.mark.parametrize(
    "spec", ["", "gcid", "no/such/file", "gcide+", "gcide+none", "none+web2", "/", "nofs://x/y"]
)
def test_what_is_no_dictionary_is_one_clear_error(spec: str) -> None:
    with pytest.raises(DictionaryError) as caught:
        DictionarySpec(spec).load()
    assert str(caught.value).startswith(f"{spec}: ")
    assert all(part in str(caught.value) for part in spec.split("+"))
    assert "\n" not in str(caught.value)


def test_a_dictionary_is_loaded_once(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_text("cat\n")
    pinned = DictionarySpec(str(path)).pinned()
    loaded = pinned.load()
    assert DictionarySpec(str(path)).load() is loaded
    path.unlink()
    assert pinned.load() is loaded
    assert pinned.pinned() is pinned
    assert DictionarySpec("gcide").load() is DictionarySpec().load()


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    for word in ("cat", "tac", "cat"):
        path.write_text(f"{word}\n")
        os.utime(path, ns=(0, 0))  # neither its size nor its time tells
        assert members(str(path)) == [word]


def test_a_file_that_changes_during_a_run_is_an_error_on_workers(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_text("cat\n")
    pinned = DictionarySpec(str(path)).pinned()
    path.write_text("act\n")
    in_a_worker = f"import pickle; pickle.loads({pickle.dumps(pinned)!r}).load()"
    finished = subprocess.run([sys.executable, "-c", in_a_worker], capture_output=True, cwd=ROOT)
    assert f"{path}: has changed since the run began" in finished.stderr.decode()


def test_a_process_keeps_few_dictionaries(tmp_path: Path) -> None:
    specs = [DictionarySpec.of([word]) for word in ascii_lowercase]
    loaded = [spec.load() for spec in specs]
    assert specs[-1].load() is loaded[-1]
    assert specs[0].load() is not loaded[0]


def test_a_union_has_the_words_of_all(tmp_path: Path) -> None:
    first, second = tmp_path / "a+b.txt", tmp_path / "c.json"
    first.write_text("cat\nmp3\n")
    second.write_text('["Act", "cat"]')
    spec = DictionarySpec.union([str(first), str(second)])
    assert spec.load().classes == {"act": ("act", "cat")}
    assert [(one.name, one.entries, one.rejected) for one in spec.load().sources] == [
        (str(first), 2, 1),
        (str(second), 2, 0),
    ]
    assert spec.load().sources[0].examples == ("mp3",)
    assert str(spec) == f"{first}+{second} (unicode)"
    both = DictionarySpec.union(["gcide", str(first), "web2+gcide"], "ascii").load()
    lists = DictionarySpec("gcide+web2", "ascii").load()
    assert set(both.classes) == set(lists.classes)
    assert DictionarySpec.union(["gcide", "web2"]) == DictionarySpec("gcide+web2")
    assert DictionarySpec.union(["none"]).is_corpus


@pytest.mark.parametrize(
    ("specs", "begin"),
    [
        (["gcide", "nosuch"], "nosuch: cannot be read"),
        (["web2+nosuch", "gcide"], "web2+nosuch: 'nosuch' cannot be read"),
        (["gcide", "none"], "none: cannot be joined"),
        (["none", "none"], "none: cannot be joined"),
        (["gcide", "gcide+none"], "gcide+none: 'none' cannot be joined"),
        (["gcide", ""], ": cannot be read"),
    ],
)
def test_an_error_of_a_union_begins_with_the_specification_at_fault(
    specs: list[str], begin: str
) -> None:
    with pytest.raises(DictionaryError) as caught:
        DictionarySpec.union(specs).load()
    assert str(caught.value).startswith(begin)


def test_a_source_without_words_is_an_error_also_in_a_union(tmp_path: Path) -> None:
    path = tmp_path / "numbers.txt"
    path.write_text("a1\n23\n")
    with pytest.raises(DictionaryError) as caught:
        DictionarySpec.union(["gcide", str(path)]).load()
    assert str(caught.value) == f"{path}: no usable word in 2 entries, such as 'a1'"
    with pytest.raises(DictionaryError) as caught:
        DictionarySpec(f"gcide+{path}").load()
    assert str(caught.value).startswith(f"gcide+{path}: '{path}' has no usable word in 2 entries")


def test_a_file_of_another_encoding_is_read_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "latin.txt"
    path.write_bytes("café\nface\n".encode("latin-1"))
    with pytest.raises(UndecodableDictionaryError, match="byte 3 is not valid utf-8"):
        DictionarySpec(str(path)).load()
    assert DictionarySpec(str(path), encoding="latin-1").load().size == 2
    with pytest.raises(ValueError, match="'nosuch' is not a known encoding"):
        DictionarySpec(str(path), encoding="nosuch")


def test_a_pipe_is_read_once(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(b"cat\nact\ndog",), daemon=True)
    writer.start()
    assert DictionarySpec(str(path)).load().classes == ANIMALS


def test_reading_is_retried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "list.txt"
    path.write_text("cat\n")
    faults = [OSError(5, "I/O error"), OSError(5, "I/O error")]

    def open_raw(path: str, buffering: int = -1, **_: Any) -> Any:
        if faults:
            raise faults.pop()
        return open(path, "rb", buffering)

    monkeypatch.setattr("transforms.files.retrying_file.open_raw", open_raw)
    assert members(str(path)) == ["cat"]
    assert not faults


@given(st.lists(st.one_of(texts(3), st.text("abé漢'-1", max_size=4)), max_size=8))
def test_rejected_entries_are_counted_and_shown(entries: list[str]) -> None:
    for normalization in NORMALIZATIONS:
        rejected = [
            entry
            for entry in entries
            if not (reference.accepts(entry) and reference.words(entry, normalization))
        ]
        usable, source = accept(entries, normalization, "list")
        assert set(usable) == accepted_words(entries, normalization)
        assert (source.name, source.entries, source.rejected) == (
            "list",
            len(entries),
            len(rejected),
        )
        assert bool(source.examples) == bool(rejected)
        assert set(source.examples) <= set(rejected)


def test_examples_of_rejected_entries_are_few_and_short() -> None:
    _, source = accept([f"{number}" * 50 for number in range(9)])
    assert source.rejected == 9
    assert source.examples == tuple(f"{number}" * 39 + "…" for number in range(5))
    assert accept({"b1", "a1", "c1"})[1].examples == ("a1", "b1", "c1")
    long = "a" * (MAX_WORD_LENGTH + 1)
    assert accept([long])[1].rejected == 1


def test_a_dictionary_that_failed_to_load_can_be_loaded_later(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    with pytest.raises(DictionaryError):
        DictionarySpec(str(path)).load()
    path.write_text("cat\n")
    assert DictionarySpec(str(path)).load().size == 1


def test_identity_is_the_hash_of_the_sorted_words(tmp_path: Path) -> None:
    path = tmp_path / "words.json"
    path.write_text(json.dumps(["dog", "Cat", "act", "act", "x1"]))
    loaded = DictionarySpec(str(path)).load()
    assert loaded.size == 3
    assert loaded.spec == DictionarySpec(str(path)).pinned()
    assert loaded.sha256() == hashlib.sha256(b"act\ncat\ndog\n").hexdigest()


def test_identity_of_a_word_list_is_that_of_the_reference(gcide: frozenset[str]) -> None:
    lines = "".join(f"{word}\n" for word in sorted(gcide))
    assert DictionarySpec().load().sha256() == hashlib.sha256(lines.encode()).hexdigest()


def test_only_none_means_the_words_of_the_text() -> None:
    assert DictionarySpec("none").is_corpus
    assert not DictionarySpec("gcide").is_corpus


def test_unknown_normalization_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"normalization='nfc'.*unicode.*ascii"):
        DictionarySpec(normalization="nfc")


#: Iterables of the same words: ordered or not, to be read once or often, and an open file.
ITERABLES: dict[str, Callable[[Path], Iterable[str]]] = {
    "list": lambda folder: ["dog", "Cat", "act", "cat", "mp3", "sea cat"],
    "tuple": lambda folder: ("cat", "act", "dog"),
    "set": lambda folder: {"cat", "act", "dog"},
    "keys": lambda folder: {"cat": 1, "act": 2, "dog": 3},
    "generator": lambda folder: (word for word in ["cat", "act", "dog"]),
    "lines of a file": lambda folder: opened(folder / "list.txt", "cat\nact\ndog"),
}


def opened(path: Path, content: str) -> Iterable[str]:
    path.write_text(content)
    with path.open() as file:
        yield from file


@pytest.mark.parametrize("kind", ITERABLES)
def test_any_iterable_of_words_is_a_dictionary(kind: str, tmp_path: Path) -> None:
    spec = DictionarySpec.of(ITERABLES[kind](tmp_path))
    assert spec.words == ("act", "cat", "dog")
    assert spec == DictionarySpec.of(["act", "cat", "dog"])
    assert hash(spec) == hash(DictionarySpec.of(["act", "cat", "dog"]))
    loaded = spec.load()
    assert (loaded.classes, loaded.size, loaded.spec) == (ANIMALS, 3, spec)
    assert loaded.sha256() == hashlib.sha256(b"act\ncat\ndog\n").hexdigest()
    assert spec.load() is loaded


def test_given_words_show_their_number_and_not_themselves() -> None:
    spec = DictionarySpec.of(["cat", "act", "tac", "dog", "Cat", "mp3"])
    assert str(spec) == "4 words (unicode)"
    assert str(DictionarySpec.of(["cat"], "ascii")) == "1 word (ascii)"
    assert "tac" not in repr(spec)
    assert not spec.is_corpus


def test_given_words_differ_from_others_and_from_a_file_of_that_name() -> None:
    spec = DictionarySpec.of(["cat"])
    others = [DictionarySpec.of(["dog"]), DictionarySpec.of(["cat"], "ascii")]
    for other in [*others, DictionarySpec("1 word")]:
        assert spec != other


@given(st.lists(st.one_of(texts(3), st.text("abcé'-1 \n", max_size=4)), max_size=8))
def test_given_words_are_accepted_as_the_reference_does(entries: list[str]) -> None:
    for normalization in NORMALIZATIONS:
        expected = {
            word
            for entry in map(str.strip, entries)
            if reference.accepts(entry)
            for word in reference.words(entry, normalization)
        }
        if not expected:
            with pytest.raises(DictionaryError, match=r"^the given words: no usable word in "):
                DictionarySpec.of(entries, normalization)
            continue
        spec = DictionarySpec.of(iter(entries), normalization)
        assert spec.words == tuple(sorted(expected))
        assert spec == DictionarySpec.of(expected, normalization)
        assert spec.load().classes == group(expected)
        back = pickle.loads(pickle.dumps(spec))
        assert (back, hash(back)) == (spec, hash(spec))
        assert back.load() is spec.load()


@given(entries=st.lists(st.text("abcé'’-1 ", max_size=4), min_size=1, max_size=8))
def test_given_words_are_those_of_a_file_with_the_same_entries(
    entries: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("lists") / "list.txt"
    path.write_text("\n".join(entries), encoding="utf-8")
    try:
        expected = DictionarySpec(str(path)).load().classes
    except DictionaryError:
        with pytest.raises(DictionaryError):
            DictionarySpec.of(entries)
    else:
        assert DictionarySpec.of(entries).load().classes == expected


def test_a_specification_can_be_given_as_it_is() -> None:
    assert DictionarySpec.of("gcide+web2", "ascii") == DictionarySpec("gcide+web2", "ascii")
    assert DictionarySpec.of("none").is_corpus
    for spec in (DictionarySpec("web2", "ascii"), DictionarySpec.of(["cat"], "ascii")):
        assert DictionarySpec.of(spec) is spec
        assert DictionarySpec.of(spec, "ascii") is spec
        with pytest.raises(ValueError, match=r"normalization='unicode'.*'ascii'"):
            DictionarySpec.of(spec, "unicode")


def test_a_path_is_a_file_even_with_the_name_of_a_word_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("list.txt", "gcide", "none", "gcide+web2", "a+b"):
        path = Path(name)
        path.write_text("cat\nact\ndog\n")
        assert DictionarySpec.of(path).load().classes == ANIMALS
        assert not DictionarySpec.of(path).is_corpus
    assert DictionarySpec.of(tmp_path / "list.txt") == DictionarySpec(str(tmp_path / "list.txt"))
    with os.scandir(tmp_path) as entries:
        assert DictionarySpec.of(next(entries)).load().classes == ANIMALS


@pytest.mark.parametrize("wrong", [None, 3, 1.5, object(), b"cat", bytearray(b"cat")])
def test_what_cannot_be_a_dictionary_is_a_type_error(wrong: Any) -> None:
    with pytest.raises(TypeError, match=rf"str.*PathLike.*iterable.*{type(wrong).__name__}"):
        DictionarySpec.of(wrong)


@pytest.mark.parametrize("entries", [[b"cat"], ["cat", 3], [None], ["cat", ["act"]]])
def test_a_word_that_is_no_string_is_a_type_error(entries: list[Any]) -> None:
    with pytest.raises(TypeError, match="is a str, not "):
        DictionarySpec.of(entries)


def test_an_unknown_normalization_of_given_words_is_refused_by_name() -> None:
    for dictionary in (["cat"], "gcide", Path("list.txt")):
        with pytest.raises(ValueError, match="normalization='nfc'"):
            DictionarySpec.of(dictionary, "nfc")


def test_a_given_word_too_long_to_match_is_left_out() -> None:
    longest = "a" * MAX_WORD_LENGTH
    assert DictionarySpec.of([longest, longest + "a"]).words == (longest,)
