"""Reads the counts of earlier runs, so that they can be added to the counts of this one."""

import itertools
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import apache_beam as beam
from apache_beam.pvalue import PBegin, PCollection, TaggedOutput

from beam_pipeline.errors import DeadLettersError, PreviousResultError
from beam_pipeline.io.dead_letters import open_buffered, read_dead_letters
from beam_pipeline.io.formats import GROUPED_READERS, READERS, Counted, format_of
from beam_pipeline.io.inputs import ALLOW, list_files
from beam_pipeline.io.naming import all_shards, shard_path
from beam_pipeline.io.shared_view import InputSize, count_found, expect
from beam_pipeline.pages.text import brief
from transforms.counts import ClassTally
from transforms.dictionary import DictionarySpec
from transforms.files import stores
from transforms.files.lineage import report_sources
from transforms.files.schemes import is_local
from transforms.stages.dead_letters import ClassCount
from transforms.stages.retry import Retrier, RetriesExhaustedError, describe
from transforms.stages.stage import Stage, StageFn
from transforms.stages.totals import Count
from transforms.text.normalize import MAX_WORD_LENGTH
from transforms.text.normalize import words as normalized
from transforms.text.signature import signature

#: The sum of all counts of a result must be smaller than this, and so must that of dead letters.
#: Then all sums with the counts of the text fit into the 64 bits of a column.
MAX_COUNT = 1 << 61
# How many words are normalized at once.
_BATCH = 1 << 12


@dataclass
class ReadPreviousCounts(Stage):
    """Reads words that an earlier run has counted, from its result and its dead letters.

    Yields (signature, count), or in corpus mode (signature, `ClassTally`); with `per_group`, pairs
    of a group and one of these.

    Attributes:
      dictionary: the dictionary of the earlier run.
      result: the path of its result; may be empty.
      dead_letters: the path of its dead letters; may be empty. Only those with words that were
        already counted are read here.
      min_word_length: shorter words, in code points, are left out.
      per_group: whether words were counted by group.
      matched: the size of the result, as the program that begins the run has found it; workers must
        find the same. None if it has not been determined.

    Raises:
      PreviousResultError: when it runs: the result cannot be read, is not a result of the
        dictionary, or is not as it was `matched`.
      DeadLettersError: when it runs: the dead letters cannot be read.
    """

    dictionary: DictionarySpec = field(default_factory=DictionarySpec)
    result: str = ""
    dead_letters: str = ""
    min_word_length: int = 1
    per_group: bool = False
    matched: InputSize | None = None
    measures: ClassVar = frozenset(
        {Count.FILES_FOUND, Count.BYTES_FOUND, Count.WORDS, Count.WORDS_KEYED}
    )

    def expand(self, root: PBegin) -> PCollection[tuple[str, Any]]:
        expect(self.side_outputs, self.matched)
        start = root | "Previous" >> beam.Create([None], reshuffle=False)
        element_type: Any = tuple[str, Any]
        if self.per_group:
            element_type = tuple[str, element_type]
        return self.apply_fn(start, "ReadCounts", _ReadPreviousFn(self), element_type)


class _ReadPreviousFn(StageFn):
    def __init__(self, settings: ReadPreviousCounts):
        super().__init__(settings.resilience)
        self._dictionary = settings.dictionary
        self._result, self._dead_letters = settings.result, settings.dead_letters
        self._min_word_length = settings.min_word_length
        self._per_group = settings.per_group
        self._matched = settings.matched
        self._retrier = Retrier("read", settings.resilience.without_chaos())

    def setup(self) -> None:
        with self._retrier.applied():
            self._dictionary = self._dictionary.pinned()

    def process(self, _: None) -> Iterator[Any]:
        in_corpus_mode = self._dictionary.is_corpus
        counted = itertools.chain(self._from_dead_letters(), self._from_result())
        for group, (key, count, words) in counted:
            if len(key) < self._min_word_length:
                continue
            self.totals.add(Count.WORDS, count)
            if in_corpus_mode and not words:  # too long for any result
                self.totals.add(Count.WORDS_UNMATCHED, count)
                continue
            self.totals.add(Count.WORDS_KEYED, count)
            element = key, ClassTally(count, words) if in_corpus_mode else count
            yield (group, element) if self._per_group else element

    def finish_bundle(self) -> Iterator[TaggedOutput[str, Any]]:
        return self.emit_totals(self._retrier)

    def _from_result(self) -> Iterable[tuple[str | None, ClassCount]]:
        if not self._result:
            return ()
        report_sources([self._result])
        found = size_of_result(self._result, self._retrier)
        if (fault := count_found(self.totals, found, self._matched)) is not None:
            raise PreviousResultError(f"{self._result}: {fault}")
        with self._retrier.applied():
            return read_result(
                self._result, self._dictionary, self._retrier, per_group=self._per_group
            )

    def _from_dead_letters(self) -> Iterator[tuple[str | None, ClassCount]]:
        path, normalization = self._dead_letters, self._dictionary.normalization
        total = 0
        for letter, _ in read_dead_letters(path, self._retrier) if path else ():
            payload = letter.payload
            if not isinstance(payload, ClassCount):
                continue  # see `beam_pipeline.io.dead_letters`
            if self._per_group and letter.group is None:
                message = f"the words of {brief(payload.signature)} are in no group"
                raise DeadLettersError(f"{path}: {message}")
            if any(signature(word) != payload.signature for word in payload.words):
                message = f"the words of {brief(payload.signature)} do not have its letters"
                raise DeadLettersError(f"{path}: {message}")
            if (word := _not_normalized(payload.words, normalization)) is not None:
                raise DeadLettersError(f"{path}: {brief(word)} is not a word ({normalization})")
            total += payload.count
            if total >= MAX_COUNT:
                raise DeadLettersError(f"{path}: its counts add up to 2**61 or more")
            yield letter.group, payload


