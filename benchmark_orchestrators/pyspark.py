"""PySpark on two local cores: the text's pieces are counted in data frames.

Shows a cluster's tool on one machine: made for more than that, and slow to start. Only the
distinct pieces are folded: those in ASCII in Spark, the others, which need Unicode's rules, in
Python.
"""

import tempfile
import time
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as f

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
_MEMORY = "4g"


class TaskOrchestrator:
    """Lines -> pieces -> counted pieces -> counted signatures -> dictionary words."""

    def __init__(self, chaos: str = ""):
        self._stages = Stages(chaos)
        self._separators = separators()
        dictionary()
        self._session = (
            SparkSession.builder.master(f"local[{_CORES}]")
            .config("spark.driver.memory", _MEMORY)
            .config("spark.sql.shuffle.partitions", 2 * _CORES)
            .config("spark.ui.enabled", False)
            # Between its turns the process is paused for longer than Spark would wait.
            .config("spark.network.timeout", "24h")
            .config("spark.executor.heartbeatInterval", "12h")
            .getOrCreate()
        )
        self._session.range(1).count()  # the first job starts what all others need

    def process_text(self, text: str) -> dict[str, Any]:
        check_text(text)
        began = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "text.txt")
            self._stages.do("filter", path.write_text, text, "utf-8")
            counted = self._stages.do("words", self._count_pieces, str(path))
            by_signature = self._stages.do("anagrams", _sum_by_signature, counted)
            counted.unpersist()
        return answer(began, self._stages.do("permutations", expand, by_signature))

    def _count_pieces(self, path: str) -> DataFrame:
        lines = self._session.read.text(path, lineSep="\n")
        spaced = f.translate("value", self._separators, " " * len(self._separators))
        pieces = lines.select(f.explode(f.split(spaced, " ")).alias("piece"))
        counted = pieces.where("piece <> ''").groupBy("piece").count()
        return counted.cache()


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
