"""PySpark on two local cores, which counts the pieces of the text in data frames.

Shows a tool for clusters on one machine: it is made for more than that, and slow to start. Only
the distinct pieces are folded: those in ASCII in Spark, the others, which need the rules of
Unicode, in Python.
"""

import tempfile
import time
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as f

from beam_pipeline.benchmark.piece_counts import count_with_spark, spark_session
from benchmark_orchestrators._common import (
    Stages,
    answer,
    check_text,
    dictionary,
    expand,
    separators,
    sum_by_signature,
)

_CORES = 2


class TaskOrchestrator:
    """Counts pieces, sums them by signature, and expands them into dictionary words."""

    def __init__(self, chaos: str = ""):
        self._stages = Stages(chaos)
        self._separators = separators()
        dictionary()
        self._session = spark_session(
            _CORES,
            config={
                "spark.sql.shuffle.partitions": 2 * _CORES,
                # Between its turns the process is paused for longer than Spark would wait.
                "spark.network.timeout": "24h",
                "spark.executor.heartbeatInterval": "12h",
            },
        )
        self._session.range(1).count()  # the first job starts what all others need

    def process_text(self, text: str) -> dict[str, Any]:
        """Counts a text."""
        check_text(text)
        began = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "text.txt")
            self._stages.do("filter", path.write_text, text, "utf-8")
            counted = self._stages.do("extract", self._count_pieces, str(path))
            by_signature = self._stages.do("key", _sum_by_signature, counted)
            counted.unpersist()
        return answer(began, self._stages.do("expand", expand, by_signature))

    def _count_pieces(self, path: str) -> DataFrame:
        lines = self._session.read.text(path, lineSep="\n")
        spaced = f.translate("value", self._separators, " " * len(self._separators))
        return count_with_spark(lines, f.split(spaced, " ")).cache()


def _sum_by_signature(counted: DataFrame) -> dict[str, int]:
    is_ascii = f.octet_length("piece") == f.length("piece")
    word = f.regexp_replace(f.lower("piece"), "[^a-z0-9]", "")
    letters = f.array_join(f.array_sort(f.split(word, "")), "")
    plain = counted.where(is_ascii).groupBy(letters.alias("signature")).agg(f.sum("count"))
    summed = sum_by_signature(counted.where(~is_ascii).collect())
    known = dictionary()
    for signature, count in plain.toLocalIterator():
        if signature in known:
            summed[signature] += count
    return summed
