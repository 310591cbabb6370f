"""Dictionaries: the words whose anagrams are counted, grouped into anagram classes.

All words with one signature are an **anagram class**. A pipeline carries only a `DictionarySpec`,
which says where the words come from; each worker process loads them once.
"""

import functools
import hashlib
import io
import itertools
import json
import os
import threading
import unicodedata
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TypeAlias

from apache_beam.io.filesystems import FileSystems

from transforms.checks import check_one_of
from transforms.errors import DictionaryError
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
    """Says where the words of a dictionary come from, without holding them.

    Only a dictionary given as an iterable of words holds them; `DictionarySpec.of` makes such a
    specification. It travels with the pipeline to all workers, so a large dictionary is better
    kept in a file.

    Attributes:
      spec: ``gcide``, ``web2``, the path or URL of a word list on any Beam filesystem, or several
        of these joined by ``+``; or ``none`` for corpus mode. If `words` are given, their number.
      normalization: how entries become words, see `transforms.text.normalize`.
      words: the words themselves, or None if `spec` says where they are. They may be given as any
        entries, which are accepted and normalized like the lines of a file, and are then held
        sorted, each once.

    Raises:
      ValueError: if `normalization` is unknown.
      TypeError: if one of `words` is not a string.
      DictionaryError: if `words` are given, but none of them is usable.
    """

    spec: str = "gcide"
    normalization: str = "unicode"
    words: tuple[str, ...] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        check_one_of(NORMALIZATIONS, normalization=self.normalization)
        if self.words is not None:
            usable = _usable_words("the given words", _stripped(self.words), self.normalization)
            object.__setattr__(self, "words", tuple(sorted(usable)))
            object.__setattr__(self, "spec", f"{len(usable)} word{'s' * (len(usable) > 1)}")

    def __str__(self) -> str:
        return f"{self.spec} ({self.normalization})"

    @classmethod
    def of(cls, dictionary: "DictionaryLike", normalization: str | None = None) -> "DictionarySpec":
        """Makes a specification of anything that can be one.

        Args:
          dictionary: a specification as a string (``gcide``, a path, ...) or as a
            `DictionarySpec`, a path as an `os.PathLike`, or any iterable of words.
          normalization: how entries become words; by default that of a given `DictionarySpec`,
            or else ``unicode``.

        Raises:
          TypeError: if `dictionary` is none of these.
          ValueError: if `normalization` is unknown, or is not that of a given `DictionarySpec`.
          DictionaryError: if none of an iterable's words is usable.

        Example:
          >>> DictionarySpec.of(["cat", "act", "dog", "Cat"]).words
          ('act', 'cat', 'dog')
        """
        if isinstance(dictionary, DictionarySpec):
            if normalization not in (None, dictionary.normalization):
                raise ValueError(
                    f"normalization={normalization!r}: that of the dictionary is "
                    f"{dictionary.normalization!r}"
                )
            return dictionary
        normalization = "unicode" if normalization is None else normalization
        if isinstance(dictionary, str):
            return cls(dictionary, normalization)
        if isinstance(dictionary, os.PathLike):
            return cls(_spec_of_path(os.fsdecode(dictionary)), normalization)
        if isinstance(dictionary, (bytes, bytearray, memoryview)) or not isinstance(
            dictionary, Iterable
        ):
            raise TypeError(
                "a dictionary is a specification (str), a path (os.PathLike), a DictionarySpec or "
                f"an iterable of words (str), not {type(dictionary).__name__}"
            )
        return cls(normalization=normalization, words=tuple(dictionary))

    @property
    def is_corpus(self) -> bool:
        """Whether the words of the text itself are the dictionary."""
        return self.spec == NO_DICTIONARY

    def load(self) -> "Dictionary":
        """Returns the dictionary, which is read on the first call in a process.

        Raises:
          DictionaryError: if it cannot be read or has no usable word.
        """
        with _LOADING:
            return _load(self)


#: What `DictionarySpec.of` accepts.
DictionaryLike: TypeAlias = DictionarySpec | str | os.PathLike[str] | Iterable[str]


class Dictionary:
    """The words of a dictionary, and the anagram class to which each belongs.

    All words of an anagram class have the same length. Words are therefore grouped into classes
    length by length, when a class of this length is first asked for: a small text has words of few
    lengths.

    Args:
      spec: where the words come from.
      words: the words, normalized and distinct.

    Attributes:
      spec: where the words come from.
      size: the number of distinct words.
    """

    def __init__(self, spec: DictionarySpec, words: Collection[str]):
        self.spec = spec
        self.size = len(words)
        self._classes: dict[str, tuple[str, ...]] = {}
        self._ungrouped: defaultdict[int, list[str]] = defaultdict(list)
        self._grouping = threading.Lock()
        for word in words:
            self._ungrouped[len(word)].append(word)

    def members(self, signature: str) -> tuple[str, ...]:
        """Returns the words that have `signature`, sorted; there may be none."""
        if len(signature) in self._ungrouped:
            self._group(len(signature))
        return self._classes.get(signature, ())

    @property
    def classes(self) -> Mapping[str, tuple[str, ...]]:
        """All anagram classes: their words, sorted, by their signature."""
        for length in sorted(self._ungrouped):
            self._group(length)
        return self._classes

    def sha256(self) -> str:
        """Returns the SHA-256 of the sorted words, each followed by a line feed, in UTF-8."""
        listed = sorted(itertools.chain.from_iterable(self.classes.values()))
        return hashlib.sha256("\n".join([*listed, ""]).encode()).hexdigest()

    def _group(self, length: int) -> None:
        with self._grouping:
            self._classes.update(group(self._ungrouped.get(length, ())))
            # Only behind this line other threads look for classes of this length.
            self._ungrouped.pop(length, None)


