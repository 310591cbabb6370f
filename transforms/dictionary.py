"""Dictionaries: the words whose anagrams are counted, grouped into anagram classes.

An **anagram class** is all words with the same signature. A pipeline contains only a
`DictionarySpec`, which says where the words come from; each worker process loads them once.
"""

import contextlib
import functools
import hashlib
import itertools
import os
import threading
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple, TypeAlias

from transforms.checks import check_one_of
from transforms.errors import DictionaryError, UndecodableDictionaryError
from transforms.files import stores
from transforms.files.lineage import report_sources
from transforms.files.schemes import is_local
from transforms.stages.retry import RetriesExhaustedError, describe
from transforms.text.normalize import MAX_WORD_LENGTH, NORMALIZATIONS, words
from transforms.text.signature import signature
from transforms.word_lists import UndecodableListError, check_codec, parse_entries, read_content
from transforms.word_set import MAX_STRINGS, WordSet

#: Word lists of the PyPI package ``english-words``.
WORD_LISTS = ("gcide", "web2")
#: Corpus mode: the words of the text itself are the dictionary.
NO_DICTIONARY = "none"
_APOSTROPHES = str.maketrans("", "", "'’")
# The number of rejected entries to keep as examples, and their maximum length.
_EXAMPLES, _EXAMPLE_LENGTH = 5, 40
# The number of entries that are normalized at once.
_BATCH = 1 << 14
# The number of dictionaries that a process keeps loaded.
_MAX_LOADED = 8
# For this many lengths, all words are searched for those of that length; then they are grouped.
_FEW_LENGTHS = 3


class WordSource(NamedTuple):
    """One of the sources from which the words of a dictionary come.

    Attributes:
      spec: the specification that names it; messages about it begin with this.
      name: its name in this specification: one of `WORD_LISTS`, or a path.
      path: the absolute path or URL from which a file is read. Empty for `WORD_LISTS`.
    """

    spec: str
    name: str
    path: str = ""

    @property
    def is_file(self) -> bool:
        """Whether this is a file, not one of `WORD_LISTS`."""
        return self.name not in WORD_LISTS


@dataclass(frozen=True)
class SourceEntries:
    """The numbers of entries and of rejected entries of a source of a dictionary.

    Attributes:
      name: the name of the source.
      entries: the number of its entries.
      rejected: the number of entries that are not words, see `accept`.
      examples: the first few rejected ones, shortened.
    """

    name: str
    entries: int
    rejected: int
    examples: tuple[str, ...]


