"""Dead letters -> the records in them, to be counted again; an earlier result to add them to."""

import functools
import io
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO, cast

import apache_beam as beam
from apache_beam.io.filesystems import FileSystems
from apache_beam.pvalue import PBegin, PCollection, TaggedOutput

from beam_pipeline.errors import UsageError
from beam_pipeline.io import publishing
from beam_pipeline.io.formats import READERS, Counted, format_of
from beam_pipeline.io.sources import PartFn, ReadFiles
from transforms.counts import ClassTally
from transforms.dictionary import NO_DICTIONARY, DictionarySpec
from transforms.errors import AnagramError
from transforms.files.retrying_file import open_retrying
from transforms.stages.dead_letters import ClassCount, DeadLetter, from_json
from transforms.stages.retry import Resilience, Retrier, RetriesExhaustedError, describe
from transforms.stages.stage import Stage, StageFn
from transforms.text.blocks import Block, FileRange
from transforms.text.encoding import Encoding
from transforms.text.signature import signature

# Those that leave words out of a result by their counts, which another run may change.
_CUTTING = ("min_class_size", "min_count", "top")
#: Settings that a dead letter notes of its run, since they decide what its words count for.
SETTINGS = (
    "dictionary",
    "normalization",
    "encoding",
    "encoding_errors",
    "min_word_length",
    "min_class_size",
    "min_count",
    "top",
)


def read_letters(
    path: str, retrier: Retrier | None = None
) -> Iterator[tuple[DeadLetter, dict[str, Any]]]:
    """The dead letters in a file of JSON lines, with the settings of their runs.

    Raises:
      AnagramError: the file cannot be read, or a line of it is no dead letter.
    """
    try:
        with _open(path, retrier) as file:
            for number, line in enumerate(file, 1):
                try:
                    yield from_json(line.decode())
                except ValueError as error:
                    raise AnagramError(f"{path}: line {number}: {error}") from error
    except AnagramError:
        raise
    except RetriesExhaustedError as error:
        raise AnagramError(f"{path}: cannot be read: {error}") from error
    except Exception as error:  # each decompressor raises its own
        raise AnagramError(f"{path}: cannot be read ({error})") from error


def _open(path: str, retrier: Retrier | None) -> BinaryIO:
    retrier = retrier or Retrier("read", Resilience())
    return io.BufferedReader(cast(io.RawIOBase, open_retrying(path, retrier)))


def settings_of(path: str) -> dict[str, Any]:
    """The settings that all dead letters in a file agree on; none if there is no letter.

    Raises:
      AnagramError: they do not agree, or `read_letters` does.
    """
    agreed: dict[str, Any] | None = None
    for _, settings in read_letters(path):
        if agreed is not None and settings != agreed:
            raise AnagramError(f"{path}: has dead letters of runs with different settings")
        agreed = settings
    return agreed or {}


def replay_arguments(argv: Sequence[str]) -> list[str]:
    """What follows ``replay`` on the command line -> the arguments of a run.

    The settings are those of the run that left the dead letters, unless given anew.

    Raises:
      UsageError: there are no dead letters to be read, or a result to which nothing can be added.
    """
    if not argv or argv[0].startswith("-"):
        raise UsageError("replay: give the file of dead letters first: replay DEAD_LETTERS ...")
    path, *rest = argv
    try:
        settings = settings_of(path)
    except AnagramError as error:
        raise UsageError(f"replay: {error}") from error
    cut = [name for name in _CUTTING if settings.get(name) not in (None, 1)]
    if settings.get("dictionary") != NO_DICTIONARY and "min_class_size" in cut:
        cut.remove("min_class_size")  # a class of the dictionary has the same size in all texts
    names = {argument.partition("=")[0].replace("_", "-") for argument in rest}
    if cut and "--merge" in names:
        raise UsageError(
            f"--merge: the run left words out of its result (--{cut[0]}={settings[cut[0]]}), "
            "so that nothing can be added to it; replay without --merge, or run it all again"
        )
    ways_out = {"--encoding-errors", "--dead-letters"}
    if settings.get("encoding_errors") == "quarantine" and not names & ways_out:
        raise UsageError(
            "replay: undecodable bytes were put aside: give --encoding_errors=replace to leave "
            "them out of their words, or --dead_letters=PATH for those still undecodable"
        )
    given = [f"--{name}={value}" for name, value in settings.items() if value is not None]
    return [f"--replay={path}", *given, *rest]


@dataclass
class ReadDeadLetters(ReadFiles):
    """The texts in a file of dead letters, and the parts of files it names -> their `Block`s.

    Texts in the encoding that their run was given are taken to be in `encoding` now.

    Attributes:
      path: the file.
    """

    path: str = ""

    def expand(self, root: PBegin) -> PCollection[Block]:
        path = root | "DeadLetters" >> beam.Create([self.path], reshuffle=False)
        records = self.run(path, "ReadLetters", _LettersFn(self), Block | FileRange)
        spread = records | "SpreadRecords" >> beam.Reshuffle()
        return self.run(spread, "ReadBlocks", _ReadRecordFn(self), Block)


