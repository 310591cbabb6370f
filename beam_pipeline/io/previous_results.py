"""Reads what earlier runs have counted, so that it can be added to the counts of this one."""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

import apache_beam as beam
from apache_beam.io.filesystems import FileSystems
from apache_beam.pvalue import PBegin, PCollection, TaggedOutput

from beam_pipeline.errors import PreviousResultError
from beam_pipeline.io.dead_letters import open_buffered, read_dead_letters
from beam_pipeline.io.formats import READERS, Counted, format_of
from beam_pipeline.io.naming import all_shards, shard_path
from transforms.counts import ClassTally
from transforms.dictionary import DictionarySpec
from transforms.stages.dead_letters import ClassCount
from transforms.stages.retry import Retrier, RetriesExhaustedError, describe
from transforms.stages.stage import Stage, StageFn
from transforms.stages.totals import Count
from transforms.text.signature import signature


@dataclass
class ReadPreviousCounts(Stage):
    """Reads words that an earlier run has counted, from its result and its dead letters.

    Yields (signature, count), or in corpus mode (signature, `ClassTally`).

    Attributes:
      dictionary: of the earlier run.
      result: path of its result; may be empty.
      dead_letters: path of its dead letters, of which those that are words are read; may be empty.

    Raises:
      PreviousResultError: when it runs: the result cannot be read, or has another dictionary.
      DeadLettersError: when it runs: the dead letters cannot be read.
    """

    dictionary: DictionarySpec = field(default_factory=DictionarySpec)
    result: str = ""
    dead_letters: str = ""
    measures: ClassVar = frozenset({Count.WORDS, Count.WORDS_KEYED})

    def expand(self, root: PBegin) -> PCollection[tuple[str, Any]]:
        start = root | "Previous" >> beam.Create([None], reshuffle=False)
        return self.apply_fn(start, "ReadCounts", _ReadPreviousFn(self), tuple[str, Any])


class _ReadPreviousFn(StageFn):
    def __init__(self, settings: ReadPreviousCounts):
        super().__init__(settings.resilience)
        self._dictionary = settings.dictionary
        self._result, self._dead_letters = settings.result, settings.dead_letters
        self._retrier = Retrier("read", settings.resilience.without_chaos())

    def process(self, _: None) -> Iterator[tuple[str, Any]]:
        path = self._dead_letters
        letters = read_dead_letters(path, self._retrier) if path else iter(())
        payloads = (letter.payload for letter, _ in letters)
        counts = (payload for payload in payloads if isinstance(payload, ClassCount))
        known = None if self._dictionary.is_corpus else self._dictionary.load()
        for key, count, words in itertools.chain(counts, read_result(self._result, self._retrier)):
            if words and known is not None and tuple(sorted(words)) != known.members(key):
                raise PreviousResultError(
                    f"{self._result}: {words[0]!r} is not a word of the dictionary, or its "
                    "anagrams are missing"
                )
            self.totals.add(Count.WORDS, count)
            if known is None and not words:  # too long for any result
                self.totals.add(Count.WORDS_UNMATCHED, count)
                continue
            self.totals.add(Count.WORDS_KEYED, count)
            yield key, count if known is not None else ClassTally(count, words)

    def finish_bundle(self) -> Iterator[TaggedOutput[str, Any]]:
        return self.emit_totals(self._retrier)


def read_result(path: str, retrier: Retrier) -> Iterable[ClassCount]:
    """Returns the anagram classes in a result file, or in its shards; none for an empty path.

    Raises:
      PreviousResultError: it cannot be read, or words with the same letters differ in counts.
    """
    classes: dict[str, ClassCount] = {}
    for word, count in _counted_words(path, retrier) if path else ():
        key = signature(word)
        seen = classes.get(key, ClassCount(key, count))
        if seen.count != count:
            raise PreviousResultError(f"{path}: {word!r} has another count than its anagrams")
        classes[key] = seen._replace(words=(*seen.words, word))
    return classes.values()


def _counted_words(path: str, retrier: Retrier) -> Iterator[Counted]:
    try:
        for shard in retrier(shards_of, path):
            with open_buffered(shard, retrier) as file:
                for word, count in READERS[format_of(path) or ""](file):
                    if type(count) is not int or count < 1:
                        raise ValueError(f"{count!r} is not a count")
                    yield word, count
    except PreviousResultError:
        raise
    except RetriesExhaustedError as error:
        raise PreviousResultError(f"{path}: cannot be read: {error}") from error
    except Exception as error:  # each decompressor and format raises its own
        message = f"{path}: cannot be read as a result ({describe(error)})"
        raise PreviousResultError(message) from error


def shards_of(path: str) -> list[str]:
    """Returns the file `path`, or the shards written in its place.

    Raises:
      PreviousResultError: there is neither, or both, or shards are missing.
    """
    shards = all_shards(path)
    if FileSystems.exists(path):
        if shards:
            raise PreviousResultError(f"{path}: there is also {shards[0]}; which is the result?")
        return [path]
    if not shards:
        raise PreviousResultError(f"{path}: there is no such result")
    if shards != [shard_path(path, n, len(shards)) for n in range(len(shards))]:
        raise PreviousResultError(f"{path}: its shards are not those of one result")
    return shards
