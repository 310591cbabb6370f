"""The pipeline: text -> words -> signatures -> counts -> the dictionary's words."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypedDict

import apache_beam as beam
from apache_beam.pvalue import PBegin, PCollection
from apache_beam.transforms.error_handling import ErrorHandler

from transforms.checks import check_one_of, check_positive, check_type
from transforms.columns.combine import CombineColumns
from transforms.columns.convert import PackCounts, PackRecords, UnpackCounts, UnpackRecords
from transforms.columns.elements import GroupedColumns, RecordColumns
from transforms.columns.expand import ExpandColumns
from transforms.columns.top import TopColumns
from transforms.counts import CombineClassTallies, CountSignatures
from transforms.dictionary import DictionaryLike, DictionarySpec
from transforms.expand import ExpandSignatures, NameGroups, TopWords
from transforms.filtering import FilterBlocks
from transforms.stages.error_handling import with_error_handler
from transforms.stages.groups import InGroup
from transforms.stages.retry import Resilience
from transforms.stages.side_outputs import SideOutputs
from transforms.stages.windows import has_panes, is_windowed, keys_can_share
from transforms.tally import TallyBlocks
from transforms.text.blocks import Block
from transforms.text.settings import TextSettings
from transforms.window_info import AddWindow
from transforms.words import ExtractWords, KeyBySignature, KeyWithWord

Text = str | Block


class StageSettings(TypedDict):
    """The settings of all stages."""

    resilience: Resilience
    side_outputs: SideOutputs | None


class EngineStageSettings(StageSettings):
    """The settings of all stages of an engine."""

    per_group: bool


class EngineSettings(NamedTuple):
    """The settings of an engine; see `CountAnagrams`."""

    dictionary: DictionarySpec
    text: TextSettings
    min_word_length: int
    min_class_size: int
    min_count: int
    top: int | None
    threads: int
    previous: beam.PTransform[PBegin, PCollection[tuple[str, Any]]] | None
    stage: EngineStageSettings


@dataclass
class _Engine(beam.PTransform[PCollection[Any], PCollection[Any]]):
    """Counts the words of blocks by signature, and expands signatures into records."""

    settings: EngineSettings

    def __post_init__(self) -> None:
        super().__init__()


class CountElements(_Engine):
    """Counts with an element for every word: the simple form, and the reference for the other."""

    def expand(self, blocks: PCollection[Any]) -> PCollection[Any]:
        settings, stage = self.settings, self.settings.stage
        # In corpus mode the words of the text are the dictionary, so they must be kept.
        key_words = KeyWithWord if settings.dictionary.is_corpus else KeyBySignature
        return (
            blocks
            | "ExtractWords" >> ExtractWords(settings.text, settings.min_word_length, **stage)
            | "KeyBySignature" >> key_words(**stage)
            | "CountEach" >> CountEachSignature(settings)
        )


@dataclass
class CountEachSignature(beam.PTransform[PCollection[Any], PCollection[Any]]):
    """Sums the counts of each signature, and expands it into records."""

    settings: EngineSettings

    def __post_init__(self) -> None:
        super().__init__()

    def expand(self, keyed: PCollection[Any]) -> PCollection[Any]:
        dictionary, _, _, min_size, min_count, top, _, previous, stage = self.settings
        per_group = stage["per_group"]
        combine = CombineClassTallies if dictionary.is_corpus else CountSignatures
        records = (
            keyed
            | "AddPrevious" >> AddPrevious(previous)
            | "CountSignatures" >> combine(per_group)
            | "ExpandSignatures" >> ExpandSignatures(dictionary, min_size, min_count, **stage)
            | "KeepTop" >> TopWords(top, per_group)
        )
        return records | "NameGroups" >> NameGroups() if per_group else records


class CountColumns(_Engine):
    """Counts words directly in blocks, with compiled code, and passes the counts on as columns."""

    def expand(self, blocks: PCollection[Any]) -> PCollection[Any]:
        dictionary, text, min_length, min_size, min_count, top, threads, previous, stage = (
            self.settings
        )
        per_group = stage["per_group"]
        tallied = blocks | "TallyBlocks" >> TallyBlocks(
            dictionary, text, min_length, threads, **stage
        )
        if not keys_can_share(blocks):
            return (
                tallied
                | "UnpackCounts"
                >> UnpackCounts(are_words=dictionary.is_corpus, per_group=per_group)
                | "CountEach" >> CountEachSignature(self.settings)
            )
        # Results that threads finish at the end of a bundle would have no pane.
        expand = ExpandColumns(
            dictionary, min_size, min_count, threads=1 if is_windowed(blocks) else threads, **stage
        )
        return (
            tallied
            | "AddPrevious" >> AddPrevious(previous, PackCounts(per_group=per_group))
            | "CountSignatures" >> CombineColumns()
            | "ExpandSignatures" >> expand
            | "KeepTop" >> TopColumns(top, per_group)
        )


_ENGINES: Mapping[str, type[_Engine]] = {"vectorized": CountColumns, "elementwise": CountElements}
#: How words can be counted. The results are equal.
ENGINES = tuple(_ENGINES)


@dataclass(kw_only=True)
class CountAnagrams(beam.PTransform[PCollection[Any], PCollection[Any]]):
    """Counts anagrams: for every word of a dictionary, how many words of the text have its letters.

    Takes a collection of `str` or of `Block`, each of which holds whole words, and yields an
    `AnagramCount` for each dictionary word that has anagrams in the text.

    Each window is counted separately. Records have the timestamps and panes that Beam's own
    ``CombinePerKey`` gives the counts of signatures, except that counts of 0, from panes without
    elements, are left out. `min_count` applies to each pane. `top` is refused if signatures have
    windows or panes of their own: in sessions, after a trigger or with an allowed lateness.

    With `per_group`, takes (group, text) pairs, in which a group is any string, and yields a
    `GroupedCount` for each group and word: a text counts in its own group only.

    Attributes:
      dictionary: whose words are counted: ``gcide``, ``web2``, several joined by ``+``, the path
        of a word list on any Beam filesystem, ``none`` for the words of the text itself, or any
        iterable of words.
      engine: one of `ENGINES`.
      normalization: how text becomes words: ``unicode`` or ``ascii``.
      punctuation: ``delete`` to join the characters around punctuation and symbols, or ``split``
        to treat punctuation and symbols as separators.
      encoding_errors: what to do with invalid bytes: ``replace``, ``strict`` or ``quarantine``.
      min_word_length: shorter words of the text, in code points, are left out.
      min_class_size: anagram classes with fewer members are left out.
      min_count: words that are counted less often are left out.
      top: how many records to keep, those with the greatest counts; None keeps all.
      threads: how many cores the vectorized engine may use in one worker.
      previous: a transform that yields earlier counts to add to those of the text; it is applied to
        the pipeline's root. It yields (signature, count) pairs, or in corpus mode (signature,
        `ClassTally`), and with `per_group` pairs of a group and one of these. None adds nothing.
      per_group: whether words are counted by group.
      with_window: whether to yield `WindowedCount`s or `WindowedGroupCount`s, which also have the
        window and the pane.
      as_columns: whether to yield `RecordColumns` or `GroupedColumns`, tables of many records,
        instead of single records; `WriteResults` takes either.
      resilience: how many times stages try, and what they do when all attempts have failed.
      side_outputs: collects the totals and dead letters of all stages.

    Raises:
      ValueError, TypeError: a setting is invalid; the message names it.
      DictionaryError: the dictionary cannot be read, or has no usable word. Files are read when the
        transform is applied.

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
    per_group: bool = False
    with_window: bool = False
    as_columns: bool = False
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
        TopWords(self.top)  # validates the number
        if self.with_window and self.as_columns:
            raise ValueError("with_window=True: columns do not have windows; leave out as_columns")

    def with_error_handler(self, error_handler: ErrorHandler | None) -> "beam.PTransform[Any, Any]":
        """Passes elements that cannot be processed to one of Beam's error handlers, as `ErrorRow`s.

        Args:
          error_handler: receives the rows; None changes nothing.

        Returns:
          A transform that does not fail on such elements.
        """
        names = (
            *("normalization", "punctuation", "encoding_errors"),
            *("min_word_length", "min_class_size", "min_count", "top"),
        )
        settings = {name: getattr(self, name) for name in names}
        if self._dictionary.words is None:
            settings["dictionary"] = self._dictionary.spec
        return with_error_handler(self, error_handler, settings)

    def expand(self, text: PCollection[Text | InGroup[Text]]) -> PCollection[Any]:
        if not isinstance(text, PCollection):
            raise TypeError(
                "CountAnagrams takes a PCollection of str or Block: read text first, for example "
                f"with ReadFiles; it was applied to a {type(text).__name__}"
            )
        settings = EngineSettings(
            self._dictionary.pinned(),
            self._text,
            self.min_word_length,
            self.min_class_size,
            self.min_count,
            self.top,
            self.threads,
            self.previous,
            {
                "resilience": self.resilience,
                "side_outputs": self.side_outputs,
                "per_group": self.per_group,
            },
        )
        records = (
            text
            | "ToBlocks" >> ToBlocks(per_group=self.per_group)
            | "FilterText" >> FilterBlocks(self._text, **settings.stage)
            | "CountWords" >> _ENGINES[self.engine](settings)
        )
        records |= "ToRecords" >> ToRecords(as_columns=self.as_columns)
        return records | "AddWindow" >> AddWindow() if self.with_window else records


