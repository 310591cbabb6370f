"""The pipeline: text -> words -> signatures -> counts -> the dictionary's members."""

from typing import Any

import apache_beam as beam
from apache_beam.pvalue import PBegin, PCollection

from transforms.blocks import Block
from transforms.checks import check_one_of, check_positive
from transforms.counts import CollectClasses, CountSignatures
from transforms.dictionary import DictionarySpec
from transforms.expand import AnagramCount, ExpandSignatures
from transforms.tally import CollectBlocks, TallyBlocks
from transforms.words import DecodeBlocks, ExtractWords, KeyBySignature, KeyWithWord

ENGINES = ("vectorized", "elementwise")


def build(
    root: beam.Pipeline | PBegin,
    source: beam.PTransform,
    *,
    engine: str = "vectorized",
    dictionary: DictionarySpec | None = None,
    encoding_errors: str = "replace",
    min_word_length: int = 1,
    min_class_size: int = 1,
    min_count: int = 1,
    top: int | None = None,
    threads: int = 1,
) -> PCollection[AnagramCount]:
    """Adds the counting of anagrams to the pipeline of `root`.

    Args:
      source: begin -> `Block`s, see `beam_pipeline.sources`.
      engine: ``elementwise`` makes each word an element; ``vectorized`` tallies each bundle of
        blocks in compiled code first. Their results are equal.
      dictionary: whose members are counted, and how text becomes words (default: GCIDE).
      encoding_errors: what to do with undecodable bytes: ``replace`` or ``strict``.
      min_word_length, min_class_size, min_count: what is less is left out.
      top: only so many records, those with the greatest counts, of equal ones the first words.
      threads: cores that ``vectorized`` may use in one worker.

    Returns:
      One record for each word of the dictionary that has anagrams in the text.
    """
    check_one_of(ENGINES, engine=engine)
    dictionary = dictionary or DictionarySpec()
    blocks = root | "ReadText" >> source
    if engine == "vectorized":
        keyed = _tally(blocks, dictionary, encoding_errors, min_word_length, threads)
    else:
        keyed = (
            blocks
            | "DecodeText" >> DecodeBlocks(encoding_errors)
            | "ExtractWords" >> ExtractWords(dictionary.normalization, min_word_length)
            | "KeyBySignature" >> (KeyWithWord() if dictionary.is_corpus else KeyBySignature())
        )
    count = CollectClasses() if dictionary.is_corpus else CountSignatures()
    records = (
        keyed
        | "CountSignatures" >> count
        | "ExpandSignatures" >> ExpandSignatures(dictionary, min_class_size, min_count)
    )
    return records if top is None else records | "KeepGreatest" >> KeepGreatest(top)


def _tally(
    blocks: PCollection[Block],
    dictionary: DictionarySpec,
    encoding_errors: str,
    min_word_length: int,
    threads: int,
) -> PCollection[tuple[str, Any]]:
    """The first three steps of `build` in one, a bundle at a time."""
    if dictionary.is_corpus:
        return blocks | "CollectBlocks" >> CollectBlocks(
            dictionary.normalization, encoding_errors, min_word_length
        )
    return blocks | "TallyBlocks" >> TallyBlocks(
        dictionary, encoding_errors, min_word_length, threads
    )


class KeepGreatest(beam.PTransform):
    """`AnagramCount` -> the `n` with the greatest counts; of equal ones the first words."""

    def __init__(self, n: int):
        super().__init__()
        check_positive(top=n)
        self._n = n

    def expand(self, records: PCollection[AnagramCount]) -> PCollection[AnagramCount]:
        return (
            records
            | "Rank" >> beam.combiners.Top.Smallest(self._n, key=_rank)
            | "ListGreatest" >> beam.FlatMap(list).with_output_types(AnagramCount)
        )


def _rank(record: AnagramCount) -> tuple[int, str]:
    return -record.count, record.word
