"""Steps for Beam YAML: rows in and rows out, with settings of plain types.

A pipeline in YAML names this module as a provider:

    providers:
      - type: python
        config: {}
        transforms:
          CountAnagrams: beam_pipeline.yaml.CountAnagrams

Beam takes the settings and their descriptions from the signatures and docstrings here. Functions
have the names of transforms, because YAML uses these names. Other languages can use them too: they
do not need Beam YAML.
"""

# ruff: noqa: N802

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam.coders.typecoders import registry
from apache_beam.pvalue import PBegin, PCollection
from apache_beam.transforms.error_handling import ErrorHandler

from beam_pipeline import pipeline
from beam_pipeline.io import sinks, sources
from transforms import words
from transforms.expand import AnagramCount, GroupedCount, NameGroups
from transforms.expand import TopWords as KeepTopWords
from transforms.rows import ExtractText
from transforms.stages.error_handling import ErrorRow
from transforms.stages.retry import Resilience
from transforms.stages.schemas import fields_of
from transforms.text.blocks import Block
from transforms.text.settings import TextSettings
from transforms.text.signature import signature

ErrorHandling = dict[str, str]
#: The name of the main output of a step that also has an output for errors.
RESULTS = "good"


class Word(NamedTuple):
    """A word of a text, as normalization makes it."""

    word: str


class SignedWord(NamedTuple):
    """A word and its signature, which is its letters, sorted."""

    word: str
    signature: str


class TextBlock(NamedTuple):
    """A `Block` as a row, for programs that do not have its class.

    Attributes:
      source, offset, data, encoding, invalid_bytes: as in `Block`.
    """

    source: str
    offset: int
    data: bytes
    encoding: str
    invalid_bytes: int


for _row in (Word, SignedWord, TextBlock):
    registry.register_coder(_row, beam.coders.RowCoder)


def ReadFiles(
    patterns: Sequence[str],
    encoding: str | None = None,
    encoding_errors: str = "replace",
    error_handling: ErrorHandling | None = None,
) -> beam.PTransform[PBegin, Any]:
    """Reads text files, plain or compressed, as blocks of whole words for `CountAnagrams`.

    Each block is a row with its text as bytes, `data`, and its file, `source`. Lines and files of
    any length are read in bounded memory, which reading line by line cannot do.

    Args:
      patterns: files, globs or folders on any Beam filesystem, one or a list.
      encoding: of the files; by default a byte order mark decides, otherwise it is UTF-8.
      encoding_errors: what to do with invalid bytes: replace (default), strict or quarantine.
      error_handling: the name of an output for what cannot be read; by default the run fails.
    """
    text = TextSettings(encoding_errors=encoding_errors)
    read = sources.ReadFiles(_listed(patterns), encoding, text)
    return _with_errors("ReadFiles", read, error_handling, after=_to_rows)


def CountAnagrams(
    field: str | None = None,
    group: str | None = None,
    dictionary: str | Sequence[str] = "gcide",
    engine: str = "vectorized",
    normalization: str = "unicode",
    punctuation: str = "delete",
    encoding_errors: str = "replace",
    min_word_length: int = 1,
    min_class_size: int = 1,
    min_count: int = 1,
    top: int | None = None,
    max_attempts: int = Resilience.max_attempts,
    error_handling: ErrorHandling | None = None,
) -> beam.PTransform[PCollection[Any], Any]:
    """Counts anagrams: for every word of a dictionary, how many words of the text have its letters.

    The input is rows with a text, or the blocks of `ReadFiles`. The output is a row for each word
    of the dictionary that has anagrams in the text, with `word`, `count` and `signature`.

    Args:
      field: the field of the rows that is the text; needed only if several fields are strings.
      group: the field with the group of a text; the words of each group are counted separately, and
        the output has `group` too. With ReadFiles it may be source, the file. By default none.
      dictionary: whose words are counted: gcide, web2, both as gcide+web2, the path of a word list,
        none for the words of the text itself, or a list of words.
      engine: how words are counted, vectorized or elementwise; the results are equal.
      normalization: how text becomes words: unicode or ascii.
      punctuation: delete, so that the characters around it join, or split.
      encoding_errors: what to do with invalid bytes: replace, strict or quarantine.
      min_word_length: shorter words of the text are left out.
      min_class_size: anagram classes with fewer members are left out.
      min_count: words with a smaller count are left out.
      top: how many records to keep, those with the greatest counts; by default all.
      max_attempts: how many times a stage tries to process an element.
      error_handling: the name of an output for what cannot be processed; by default the run fails.
    """
    count = pipeline.CountAnagrams(
        dictionary=dictionary,
        engine=engine,
        normalization=normalization,
        punctuation=punctuation,
        encoding_errors=encoding_errors,
        min_word_length=min_word_length,
        min_class_size=min_class_size,
        min_count=min_count,
        top=top,
        per_group=group is not None,
        resilience=Resilience(max_attempts),
    )
    return _with_errors("CountAnagrams", count, error_handling, before=ExtractText(field, group))