def check_result(
    path: str,
    dictionary: DictionarySpec,
    retrier: Retrier,
    *,
    name: str,
    per_group: bool = False,
) -> str | None:
    """Checks that a result can be added to the result of a run.

    Args:
      path: the path from which the result is read.
      dictionary: the dictionary of the run that adds it.
      retrier: the retrier of the stage that reads.
      name: the name of the result, for messages.
      per_group: whether its words were counted by group.

    Returns:
      A warning if words seem to have been filtered out of it, or None. Only in corpus mode, because
      with a dictionary most results lack most classes.

    Raises:
      PreviousResultError: as `read_result` does.
    """
    classes = read_result(path, dictionary, retrier, name=name, per_group=per_group)
    if not dictionary.is_corpus:
        return None
    least = smallest = MAX_COUNT
    for _, each in classes:
        least, smallest = min(least, each.count), min(smallest, len(each.words))
    if 1 < smallest < MAX_COUNT:
        what, setting = f"no class has fewer than {smallest} words", "min_class_size"
    elif 1 < least < MAX_COUNT:
        what, setting = f"no word is counted less than {least} times", "min_count"
    else:
        return None
    return f"{name}: {what}; if {setting} has left any out, they are missing in the sums"


def read_result(
    path: str,
    dictionary: DictionarySpec,
    retrier: Retrier,
    *,
    name: str = "",
    per_group: bool = False,
) -> Iterable[tuple[str | None, ClassCount]]:
    """Returns the anagram classes in a result file, or in its shards, each with its group.

    A result may be any file, so everything in it is checked: with a dictionary, it must have whole
    classes of the dictionary; in corpus mode, words must be normalized; words must be distinct, and
    those of a class must have the same count.

    Args:
      path: the path of the result.
      dictionary: the dictionary of the run that adds it.
      retrier: the retrier of the stage that reads.
      name: the name of the result in messages; by default its path.
      per_group: whether its words were counted by group; otherwise each group is None.

    Raises:
      PreviousResultError: it cannot be read, or is not a whole result of this dictionary.
    """
    name = name or path
    if not per_group:
        words = counted_words(path, name, retrier)
        return ((None, each) for each in _checked_classes(words, dictionary, name))
    rows = counted_words(path, name, retrier, per_group=True)
    classes: dict[str, list[ClassCount]] = {}
    for group, of_group in itertools.groupby(rows, key=lambda row: row[0]):
        if group in classes:
            raise PreviousResultError(f"{name}: the group {brief(group)} is there twice")
        words = ((word, count) for _, word, count in of_group)
        classes[group] = list(_checked_classes(words, dictionary, f"{name}: {brief(group)}"))
    if sum(each.count for of_group in classes.values() for each in of_group) >= MAX_COUNT:
        raise PreviousResultError(f"{name}: its counts add up to 2**61 or more")
    return [(group, each) for group, of_group in classes.items() for each in of_group]