class _LettersFn(StageFn):
    def __init__(self, settings: ReadDeadLetters):
        super().__init__(settings.resilience)
        self._encoding = settings.encoding
        self._retrier = Retrier("read", settings.resilience.without_chaos())

    def process(self, path: str) -> Iterator[Block | FileRange]:
        encoding = functools.cache(lambda name: Encoding(name).name)
        for letter, run in read_letters(path, self._retrier):
            record = letter.payload
            if isinstance(record, ClassCount):
                continue  # see `ReadPreviousCounts`
            self.totals["parts_planned"] += 1
            recorded = encoding(run.get("encoding") or self._encoding)
            if isinstance(record, Block) and record.encoding == recorded:
                record = record._replace(encoding=encoding(self._encoding))
            yield record

    def finish_bundle(self) -> Iterator[TaggedOutput]:
        return self.emit_totals(self._retrier)


class _ReadRecordFn(PartFn):
    def process(self, record: Block | FileRange) -> Iterator[Any]:
        if isinstance(record, FileRange):
            yield from self.read_part(record)
        else:
            self.totals.update(parts_read=1, records_read=1, bytes_read=len(record.data))
            yield record


@dataclass
class ReadPreviousCounts(Stage):
    """Words that an earlier run has counted -> (signature, count), or `ClassTally` without one.

    Attributes:
      dictionary: of the earlier run.
      result: path of its result; may be empty.
      dead_letters: path of its dead letters, among them words; may be empty.

    Raises (when it runs):
      AnagramError: the result cannot be read, or is not of this dictionary.
    """

    dictionary: DictionarySpec = field(default_factory=DictionarySpec)
    result: str = ""
    dead_letters: str = ""

    def expand(self, root: PBegin) -> PCollection[tuple[str, Any]]:
        start = root | "Earlier" >> beam.Create([None], reshuffle=False)
        return self.run(start, "ReadEarlier", _ReadPreviousFn(self), tuple[str, Any])


class _ReadPreviousFn(StageFn):
    def __init__(self, settings: ReadPreviousCounts):
        super().__init__(settings.resilience)
        self._dictionary = settings.dictionary
        self._result, self._dead_letters = settings.result, settings.dead_letters
        self._retrier = Retrier("read", settings.resilience.without_chaos())

    def process(self, _: None) -> Iterator[tuple[str, Any]]:
        path = self._dead_letters
        letters = read_letters(path, self._retrier) if path else iter(())
        records = (letter.payload for letter, _ in letters)
        counts = (record for record in records if isinstance(record, ClassCount))
        known = None if self._dictionary.is_corpus else self._dictionary.load()
        for key, count, words in itertools.chain(counts, read_result(self._result, self._retrier)):
            if words and known is not None and tuple(sorted(words)) != known.members(key):
                raise AnagramError(
                    f"{self._result}: {words[0]!r} is no word of the dictionary, or stands without "
                    "its anagrams"
                )
            if known is None and not words:  # too long for any result
                self.totals.update(words=count, words_unmatched=count)
                continue
            self.totals.update(words=count, words_keyed=count)
            yield key, count if known is not None else ClassTally(count, words)

    def finish_bundle(self) -> Iterator[TaggedOutput]:
        return self.emit_totals(self._retrier)


def read_result(path: str, retrier: Retrier) -> Iterable[ClassCount]:
    """The anagram classes in a result file, or in its shards; none for an empty path.

    Raises:
      AnagramError: it cannot be read, or its words with the same letters differ in their counts.
    """
    classes: dict[str, ClassCount] = {}
    for word, count in _counted(path, retrier) if path else ():
        key = signature(word)
        seen = classes.get(key, ClassCount(key, count))
        if seen.count != count:
            raise AnagramError(f"{path}: {word!r} has not the count of its anagrams")
        classes[key] = seen._replace(words=(*seen.words, word))
    return classes.values()


def _counted(path: str, retrier: Retrier) -> Iterator[Counted]:
    try:
        for shard in retrier(shards_of, path):
            with _open(shard, retrier) as file:
                for word, count in READERS[format_of(path) or ""](file):
                    if type(count) is not int or count < 1:
                        raise ValueError(f"{count!r} is no count")
                    yield word, count
    except AnagramError:
        raise
    except RetriesExhaustedError as error:
        raise AnagramError(f"{path}: cannot be read: {error}") from error
    except Exception as error:  # each decompressor and format raises its own
        raise AnagramError(f"{path}: cannot be read as a result ({describe(error)})") from error


def shards_of(path: str) -> list[str]:
    """The file `path`, or the shards written in its place.

    Raises:
      AnagramError: there is neither, or both, or shards are missing.
    """
    shards = publishing.all_shards(path)
    if FileSystems.exists(path):
        if shards:
            raise AnagramError(f"{path}: there is also {shards[0]}; which one is the result?")
        return [path]
    if not shards:
        raise AnagramError(f"{path}: there is no such result")
    if shards != [publishing.shard_path(path, n, len(shards)) for n in range(len(shards))]:
        raise AnagramError(f"{path}: its shards are not those of one result")
    return shards
