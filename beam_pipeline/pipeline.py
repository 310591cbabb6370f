"""The pipeline: text -> words -> signatures -> counts -> the dictionary's members."""

from typing import TypedDict

import apache_beam as beam
from apache_beam.pvalue import PBegin, PCollection

from transforms.checks import check_one_of, check_positive
from transforms.columns import CombineWordCounts
from transforms.counts import CollectClasses, CountSignatures
from transforms.dictionary import DictionarySpec
from transforms.distinct_words import CountDistinctWords
from transforms.expand import AnagramCount, ExpandSignatures
from transforms.filtering import FilterBlocks
from transforms.stages.retry import Resilience
from transforms.stages.totals import SideOutputs
from transforms.tally import TallyBlocks
from transforms.words import ExtractWords, KeyBySignature, KeyWithWord

ENGINES = ("vectorized", "elementwise")


class _Care(TypedDict):
    """What all stages are given."""

    resilience: Resilience
    side_outputs: SideOutputs | None


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
    earlier: beam.PTransform | None = None,
    resilience: Resilience | None = None,
    side_outputs: SideOutputs | None = None,
) -> PCollection[AnagramCount]:
    """Adds the counting of anagrams to the pipeline of `root`.

    Args:
      source: begin -> `Block`s, see `beam_pipeline.io.sources`.
      engine: ``elementwise`` makes each word an element; ``vectorized`` tallies each bundle of
        blocks in compiled code first. Their results are equal.
      dictionary: whose members are counted, and how text becomes words (default: GCIDE).
      encoding_errors: what to do with undecodable bytes: ``replace``, ``strict`` or
        ``quarantine``, see `transforms.filtering.FilterBlocks`.
      min_word_length, min_class_size, min_count: what is less is left out.
      top: only so many records, those with the greatest counts, of equal ones the first words.
      threads: cores that ``vectorized`` may use in one worker.
      earlier: begin -> (signature, count) of words counted before, or `ClassTally` in corpus
        mode; they are added to those of the text.
      resilience: how stages bucket_words with faults.
      side_outputs: where the totals and dead letters of all stages go.

    Returns:
      One record for each word of the dictionary that has anagrams in the text.
    """
    check_one_of(ENGINES, engine=engine)
    dictionary = dictionary or DictionarySpec()
    care: _Care = {"resilience": resilience or Resilience(), "side_outputs": side_outputs}
    sum_up = CollectClasses() if dictionary.is_corpus else CountSignatures()
    blocks = root | "ReadText" >> source | "FilterText" >> FilterBlocks(encoding_errors, **care)
    if engine == "elementwise":
        extract = ExtractWords(dictionary.normalization, min_word_length, **care)
        key = KeyWithWord(**care) if dictionary.is_corpus else KeyBySignature(**care)
        words = blocks | "ExtractWords" >> extract
        counted = words | "KeyBySignature" >> key | "CountSignatures" >> sum_up
    elif dictionary.is_corpus:
        collect = CountDistinctWords(dictionary.normalization, min_word_length, **care)
        counted = (
            blocks | "CountDistinctWords" >> collect | "CountSignatures" >> CombineWordCounts()
        )
    else:
        tally = TallyBlocks(dictionary, min_word_length, threads, **care)
        counted = blocks | "TallyBlocks" >> tally | "CountSignatures" >> sum_up
    if earlier is not None:
        both = (counted, root | "CountedEarlier" >> earlier) | "AddEarlier" >> beam.Flatten()
        counted = both | "CountBoth" >> sum_up
    expand = ExpandSignatures(dictionary, min_class_size, min_count, **care)
    records = counted | "ExpandSignatures" >> expand
    return records if top is None else records | "TopWords" >> TopWords(top)


class TopWords(beam.PTransform):
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