_LOADING = threading.Lock()


@functools.cache
def _load(spec: DictionarySpec) -> Dictionary:
    if spec.words is not None:
        return Dictionary(spec, spec.words)
    entries = [entry for part in _parts(spec.spec) for entry in _entries(spec.spec, part)]
    return Dictionary(spec, _usable_words(spec.spec, entries, spec.normalization))


def _usable_words(spec: str, entries: Collection[str], normalization: str) -> set[str]:
    """Returns what `accepted_words` does.

    Raises:
      DictionaryError: if there are none; the message begins with `spec`.
    """
    accepted = accepted_words(entries, normalization)
    if not accepted:
        entries_read = "1 entry" if len(entries) == 1 else f"{len(entries)} entries"
        raise DictionaryError(f"{spec}: no usable word in {entries_read}")
    return accepted


def accepted_words(entries: Iterable[str], normalization: str = "unicode") -> set[str]:
    """Returns the words of a dictionary.

    Args:
      entries: the entries of the dictionary. Those that are not words are rejected, see `is_word`.
      normalization: how entries become words.

    Returns:
      The distinct normalized words, without those that are too long to match any text.
    """
    accepted = " ".join([entry for entry in entries if entry.isalpha() or is_word(entry)])
    return {word for word in words(accepted, normalization) if len(word) <= MAX_WORD_LENGTH}


def group(words: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Groups distinct words into anagram classes.

    Returns:
      The words of each class, sorted, by their signature.

    Example:
      >>> group(["cat", "dog", "act"])
      {'act': ('act', 'cat'), 'dgo': ('dog',)}
    """
    classes: dict[str, tuple[str, ...]] = {}
    for word in sorted(words):
        key, alone = signature(word), (word,)
        others = classes.setdefault(key, alone)
        if others is not alone:
            classes[key] = others + alone
    return classes


def is_word(entry: str) -> bool:
    """Returns whether a dictionary's entry consists of letters, marks and apostrophes only.

    An entry of apostrophes alone is not a word.
    """
    letters = entry.translate(_APOSTROPHES)
    if letters.isascii():
        return letters.isalpha()
    return bool(letters) and all(unicodedata.category(char)[0] in "LM" for char in letters)


def _stripped(entries: Iterable[str]) -> list[str]:
    """Returns entries without white space around them, so that an open file can be given."""
    stripped = []
    for entry in entries:
        if not isinstance(entry, str):
            raise TypeError(f"a word of a dictionary is a str, not {type(entry).__name__}")
        stripped.append(entry.strip())
    return stripped


def _spec_of_path(path: str) -> str:
    """Returns a specification that means the file at `path`, even if it has the name of a list."""
    names = {*WORD_LISTS, NO_DICTIONARY}
    return os.path.join(os.curdir, path) if names.intersection(path.split("+")) else path


def _parts(spec: str) -> list[str]:
    parts = spec.split("+")
    if len(parts) > 1 and not set(parts) <= set(WORD_LISTS) and _exists(spec):
        return [spec]  # a file whose name has a plus sign
    if NO_DICTIONARY in parts:
        raise DictionaryError(f"{spec}: '{NO_DICTIONARY}' cannot be joined with another")
    return parts


def _exists(path: str) -> bool:
    try:
        return bool(FileSystems.exists(path))
    except Exception:  # each filesystem raises its own; reading the file will raise it again
        return False


def _entries(spec: str, part: str) -> Iterable[str]:
    if part in WORD_LISTS:
        from english_words import get_english_words_set

        listed: set[str] = get_english_words_set([part])
        return listed
    try:
        return read_entries(part)
    except Exception as error:  # each filesystem and decompressor raises its own
        which = "" if part == spec else f"{part!r} "
        raise DictionaryError(
            f"{spec}: {which}cannot be read ({error}); "
            f"give {', '.join(WORD_LISTS)}, {NO_DICTIONARY}, or the path of a word list"
        ) from error


def read_entries(path: str) -> list[str]:
    """Reads the entries of a word list.

    Args:
      path: a file on any Beam filesystem, possibly compressed: a text with one entry in each
        line, or, if ``.json`` is among its extensions, an array of entries or an object whose keys
        are entries.

    Raises:
      ValueError: if it is not UTF-8, or its JSON is anything else.
    """
    with io.TextIOWrapper(open_decompressed(path), encoding="utf-8-sig") as file:
        text = file.read()
    if ".json" not in PurePosixPath(path.lower()).suffixes:
        return [line.strip() for line in text.splitlines()]
    listed = json.loads(text)
    if not isinstance(listed, (list, dict)) or not all(isinstance(word, str) for word in listed):
        raise ValueError("the JSON is neither an array nor an object of words")
    return list(listed)