def ExtractWords(
    field: str | None = None,
    normalization: str = "unicode",
    punctuation: str = "delete",
    min_length: int = 1,
) -> beam.PTransform[PCollection[Any], PCollection[Word]]:
    """Extracts the normalized words of texts; the output is a row with `word` for each.

    Args:
      field: the field of the rows that is the text; needed only if several fields are strings.
      normalization: how text becomes words: unicode or ascii.
      punctuation: delete, so that the characters around it join, or split.
      min_length: shorter words are left out.
    """
    extract = words.ExtractWords(TextSettings(normalization, punctuation=punctuation), min_length)
    return _Chain(
        "ExtractWords",
        lambda rows: (
            rows
            | "ExtractText" >> ExtractText(field)
            | "ToBlocks" >> pipeline.ToBlocks()
            | "ExtractWords" >> extract
            | "ToRow" >> beam.Map(Word).with_output_types(Word)
        ),
    )


def AddSignature(field: str | None = None) -> beam.PTransform[PCollection[Any], Any]:
    """Adds to each word its signature, which anagrams share; the output has `word` and `signature`.

    Args:
      field: the field of the rows that is the word; needed only if several fields are strings.
    """
    return _Chain(
        "AddSignature",
        lambda rows: (
            rows
            | "ExtractWord" >> ExtractText(field)
            | "Sign" >> beam.Map(_signed).with_output_types(SignedWord)
        ),
    )


def TopWords(number: int) -> beam.PTransform[PCollection[Any], PCollection[Any]]:
    """Keeps the rows with the greatest counts; ties are broken by word.

    Args:
      number: how many to keep, of each group if there are any.
    """

    def steps(rows: PCollection[Any]) -> Any:
        records = _records(rows, "TopWords")
        if records.element_type is not GroupedCount:
            return records | "KeepTop" >> KeepTopWords(number)
        return (
            records
            | "PartGroup" >> beam.Map(_part_group).with_output_types(tuple[str, AnagramCount])
            | "KeepTop" >> KeepTopWords(number, per_group=True)
            | "NameGroups" >> NameGroups()
        )

    return _Chain("TopWords", steps)


def _part_group(record: GroupedCount) -> tuple[str, AnagramCount]:
    return record.group, AnagramCount(record.word, record.count, record.signature)


def WriteResults(
    path: str, output_format: str | None = None, num_shards: int = 1, sort: str = "word"
) -> beam.PTransform[PCollection[Any], PCollection[Any]]:
    """Writes counts to one file, or to shards, and replaces an earlier result atomically.

    Args:
      path: the file; with more than one shard, path-00000-of-0000N and so on.
      output_format: json, jsonl, csv or parquet; by default the extension of the path decides.
      num_shards: the number of files.
      sort: word, or count for the greatest counts first.
    """
    write = sinks.WriteResults(path, output_format, num_shards, sort=sort)
    return _Chain("WriteResults", lambda rows: _records(rows, "WriteResults") | "Write" >> write)


class _Chain(beam.PTransform[Any, Any]):
    """Some steps under one label."""

    def __init__(self, label: str, steps: Callable[[Any], Any]):
        super().__init__(label)
        self._steps = steps

    def expand(self, given: Any) -> Any:
        return self._steps(given)


def _unchanged(results: Any) -> Any:
    return results


def _with_errors(
    label: str,
    transform: Any,
    error_handling: ErrorHandling | None,
    before: beam.PTransform[Any, Any] | None = None,
    after: Callable[[Any], Any] = _unchanged,
) -> beam.PTransform[Any, Any]:
    """Returns a transform, with an output for errors if `error_handling` names one.

    Raises:
      ValueError: `error_handling` has another key than ``output``.
    """
    if error_handling is not None and set(error_handling) != {"output"}:
        raise ValueError(f"error_handling={error_handling!r}: give output, and nothing else")

    def steps(given: Any) -> Any:
        texts = given if before is None else given | before.label >> before
        if error_handling is None:
            return after(texts | label >> transform)
        with ErrorHandler(_TakeErrors()) as handler:
            results = texts | label >> transform.with_error_handler(handler)
        return {RESULTS: after(results), error_handling["output"]: handler.output()}

    return _Chain(label, steps)


def _to_rows(blocks: PCollection[Block]) -> PCollection[TextBlock]:
    to_row = beam.Map(_text_block).with_output_types(TextBlock)
    rows: PCollection[TextBlock] = blocks | "ToRow" >> to_row
    return rows


def _text_block(block: Block) -> TextBlock:
    return TextBlock(*block)


class _TakeErrors(beam.PTransform[Any, Any]):
    """Passes on the rows of an error handler unchanged."""

    def expand(self, rows: PCollection[ErrorRow]) -> PCollection[ErrorRow]:
        return rows


def _listed(patterns: str | Sequence[str]) -> tuple[str, ...]:
    return (patterns,) if isinstance(patterns, str) else tuple(patterns)


def _signed(word: str) -> SignedWord:
    return SignedWord(word, signature(word))


def _records(rows: PCollection[Any], label: str) -> PCollection[Any]:
    """Converts rows to records, with groups if rows have a field `group`.

    Raises:
      ValueError: the rows lack a field.
    """
    if rows.element_type in (AnagramCount, GroupedCount):
        return rows
    fields = fields_of(rows) or {}
    missing = [name for name in AnagramCount._fields if name not in fields]
    if missing:
        raise ValueError(f"{label}: rows must have {', '.join(missing)}")
    record_type = GroupedCount if "group" in fields else AnagramCount
    records: PCollection[Any] = rows | "ToRecord" >> beam.Map(
        lambda row: record_type(*(getattr(row, name) for name in record_type._fields))
    ).with_output_types(record_type)
    return records
