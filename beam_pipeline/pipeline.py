"""The pipeline: text -> words -> signatures -> counts -> the dictionary's members."""

import apache_beam as beam
from apache_beam.pvalue import PBegin, PCollection

from transforms.counts import CollectClasses, CountSignatures
from transforms.dictionary import DictionarySpec
from transforms.expand import AnagramCount, ExpandSignatures
from transforms.words import DecodeBlocks, ExtractWords, KeyBySignature


def build(
    root: beam.Pipeline | PBegin,
    source: beam.PTransform,
    *,
    dictionary: DictionarySpec | None = None,
    encoding_errors: str = "replace",
    min_word_length: int = 1,
    min_class_size: int = 1,
    min_count: int = 1,
    top: int | None = None,
) -> PCollection[AnagramCount]:
    """Adds the counting of anagrams to the pipeline of `root`.

    Args:
      source: begin -> `Block`s, see `beam_pipeline.sources`.
      dictionary: whose members are counted, and how text becomes words (default: GCIDE).
      encoding_errors: what to do with undecodable bytes, see `DecodeBlocks`.
      min_word_length, min_class_size, min_count: what is less is left out.
      top: only so many records, those with the greatest counts, of equal ones the first words.

    Returns:
      One record for each word of the dictionary that has anagrams in the text.
    """
    dictionary = dictionary or DictionarySpec()
    words = (
        root
        | "ReadText" >> source
        | "DecodeText" >> DecodeBlocks(encoding_errors)
        | "ExtractWords" >> ExtractWords(dictionary.normalization, min_word_length)
    )
    if dictionary.is_corpus:
        counts = words | "CollectClasses" >> CollectClasses()
    else:
        counts = (
            words | "KeyBySignature" >> KeyBySignature() | "CountSignatures" >> CountSignatures()
        )
    records = counts | "ExpandSignatures" >> ExpandSignatures(dictionary, min_class_size, min_count)
    return records if top is None else records | "KeepGreatest" >> KeepGreatest(top)


class KeepGreatest(beam.PTransform):
    """`AnagramCount` -> the `n` with the greatest counts; of equal ones the first words."""

    def __init__(self, n: int):
        super().__init__()
        self._n = n

    def expand(self, records: PCollection[AnagramCount]) -> PCollection[AnagramCount]:
        return (
            records
            | "Rank" >> beam.combiners.Top.Smallest(self._n, key=_rank)
            | "ListGreatest" >> beam.FlatMap(list).with_output_types(AnagramCount)
        )


def _rank(record: AnagramCount) -> tuple[int, str]:
    return -record.count, record.word