@dataclass
class ToBlocks(beam.PTransform[PCollection[Any], PCollection[Any]]):
    """Turns texts into `Block`s; blocks stay as they are.

    Attributes:
      per_group: whether elements and results are pairs with a group.
    """

    per_group: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        super().__init__()

    def expand(self, text: PCollection[Text | InGroup[Text]]) -> PCollection[Any]:
        if self.per_group:
            return text | "ToBlock" >> beam.Map(_to_grouped_block).with_output_types(
                tuple[str, Block]
            )
        if text.element_type is Block:
            return text
        return text | "ToBlock" >> beam.Map(_to_block).with_output_types(Block)


def _to_grouped_block(grouped: tuple[str, str | Block]) -> tuple[str, Block]:
    if not isinstance(grouped, tuple) or len(grouped) != 2 or isinstance(grouped, Block):
        kind = type(grouped).__name__
        raise TypeError(f"CountAnagrams: with per_group it takes (group, text) pairs, not a {kind}")
    group, text = grouped
    if not isinstance(group, str):
        raise TypeError(f"CountAnagrams: a group is a str, not {type(group).__name__}")
    return group, _to_block(text)


def _to_block(text: str | Block) -> Block:
    if isinstance(text, Block):
        return text
    if isinstance(text, str):
        return Block.of_text(text)
    raise TypeError(f"CountAnagrams counts the words of str or Block, not of {type(text).__name__}")


