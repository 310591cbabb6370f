"""Dictionaries: anagram signature -> the words that have it.

A pipeline carries only the small `DictionarySpec`; each worker process loads the words once.
"""

import functools
import hashlib
import io
import itertools
import json
import threading
import unicodedata
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from apache_beam.io.filesystems import FileSystems

from transforms.checks import check_one_of
from transforms.errors import AnagramError
from transforms.files.compression import open_decompressed
from transforms.text.normalize import MAX_WORD_LENGTH, NORMALIZATIONS, words
from transforms.text.signature import signature

#: Word lists of the PyPI package ``english-words``.
WORD_LISTS = ("gcide", "web2")
#: Corpus mode: the words of the text itself are the dictionary.
NO_DICTIONARY = "none"
_APOSTROPHES = str.maketrans("", "", "'’")


@dataclass(frozen=True)
class DictionarySpec:
    """Names a dictionary.

    Attributes:
      spec: ``gcide``, ``web2``, the path or URL of a word list on any Beam filesystem, or
        several of them joined by ``+``; or ``none``.
      normalization: see `transforms.text.normalize`.
    """

    spec: str = "gcide"
    normalization: str = "unicode"

    def __post_init__(self) -> None:
        check_one_of(NORMALIZATIONS, normalization=self.normalization)

    def __str__(self) -> str:
        return f"{self.spec} ({self.normalization})"

    @classmethod
    def of(cls, dictionary: object, normalization: str = "unicode") -> "DictionarySpec":
        return (
            dictionary
            if isinstance(dictionary, DictionarySpec)
            else cls(str(dictionary), normalization)
        )

    @property
    def is_corpus(self) -> bool:
        """Whether the words of the text itself are the dictionary."""
        return self.spec == NO_DICTIONARY

    def load(self) -> "Dictionary":
        """-> the dictionary; read on the first call in a process.

        Raises:
          AnagramError: it cannot be read or has no usable word.
        """
        with _LOADING:
            return _load(self)


class Dictionary:
    """The words of a dictionary, and the anagram class that each belongs to.

    Anagrams are equally long, so classes are made for all words of one length when one of them
    is first asked for: a small text has few lengths.

    Attributes:
      spec: what it was loaded from.
      size: the number of distinct words.
    """

    def __init__(self, spec: DictionarySpec, words: Collection[str]):
        """The dictionary of some normalized, distinct `words`."""
        self.spec = spec
        self.size = len(words)
        self._classes: dict[str, tuple[str, ...]] = {}
        self._waiting: defaultdict[int, list[str]] = defaultdict(list)
        self._grouping = threading.Lock()
        for word in words:
            self._waiting[len(word)].append(word)

    def members(self, signature: str) -> tuple[str, ...]:
        """The words that have `signature`, sorted; none, if it is no class of the dictionary."""
        if len(signature) in self._waiting:
            self._group(len(signature))
        return self._classes.get(signature, ())

    @property
    def classes(self) -> Mapping[str, tuple[str, ...]]:
        """Signature -> the words that have it, sorted, for all of them."""
        for length in sorted(self._waiting):
            self._group(length)
        return self._classes

    def sha256(self) -> str:
        """SHA-256 of the sorted words, one a line, in UTF-8."""
        listed = sorted(itertools.chain.from_iterable(self.classes.values()))
        return hashlib.sha256("\n".join([*listed, ""]).encode()).hexdigest()

    def _group(self, length: int) -> None:
        with self._grouping:
            self._classes.update(group(self._waiting.get(length, ())))
            self._waiting.pop(length, None)  # only now may other threads look a class up


_LOADING = threading.Lock()


@functools.cache
def _load(spec: DictionarySpec) -> Dictionary:
    entries = [entry for part in _parts(spec.spec) for entry in _entries(part)]
    accepted = accepted_words(entries, spec.normalization)
    if not accepted:
        raise AnagramError(f"dictionary {spec.spec}: no usable word in {len(entries)} entries")
    return Dictionary(spec, accepted)


def accepted_words(entries: Iterable[str], normalization: str = "unicode") -> set[str]:
    """Dictionary `entries` -> their distinct normalized words, without those too long to match."""
    accepted = " ".join([entry for entry in entries if entry.isalpha() or is_word(entry)])
    return {word for word in words(accepted, normalization) if len(word) <= MAX_WORD_LENGTH}


def group(words: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Distinct `words` -> signature -> those that have it, sorted."""
    classes: dict[str, tuple[str, ...]] = {}
    for word in sorted(words):
        key, alone = signature(word), (word,)
        others = classes.setdefault(key, alone)
        if others is not alone:
            classes[key] = others + alone
    return classes


def is_word(entry: str) -> bool:
    """Whether a dictionary `entry` has letters and marks only, apostrophes apart."""
    letters = entry.translate(_APOSTROPHES)
    if letters.isascii():
        return letters.isalpha()
    return bool(letters) and all(unicodedata.category(char)[0] in "LM" for char in letters)


def _parts(spec: str) -> list[str]:
    parts = spec.split("+")
    if len(parts) > 1 and not set(parts) <= set(WORD_LISTS) and _exists(spec):
        return [spec]  # a file whose name has a plus sign
    if NO_DICTIONARY in parts:
        raise AnagramError(f"dictionary {spec}: '{NO_DICTIONARY}' cannot be joined with another")
    return parts


def _exists(path: str) -> bool:
    try:
        return bool(FileSystems.exists(path))
    except Exception:  # each filesystem raises its own; reading it will tell
        return False


def _entries(part: str) -> Iterable[str]:
    if part in WORD_LISTS:
        from english_words import get_english_words_set

        listed: set[str] = get_english_words_set([part])
        return listed
    try:
        return read_entries(part)
    except Exception as error:  # each filesystem and decompressor raises its own
        raise AnagramError(
            f"dictionary {part}: cannot be read ({error}); "
            f"give {', '.join(WORD_LISTS)}, {NO_DICTIONARY}, or the path of a word list"
        ) from error


def read_entries(path: str) -> list[str]:
    """The entries of a word-per-line text or of a JSON array or object, possibly compressed."""
    with open_decompressed(path) as stream:
        text = io.TextIOWrapper(stream, encoding="utf-8-sig").read()
    if ".json" not in PurePosixPath(path.lower()).suffixes:
        return [line.strip() for line in text.splitlines()]
    listed = json.loads(text)
    if not isinstance(listed, (list, dict)) or not all(isinstance(word, str) for word in listed):
        raise ValueError("the JSON is neither an array nor an object of words")
    return list(listed)