def _checked_classes(
    counted: Iterable[Counted], dictionary: DictionarySpec, name: str
) -> Iterable[ClassCount]:
    """Returns the anagram classes of counted words.

    Raises:
      PreviousResultError: they are not whole classes of this dictionary.
    """
    counts: dict[str, int] = {}
    classes: dict[str, list[str]] = {}
    for word, count in counted:
        key = signature(word)
        if counts.setdefault(key, count) != count:
            raise PreviousResultError(f"{name}: {brief(word)} has another count than its anagrams")
        classes.setdefault(key, []).append(word)
    if sum(counts.values()) >= MAX_COUNT:
        raise PreviousResultError(f"{name}: its counts add up to 2**61 or more")
    for words in classes.values():
        if len(words) > 1 and len(set(words)) < len(words):
            ((word, _),) = Counter(words).most_common(1)
            raise PreviousResultError(f"{name}: {brief(word)} is there twice")
    if dictionary.is_corpus:
        found = itertools.chain.from_iterable(classes.values())
        if (wrong := _not_normalized(found, dictionary.normalization)) is not None:
            raise PreviousResultError(
                f"{name}: {brief(wrong)} is not a word ({dictionary.normalization})"
            )
    else:
        _check_classes(classes, dictionary, name)
    return (ClassCount(key, count, tuple(classes[key])) for key, count in counts.items())


def _check_classes(classes: Mapping[str, list[str]], dictionary: DictionarySpec, name: str) -> None:
    members_of = dictionary.load().members
    for key, words in classes.items():
        members = set(members_of(key))
        for word in words:
            if word not in members:
                raise PreviousResultError(
                    f"{name}: {brief(word)} is not a word of the dictionary {dictionary}"
                )
        if missing := members.difference(words):
            raise PreviousResultError(
                f"{name}: {brief(words[0])} is there, but of its anagrams are missing: "
                f"{brief(min(missing))}; it is not the whole result of the dictionary {dictionary}"
            )


def _not_normalized(found: Iterable[str], normalization: str) -> str | None:
    """Returns a word that is not normalized, or None.

    Normalizing a normalized word again may change the order of its letters, but nothing else: some
    marks are sorted only after characters between them have been deleted.
    """
    remaining = iter(found)
    while batch := list(itertools.islice(remaining, _BATCH)):
        if normalized(" ".join(batch), normalization) != batch:
            for word in batch:
                if list(map(signature, normalized(word, normalization))) != [signature(word)]:
                    return word
        if (longest := max(batch, key=len)) and len(longest) > MAX_WORD_LENGTH:
            return longest
    return None


def counted_words(
    path: str, name: str, retrier: Retrier, *, per_group: bool = False
) -> Iterator[Any]:
    """Yields the words in a result file, or in its shards, with their counts.

    Args:
      path: the path of the result.
      name: the name of the result in messages.
      retrier: the retrier of the stage that reads.
      per_group: whether words were counted by group; then the group precedes each word.

    Raises:
      PreviousResultError: it cannot be read, or is not a result.
    """
    read = GROUPED_READERS if per_group else READERS
    result_format = format_of(path) or ""
    try:
        for shard in retrier(shards_of, path, name):
            with open_buffered(shard, retrier, is_text=result_format != "parquet") as file:
                for row in read[result_format](file):
                    *group, word, count = row
                    if not all(type(name) is str for name in group):
                        raise ValueError(f"{brief(group[0])} is not a group")
                    if type(word) is not str:
                        raise ValueError(f"{brief(word)} is not a word")
                    if type(count) is not int or not 0 < count < MAX_COUNT:
                        raise ValueError(f"{brief(count)} is not a count")
                    yield row
    except PreviousResultError:
        raise
    except RetriesExhaustedError as error:
        raise PreviousResultError(f"{name}: cannot be read: {error}") from error
    except Exception as error:  # each decompressor and format raises its own
        reason = str(error) if type(error) is ValueError else describe(error)
        message = f"{name}: cannot be read as a result ({reason})"
        raise PreviousResultError(message) from error


def size_of_result(path: str, retrier: Retrier) -> InputSize:
    """Returns the number of files of a result, and their size.

    Raises:
      PreviousResultError: as `shards_of` does, or a filesystem cannot be reached.
    """
    try:
        return retrier(lambda: list_files(shards_of(path), ALLOW).total)
    except RetriesExhaustedError as error:
        raise PreviousResultError(f"{path}: cannot be read: {error}") from error


def shards_of(path: str, name: str = "") -> list[str]:
    """Returns the file `path`, or the shards written in its place.

    Args:
      path: the path of the result.
      name: the name of the result in messages; by default its path.

    Raises:
      PreviousResultError: neither or both exist, or shards are missing.
    """
    name = name or path
    shards = all_shards(path)
    if os.path.exists(path) if is_local(path) else stores.exists(path):
        if shards:
            raise PreviousResultError(f"{name}: there is also {shards[0]}; which is the result?")
        return [path]
    if not shards:
        raise PreviousResultError(f"{name}: there is no such result")
    if shards != [shard_path(path, n, len(shards)) for n in range(len(shards))]:
        raise PreviousResultError(f"{name}: its shards are not those of one result")
    return shards