@dataclass
class AddPrevious(beam.PTransform[PCollection[Any], PCollection[Any]]):
    """Adds words that were counted before to those of the text; see `CountAnagrams.previous`.

    Attributes:
      previous: yields the earlier counts; None adds nothing.
      convert: converts them to elements like those of the text.
    """

    previous: beam.PTransform[PBegin, PCollection[tuple[str, Any]]] | None
    convert: beam.PTransform[PCollection[tuple[str, Any]], PCollection[Any]] | None = None

    def __post_init__(self) -> None:
        super().__init__()

    def expand(self, counted: PCollection[Any]) -> PCollection[Any]:
        if self.previous is None:
            return counted
        if is_windowed(counted) or has_panes(counted):
            raise ValueError(
                "previous: was counted in no window, so it cannot be added to windows or panes"
            )
        previous = counted.pipeline | "ReadPrevious" >> self.previous
        if self.convert is not None:
            previous |= "Convert" >> self.convert
        return (counted, previous) | "Both" >> beam.Flatten()


@dataclass
class ToRecords(beam.PTransform[PCollection[Any], PCollection[Any]]):
    """Converts records or columns to records or, with `as_columns`, to columns."""

    as_columns: bool = field(kw_only=True)

    def __post_init__(self) -> None:
        super().__init__()

    def expand(self, records: PCollection[Any]) -> PCollection[Any]:
        are_columns = records.element_type in (RecordColumns, GroupedColumns)
        if are_columns == self.as_columns:
            return records
        return records | "Convert" >> (UnpackRecords() if are_columns else PackRecords())


def build(
    root: beam.Pipeline | PBegin,
    source: beam.PTransform[Any, PCollection[Any]],
    *,
    dictionary: DictionaryLike | None = None,
    **settings: Any,
) -> PCollection[Any]:
    """Adds a source and `CountAnagrams` to a pipeline.

    Args:
      root: the pipeline.
      source: yields `str` or `Block`s, such as `beam_pipeline.io.sources.ReadFiles`.
      dictionary: as for `CountAnagrams`; a `DictionarySpec` also sets the normalization.
      **settings: the other settings of `CountAnagrams`.

    Returns:
      A record for each word of the dictionary that has anagrams in the text.
    """
    check_type(beam.PTransform, source=source)
    if isinstance(dictionary, DictionarySpec):
        settings["normalization"] = dictionary.normalization
    count = CountAnagrams(dictionary="gcide" if dictionary is None else dictionary, **settings)
    return root | "ReadText" >> source | "CountAnagrams" >> count
