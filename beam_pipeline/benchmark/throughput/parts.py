"""Parts of the engine, each timed by itself, as a program of its own.

``python -m beam_pipeline.benchmark.throughput.parts NAME FILE`` prints ``{"seconds": ...}``,
without what a process does once: imports, tables, compilation.
"""

import glob
import json
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transforms.kernel.fallback import Tally

_BLOCK_BYTES = 1 << 20


def kernel(path: str) -> float:
    """Tallies a text in compiled code, and returns the seconds, without those of reading it."""
    from transforms.dictionary import DictionarySpec
    from transforms.kernel.tally import BlockTally, tally_table
    from transforms.text.settings import TextSettings

    return _tallied(BlockTally(tally_table(DictionarySpec(), TextSettings()), 1), path)


def words(path: str) -> float:
    """Counts the distinct words of a text in compiled code, and returns the seconds."""
    from transforms.kernel.distinct import DistinctTally, spelling_table
    from transforms.kernel.word_table import WordStore
    from transforms.tally import TallyBlocks
    from transforms.text.settings import TextSettings

    store = WordStore(TallyBlocks.buckets, TallyBlocks.max_table_bytes)
    return _tallied(DistinctTally(spelling_table(TextSettings()), store), path)


def _tallied(tally: "Tally", path: str) -> float:
    """Adds a text to a tally, and returns the seconds, without those of reading it."""
    tally.add(b"compiles the code")
    taken = 0.0
    with open(path, "rb") as file:
        while block := file.read(_BLOCK_BYTES):
            block += file.readline()  # a block ends between words
            began = time.perf_counter()
            tally.add(block)
            tally.commit()
            if tally.is_full:
                deque((part() for part in tally.drain()), maxlen=0)
            taken += time.perf_counter() - began
    return taken


def nothing(path: str) -> float:
    """Runs a Beam pipeline that does nothing, and returns the seconds.

    Args:
      path: of any file, which is not read.
    """
    import apache_beam as beam

    began = time.perf_counter()
    with beam.Pipeline(runner="FnApiRunner") as pipeline:
        pipeline | beam.Create([path])
    return time.perf_counter() - began


def source(path: str) -> float:
    """Reads a text as blocks that a pipeline only counts, and returns the seconds.

    A runner's fixed costs, about a tenth of a second, are part of it.
    """
    import apache_beam as beam
    from apache_beam.transforms.combiners import Count

    from beam_pipeline.io.sources import ReadFiles

    pipeline = beam.Pipeline(runner="FnApiRunner")
    blocks = pipeline | "ReadText" >> ReadFiles((glob.escape(path),))
    blocks | "CountBlocks" >> Count.Globally()
    began = time.perf_counter()
    pipeline.run().wait_until_finish()
    return time.perf_counter() - began


PARTS: Mapping[str, Callable[[str], float]] = {
    "kernel": kernel,
    "words": words,
    "source": source,
    "nothing": nothing,
}

if __name__ == "__main__":
    name, path = sys.argv[1:]
    print(json.dumps({"seconds": PARTS[name](path)}))