@dataclass(frozen=True)
class DictionarySpec:
    """The specification of a dictionary: where its words come from.

    It holds the words themselves only if they were given as an iterable, see `DictionarySpec.of`.
    It is a part of the pipeline and sent to all workers, so a large dictionary should be a file.

    Attributes:
      spec: ``gcide``, ``web2``, the path or URL of a word list on any Beam filesystem, or several
        of these joined by ``+``; or ``none`` for corpus mode. If `words` are given, their number.
      normalization: how entries become words, see `transforms.text.normalize`.
      words: the words themselves, or None if `spec` says where they are. Any entries may be given;
        they are accepted and normalized like the lines of a file, sorted and made distinct.
      encoding: the codec of files; if None, a byte order mark decides, otherwise it is UTF-8.
      sources: the sources that `spec` names; set by `pinned` and `union`.
      digest: a hash of the files' content; set by `pinned`.

    Raises:
      ValueError: if `normalization` or `encoding` is unknown.
      TypeError: if one of `words` is not a string.
      DictionaryError: if `words` are given, but none of them is usable.
    """

    spec: str = "gcide"
    normalization: str = "unicode"
    words: tuple[str, ...] | None = field(default=None, repr=False)
    encoding: str | None = None
    sources: tuple[WordSource, ...] = field(default=(), repr=False)
    digest: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        check_one_of(NORMALIZATIONS, normalization=self.normalization)
        if self.encoding is not None:
            check_codec(self.encoding)
        if self.words is not None:
            usable, _ = _usable("the given words", "", _stripped(self.words), self.normalization)
            object.__setattr__(self, "words", tuple(sorted(usable)))
            object.__setattr__(self, "spec", f"{len(usable)} word{'s' * (len(usable) > 1)}")

    def __str__(self) -> str:
        return f"{self.spec} ({self.normalization})"

    @classmethod
    def of(cls, dictionary: "DictionaryLike", normalization: str | None = None) -> "DictionarySpec":
        """Converts anything that can describe a dictionary to a specification.

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

    @classmethod
    def union(
        cls,
        specs: Sequence[str],
        normalization: str = "unicode",
        *,
        encoding: str | None = None,
        locate: Callable[[str], str] = lambda path: path,
    ) -> "DictionarySpec":
        """Makes the specification of the union of several dictionaries.

        Args:
          specs: the specifications, as for `DictionarySpec`.
          normalization: how entries become words.
          encoding: the codec of files, as for `DictionarySpec`.
          locate: maps the path of a file to the path from which to read it: that of a copy for a
            pipe, which can be read only once.

        Raises:
          ValueError: if `normalization` or `encoding` is unknown.
          DictionaryError: if ``none`` is joined with another.
        """
        whole = cls("+".join(specs), normalization, encoding=encoding)
        if whole.is_corpus:
            return whole
        if NO_DICTIONARY in specs:
            raise DictionaryError(f"{NO_DICTIONARY}: cannot be joined with another dictionary")
        sources = tuple(source for spec in specs for source in _sources(spec, locate))
        if not any(source.is_file for source in sources):
            return whole
        return replace(whole, sources=sources)

    @property
    def is_corpus(self) -> bool:
        """Whether the words of the text itself are the dictionary."""
        return self.spec == NO_DICTIONARY

    def pinned(self) -> "DictionarySpec":
        """Returns a specification that is fixed to the current content of its files.

        Files are read, and the result has a digest of their content. Loading it does not read them
        again in this process; in another process, it fails if they have changed.

        Raises:
          DictionaryError: if a file cannot be read or has no usable word.
        """
        if self.digest or self.is_corpus or self.words is not None:
            return self
        sources = self.sources or tuple(_sources(self.spec))
        if not any(source.is_file for source in sources):
            return self
        contents = _read(sources)
        pinned = replace(self, sources=sources, digest=_digest(contents))
        with _LOADING:
            if pinned not in _LOADED:
                _keep(_load(pinned, contents))
        return pinned

    def report_lineage(self) -> None:
        """Reports the files to Beam as lineage. Must be called while a bundle is processed."""
        files = [source for source in self.sources if source.is_file]
        # The path of a pipe is that of a temporary copy.
        report_sources([file.path for file in files if file.path == _absolute(file.name)])

    def load(self) -> "Dictionary":
        """Returns the dictionary.

        `WORD_LISTS` and pinned specifications are read on the first call in a process. Other files
        are read at each call, because they may have changed.

        Raises:
          DictionaryError: if it cannot be read or has no usable word, or if a file has changed
            since the specification was pinned.
        """
        pinned = self.pinned()
        with _LOADING:
            loaded = _LOADED.get(pinned)
            if loaded is None:
                sources = pinned.sources or tuple(_sources(pinned.spec))
                contents = _read(sources) if pinned.digest else {}
                if pinned.digest and _digest(contents) != pinned.digest:
                    raise DictionaryError(f"{pinned.spec}: has changed since the run began")
                loaded = _keep(_load(pinned, contents))
            return loaded


#: What `DictionarySpec.of` accepts.
DictionaryLike: TypeAlias = DictionarySpec | str | os.PathLike[str] | Iterable[str]


class Dictionary:
    """The words of a dictionary, and the anagram class to which each belongs.

    All words of an anagram class have the same length. Words of one length are grouped into classes
    when a class of this length is first requested, because a small text has words of few lengths.

    Args:
      spec: where the words come from.
      words: the words, normalized and distinct.
      sources: the numbers of entries of its sources.

    Attributes:
      spec: where the words come from.
      words: the words.
      size: the number of distinct words.
      sources: the numbers of entries of its sources; empty for words given as an iterable.
    """

    def __init__(
        self, spec: DictionarySpec, words: Collection[str], sources: tuple[SourceEntries, ...] = ()
    ):
        self.spec = spec
        self.words = words if isinstance(words, WordSet) else WordSet(words)
        self.size = len(words)
        self.sources = sources
        self._classes: dict[str, tuple[str, ...]] = {}
        self._grouping = threading.Lock()
        self._grouped: set[int] = set()  # the lengths whose words are in classes

    @functools.cached_property
    def _by_length(self) -> dict[int, list[str]]:
        return self.words.by_length()

    def members(self, signature: str) -> tuple[str, ...]:
        """Returns the words that have `signature`, sorted; there may be none."""
        if len(signature) not in self._grouped:
            self._group(len(signature))
        return self._classes.get(signature, ())

    @property
    def classes(self) -> Mapping[str, tuple[str, ...]]:
        """All anagram classes: their words, sorted, by their signature."""
        for length in sorted(self._by_length):
            self._group(length)
        return self._classes

    def sha256(self) -> str:
        """Returns the SHA-256 of the sorted words, each followed by a line feed, in UTF-8."""
        digest = hashlib.sha256()
        words = iter(self.words if self.words.is_large else sorted(self.words))
        while batch := list(itertools.islice(words, _BATCH)):
            digest.update("\n".join([*batch, ""]).encode())
        return digest.hexdigest()

    def _group(self, length: int) -> None:
        with self._grouping:
            if length in self._grouped:
                return
            if len(self._grouped) < _FEW_LENGTHS and not self.words.is_large:
                words: Collection[str] = [word for word in self.words if len(word) == length]
            else:
                words = self._by_length.pop(length, ())
            self._classes.update(group(words))
            # Other threads look up classes of this length only after this line.
            self._grouped.add(length)


_LOADING = threading.Lock()
_LOADED: dict[DictionarySpec, Dictionary] = {}


def _keep(dictionary: Dictionary) -> Dictionary:
    """Caches a dictionary for later calls in this process, in place of the oldest one."""
    while len(_LOADED) >= _MAX_LOADED:
        del _LOADED[next(iter(_LOADED))]
    _LOADED[dictionary.spec] = dictionary
    return dictionary


def _load(spec: DictionarySpec, contents: Mapping[WordSource, bytes]) -> Dictionary:
    if spec.words is not None:
        return Dictionary(spec, spec.words)
    found = WordSet()
    summaries = []
    for source in spec.sources or tuple(_sources(spec.spec)):
        entries = _entries(source, contents, spec.encoding)
        usable, summary = _usable(source.spec, source.name, entries, spec.normalization)
        summaries.append(summary)
        if found:
            found.update(usable)
        else:
            found = usable
    return Dictionary(spec, found, tuple(summaries))


def _usable(
    spec: str, name: str, entries: Iterable[str], normalization: str
) -> tuple[WordSet, SourceEntries]:
    """Calls `accept` and checks that there are words.

    Raises:
      DictionaryError: if there are none; the message begins with `spec`.
    """
    accepted, summary = accept(entries, normalization, name)
    if not accepted:
        which = f"{name!r} has " if name not in ("", spec) else ""
        read = "1 entry" if summary.entries == 1 else f"{summary.entries} entries"
        such = f", such as {summary.examples[0]!r}" if summary.examples else ""
        raise DictionaryError(f"{spec}: {which}no usable word in {read}{such}")
    return accepted, summary


def accept(
    entries: Iterable[str],
    normalization: str = "unicode",
    name: str = "",
    *,
    max_strings: int = MAX_STRINGS,
) -> tuple[WordSet, SourceEntries]:
    """Accepts and normalizes the entries of a dictionary that are words.

    An entry is rejected if it is not a word, see `is_word`, if normalization leaves nothing of it,
    or if it is too long to match any text.

    Args:
      entries: the entries of one source. For a set, which has no order, the examples of rejected
        entries are the alphabetically first.
      normalization: how entries become words.
      name: the name of the source.
      max_strings: more words than this are kept as a column.

    Returns:
      The distinct normalized words, and the numbers of entries and rejected entries.
    """
    unordered = isinstance(entries, (set, frozenset))
    usable = WordSet(max_strings=max_strings)
    rejected: list[str] = []
    number = left_out = 0
    remaining = iter(entries)
    while batch := list(itertools.islice(remaining, _BATCH)):
        candidates = [entry for entry in batch if entry.isalpha()]
        others: list[str] = []
        if len(candidates) < len(batch):
            others = [entry for entry in batch if not entry.isalpha()]
            candidates += filter(is_word, others)
            others = [entry for entry in others if not is_word(entry)]
        found = words(" ".join(candidates), normalization)  # at most one word of each
        fitting = found
        if max(map(len, found), default=0) > MAX_WORD_LENGTH:
            fitting = [word for word in found if len(word) <= MAX_WORD_LENGTH]
        usable.update(fitting)
        number += len(batch)
        left_out += len(batch) - len(fitting)
        if unordered or len(rejected) < _EXAMPLES:
            rejected += others
            if len(fitting) < len(candidates):
                rejected += (entry for entry in candidates if not _is_usable(entry, normalization))
    if unordered:
        rejected.sort()
    examples = tuple(map(_shortened, rejected[:_EXAMPLES]))
    return usable, SourceEntries(name, number, left_out, examples)


def accepted_words(entries: Iterable[str], normalization: str = "unicode") -> set[str]:
    """Returns the words that `accept` returns, as a set."""
    return set(accept(entries, normalization)[0])


def _is_usable(entry: str, normalization: str) -> bool:
    found = words(entry, normalization)
    return bool(found) and len(found[0]) <= MAX_WORD_LENGTH


def _shortened(entry: str) -> str:
    return entry if len(entry) <= _EXAMPLE_LENGTH else f"{entry[: _EXAMPLE_LENGTH - 1]}…"


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
    """Strips white space from entries, so that an open file can be given."""
    stripped = []
    for entry in entries:
        if not isinstance(entry, str):
            raise TypeError(f"a word of a dictionary is a str, not {type(entry).__name__}")
        stripped.append(entry.strip())
    return stripped


def _spec_of_path(path: str) -> str:
    """Returns a specification of the file at `path`, even if it is named like a built-in list."""
    names = {*WORD_LISTS, NO_DICTIONARY}
    return os.path.join(os.curdir, path) if names.intersection(path.split("+")) else path


def _sources(spec: str, locate: Callable[[str], str] = lambda path: path) -> Iterator[WordSource]:
    """Yields the sources that a single specification names."""
    names = spec.split("+")
    if len(names) > 1 and not set(names) <= set(WORD_LISTS) and _exists(spec):
        names = [spec]  # a file whose name has a plus sign
    if NO_DICTIONARY in names:
        raise DictionaryError(f"{spec}: '{NO_DICTIONARY}' cannot be joined with another")
    for name in names:
        source = WordSource(spec, name)
        if source.is_file:
            with _naming(source):
                source = source._replace(path=_absolute(locate(name)))
        yield source


def _absolute(path: str) -> str:
    """Returns a path that names the same file for workers in other folders."""
    return os.path.abspath(path) if path and is_local(path) else path


def _exists(path: str) -> bool:
    try:
        return os.path.exists(path) if is_local(path) else stores.exists(path)
    except Exception:  # each filesystem raises its own; reading the file will raise it again
        return False


def _read(sources: Iterable[WordSource]) -> dict[WordSource, bytes]:
    """Returns the content of the sources that are files."""
    contents = {}
    for source in sources:
        if source.is_file:
            with _naming(source):
                contents[source] = read_content(source.path)
    return contents


def _digest(contents: Mapping[WordSource, bytes]) -> str:
    digests = (hashlib.blake2b(content, digest_size=16) for content in contents.values())
    return "".join(digest.hexdigest() for digest in digests)


def _entries(
    source: WordSource, contents: Mapping[WordSource, bytes], encoding: str | None
) -> Iterable[str]:
    if not source.is_file:
        from english_words import get_english_words_set

        listed: set[str] = get_english_words_set([source.name])
        return listed
    with _naming(source):
        return parse_entries(contents[source], source.path, encoding)


@contextlib.contextmanager
def _naming(source: WordSource) -> Iterator[None]:
    """Converts any exception to a `DictionaryError` that names the source."""
    which = "" if source.name == source.spec else f"{source.name!r} "
    try:
        yield
    except UndecodableListError as error:
        raise UndecodableDictionaryError(f"{source.spec}: {which}{error}") from error
    except Exception as error:  # each filesystem, decompressor and parser raises its own
        cause = error.cause if isinstance(error, RetriesExhaustedError) else error
        raise DictionaryError(
            f"{source.spec}: {which}cannot be read ({describe(cause)}); "
            f"give {', '.join(WORD_LISTS)}, {NO_DICTIONARY}, or the path of a word list"
        ) from error
