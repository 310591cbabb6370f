"""Beam's metrics of this pipeline: one namespace, a fixed set of names.

Runners report what was attempted, so that a repeated bundle counts twice here; what a run tells
of itself at the end comes from `transforms.stages.totals` instead.
"""

from collections.abc import Mapping

from apache_beam.metrics import Metrics

NAMESPACE = "anagrams"

COUNTERS = {
    name: Metrics.counter(NAMESPACE, name)
    for name in (
        "bytes_read",
        "records_read",
        "words",
        "words_matched",
        "words_unmatched",
        "invalid_bytes",
        "retries",
        "faults_injected",
        "dead_letters",
    )
}
#: Code points in a word. A sample: each length once in so many words, at least once in a bundle.
WORD_LENGTH = Metrics.distribution(NAMESPACE, "word_length")
BLOCK_BYTES = Metrics.distribution(NAMESPACE, "block_bytes")
#: How long it took to tally a block, or to cut it into words.
BLOCK_MICROSECONDS = Metrics.distribution(NAMESPACE, "block_microseconds")

_SAMPLED = 1000
#: Totals have the number of words by length under this prefix; the last has all longer ones.
LENGTH_PREFIX = "word_length_"
LONGEST_TOLD = 64


def add(totals: Mapping[str, int]) -> None:
    """Adds the `totals` of a bundle to the metrics of the stage that is running."""
    for name, number in totals.items():
        if name in COUNTERS:
            COUNTERS[name].inc(number)
        elif name.startswith(LENGTH_PREFIX):
            length = int(name.removeprefix(LENGTH_PREFIX))
            for _ in range(-(-number // _SAMPLED)):
                WORD_LENGTH.update(length)
