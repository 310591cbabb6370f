"""The pipeline: text -> words -> signatures -> counts -> the dictionary's words."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypedDict, cast

import apache_beam as beam
from apache_beam.pvalue import PBegin, PCollection

from transforms.checks import check_one_of, check_positive, check_type
from transforms.columns import CombineWordCounts
from transforms.counts import ClassTally, CombineClassTallies, CountSignatures
from transforms.dictionary import DictionaryLike, DictionarySpec
from transforms.distinct_words import CountDistinctWords
from transforms.expand import AnagramCount, ExpandSignatures, TopWords
from transforms.filtering import FilterBlocks
from transforms.stages.retry import Resilience
from transforms.stages.side_outputs import SideOutputs
from transforms.tally import TallyBlocks
from transforms.text.blocks import Block
from transforms.text.settings import TextSettings
from transforms.words import ExtractWords, KeyBySignature, KeyWithWord


class StageSettings(TypedDict):
    """What all stages are given."""

    resilience: Resilience
    side_outputs: SideOutputs | None


class EngineSettings(NamedTuple):
    """What an engine needs to know; see `CountAnagrams`."""

    dictionary: DictionarySpec
    text: TextSettings
    min_word_length: int
    threads: int
    stage: StageSettings


@dataclass
class _Engine(beam.PTransform[PCollection[Block], PCollection[tuple[str, Any]]]):
    """Counts the words of blocks by signature."""

    settings: EngineSettings

    def __post_init__(self) -> None:
        super().__init__()


class CountWords(_Engine):
    """Makes an element of every word: the literal shape of the problem, and the reference."""

    def expand(self, blocks: PCollection[Block]) -> PCollection[tuple[str, int]]:
        text, stage = self.settings.text, self.settings.stage
        return (
            blocks
            | "ExtractWords" >> ExtractWords(text, self.settings.min_word_length, **stage)
            | "KeyBySignature" >> KeyBySignature(**stage)
            | "CountSignatures" >> CountSignatures()
        )


class CountWordsOfCorpus(_Engine):
    """The same where the words of the text are the dictionary, and so must be remembered."""

    def expand(self, blocks: PCollection[Block]) -> PCollection[tuple[str, ClassTally]]:
        text, stage = self.settings.text, self.settings.stage
        return (
            blocks
            | "ExtractWords" >> ExtractWords(text, self.settings.min_word_length, **stage)
            | "KeyBySignature" >> KeyWithWord(**stage)
            | "CountSignatures" >> CombineClassTallies()
        )


class CountInBlocks(_Engine):
    """Counts words where they stand in blocks, in compiled code, a bundle at a time."""

    def expand(self, blocks: PCollection[Block]) -> PCollection[tuple[str, int]]:
        dictionary, text, min_word_length, threads, stage = self.settings
        return (
            blocks
            | "TallyBlocks" >> TallyBlocks(dictionary, text, min_word_length, threads, **stage)
            | "CountSignatures" >> CountSignatures()
        )


class CountInBlocksOfCorpus(_Engine):
    """The same where the words of the text are the dictionary: they move as columns."""

    def expand(self, blocks: PCollection[Block]) -> PCollection[tuple[str, ClassTally]]:
        _, text, min_word_length, _, stage = self.settings
        return (
            blocks
            | "CountDistinctWords" >> CountDistinctWords(text, min_word_length, **stage)
            | "CountSignatures" >> CombineWordCounts()
        )


# Engine, and whether the words of the text itself are the dictionary.
_ENGINES: Mapping[tuple[str, bool], type[_Engine]] = {
    ("vectorized", False): CountInBlocks,
    ("vectorized", True): CountInBlocksOfCorpus,
    ("elementwise", False): CountWords,
    ("elementwise", True): CountWordsOfCorpus,
}
#: How words can be counted. The results are equal.
ENGINES = tuple(dict.fromkeys(name for name, _ in _ENGINES))


@dataclass(kw_only=True)
class CountAnagrams(beam.PTransform[PCollection[Any], PCollection[AnagramCount]]):
    """Counts anagrams: for every word of a dictionary, how many words of the text have its letters.

    Takes a collection of `str` or of `Block`, each of which holds whole words, and yields an
    `AnagramCount` for each dictionary word that has anagrams in the text.

    Attributes:
      dictionary: whose words are counted: ``gcide``, ``web2``, several joined by ``+``, the path
        of a word list on any Beam filesystem, ``none`` for the words of the text itself, or any
        iterable of words.
      engine: one of `ENGINES`.
      normalization: how text becomes words: ``unicode`` or ``ascii``.
      punctuation: ``delete`` to join what stands around punctuation and symbols, or ``split`` to
        take them for separators.
      encoding_errors: what to do with invalid bytes: ``replace``, ``strict`` or ``quarantine``.
      min_word_length: shorter words of the text, in code points, are left out.
      min_class_size: anagram classes with fewer members are left out.
      min_count: words that are counted less often are left out.
      top: how many records to keep, those with the greatest counts; None keeps all.
      threads: how many cores the vectorized engine may use in one worker.
      previous: yields (signature, count) of words counted before, or `ClassTally` if there is no
        dictionary, to be added to those of the text; applied to the beginning of the pipeline.
      resilience: how often stages try, and what they do then.
      side_outputs: where the totals and dead letters of all stages go.

    Raises:
      ValueError, TypeError: naming the setting that is not possible.
      DictionaryError: the dictionary cannot be read, or has no usable word. That of a file is
        raised when the transform is applied.

    Example:
      >>> import apache_beam as beam
      >>> with beam.Pipeline(runner="FnApiRunner") as pipeline:
      ...     counts = (
      ...         pipeline
      ...         | beam.Create(["Listen to the cat.", "Silent!"])
      ...         | CountAnagrams(dictionary=["act", "cat", "enlist", "silent"], min_count=2)
      ...     )
      ...     _ = counts | beam.Map(lambda record: print(record.word, record.count))
      enlist 2
      silent 2
    """

    dictionary: DictionaryLike = "gcide"
    engine: str = "vectorized"
    normalization: str = "unicode"
    punctuation: str = "delete"
    encoding_errors: str = "replace"
    min_word_length: int = 1
    min_class_size: int = 1
    min_count: int = 1
    top: int | None = None
    threads: int = 1
    previous: beam.PTransform[PBegin, PCollection[tuple[str, Any]]] | None = None
    resilience: Resilience = field(default_factory=Resilience)
    side_outputs: SideOutputs | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        super().__init__()
        check_one_of(ENGINES, engine=self.engine)
        check_positive(
            min_word_length=self.min_word_length,
            min_class_size=self.min_class_size,
            min_count=self.min_count,
            threads=self.threads,
        )
        check_type(beam.PTransform, type(None), previous=self.previous)
        check_type(Resilience, resilience=self.resilience)
        check_type(SideOutputs, type(None), side_outputs=self.side_outputs)
        self._text = TextSettings(self.normalization, self.encoding_errors, self.punctuation)
        self._dictionary = DictionarySpec.of(self.dictionary, self.normalization)
        self._keep_top = TopWords(self.top)

    def expand(self, text: PCollection[str | Block]) -> PCollection[AnagramCount]:
        if not isinstance(text, PCollection):
            raise TypeError(
                "CountAnagrams takes a PCollection of str or Block: read text first, for example "
                f"with ReadFiles; it was applied to a {type(text).__name__}"
            )
        dictionary = self._dictionary.pinned()
        stage: StageSettings = {"resilience": self.resilience, "side_outputs": self.side_outputs}
        engine = _ENGINES[self.engine, dictionary.is_corpus]
        settings = EngineSettings(dictionary, self._text, self.min_word_length, self.threads, stage)
        expand = ExpandSignatures(dictionary, self.min_class_size, self.min_count, **stage)
        return (
            text
            | "ToBlocks" >> ToBlocks()
            | "FilterText" >> FilterBlocks(self._text, **stage)
            | "CountWords" >> engine(settings)
            | "AddPrevious" >> AddPrevious(self.previous, in_corpus_mode=dictionary.is_corpus)
            | "ExpandSignatures" >> expand
            | "KeepTop" >> self._keep_top
        )


@dataclass
class ToBlocks(beam.PTransform[PCollection[str | Block], PCollection[Block]]):
    """Turns texts into `Block`s; blocks stay as they are."""

    def __post_init__(self) -> None:
        super().__init__()

    def expand(self, text: PCollection[str | Block]) -> PCollection[Block]:
        if text.element_type is Block:
            return cast(PCollection[Block], text)
        return text | "ToBlock" >> beam.Map(_to_block).with_output_types(Block)


def _to_block(text: str | Block) -> Block:
    if isinstance(text, Block):
        return text
    if isinstance(text, str):
        return Block.of_text(text)
    raise TypeError(f"CountAnagrams counts the words of str or Block, not of {type(text).__name__}")


@dataclass
class AddPrevious(beam.PTransform[PCollection[tuple[str, Any]], PCollection[tuple[str, Any]]]):
    """Adds words that were counted before to those of the text; see `CountAnagrams.previous`."""

    previous: beam.PTransform[PBegin, PCollection[tuple[str, Any]]] | None
    in_corpus_mode: bool = field(kw_only=True)

    def __post_init__(self) -> None:
        super().__init__()

    def expand(self, counted: PCollection[tuple[str, Any]]) -> PCollection[tuple[str, Any]]:
        if self.previous is None:
            return counted
        combine = CombineClassTallies() if self.in_corpus_mode else CountSignatures()
        previous = counted.pipeline | "ReadPrevious" >> self.previous
        return (counted, previous) | "Both" >> beam.Flatten() | "CountBoth" >> combine


def build(
    root: beam.Pipeline | PBegin,
    source: beam.PTransform[Any, PCollection[Any]],
    *,
    dictionary: DictionaryLike | None = None,
    **settings: Any,
) -> PCollection[AnagramCount]:
    """Adds a source and `CountAnagrams` to a pipeline.

    Args:
      root: the pipeline, or its beginning.
      source: yields `str` or `Block`s, such as `beam_pipeline.io.sources.ReadFiles`.
      dictionary: as `CountAnagrams` takes it; a `DictionarySpec` brings its normalization.
      **settings: the others of `CountAnagrams`.

    Returns:
      A record for each word of the dictionary that has anagrams in the text.
    """
    check_type(beam.PTransform, source=source)
    if isinstance(dictionary, DictionarySpec):
        settings["normalization"] = dictionary.normalization
    count = CountAnagrams(dictionary="gcide" if dictionary is None else dictionary, **settings)
    return root | "ReadText" >> source | "CountAnagrams" >> count
