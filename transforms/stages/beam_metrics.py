"""Beam's metrics of this pipeline: one namespace, a fixed set of names.

Runners report metrics as attempted: a repeated bundle counts twice here. The exact numbers at the
end of a run come from `transforms.stages.totals`.
"""

from apache_beam.metrics.metric import Metrics

from transforms.stages.totals import Count, Totals

NAMESPACE = "anagrams"

_COUNTERS = {
    count: Metrics.counter(NAMESPACE, count.value)
    for count in (
        Count.BYTES_READ,
        Count.BLOCKS_READ,
        Count.WORDS,
        Count.WORDS_MATCHED,
        Count.WORDS_UNMATCHED,
        Count.INVALID_BYTES,
        Count.STORE_REQUESTS,
        Count.STORE_BYTES_RECEIVED,
        Count.STORE_BYTES_SENT,
        Count.RETRIES,
        Count.FAULTS_INJECTED,
        Count.DEAD_LETTERS,
    )
}
#: Code points in a word, sampled: each length once in this many words, at least once in a bundle.
WORD_LENGTH = Metrics.distribution(NAMESPACE, "word_length")
_SAMPLED_WORDS = 1000
BLOCK_BYTES = Metrics.distribution(NAMESPACE, "block_bytes")
#: Time to tally a block, or to cut it into words, in microseconds.
BLOCK_MICROSECONDS = Metrics.distribution(NAMESPACE, "block_microseconds")
#: Files of windows that have been published, and the records in them.
WINDOWS_PUBLISHED = Metrics.counter(NAMESPACE, "windows_published")
RECORDS_PUBLISHED = Metrics.counter(NAMESPACE, "records_published")


def report_totals(totals: Totals) -> None:
    """Adds the totals of a bundle to the metrics of the stage that is running."""
    for count, number in totals.counts.items():
        if count in _COUNTERS:
            _COUNTERS[count].inc(number)
    for length, words in totals.words_by_length.items():
        for _ in range(-(-words // _SAMPLED_WORDS)):
            WORD_LENGTH.update(length)
