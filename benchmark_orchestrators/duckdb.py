"""DuckDB, which counts the pieces of the text in SQL, on all cores.

Shows an embedded analytical database. The text is cut at spaces, which all separators are
translated to: many times faster than a regular expression. Only the distinct pieces are folded:
those in ASCII in SQL, the others, which need the rules of Unicode, in Python.
"""

import time
from typing import Any

import duckdb
import pyarrow as pa

from beam_pipeline.benchmark.piece_counts import count_with_duckdb
from benchmark_orchestrators._common import (
    Stages,
    answer,
    check_text,
    chunks,
    dictionary,
    separators,
    sum_by_signature,
)

_CHUNK_SIZE = 1 << 12
_COUNT_PIECES = "CREATE OR REPLACE TEMP TABLE counted AS " + count_with_duckdb(
    "chunks", "string_split(translate(chunk, $from, $to), ' ')"
)
_OTHERS = "SELECT piece, count FROM counted WHERE strlen(piece) <> length(piece)"
# Several pieces can be one word, and a word longer than all of the dictionary matches nothing.
_SUM_BY_SIGNATURE = """
    CREATE OR REPLACE TEMP TABLE summed AS
    WITH words AS (
        SELECT regexp_replace(lower(piece), '[^a-z0-9]+', '', 'g') AS word, sum(count) AS count
        FROM counted WHERE strlen(piece) = length(piece) GROUP BY word
    )
    SELECT signature, sum(count) AS count FROM (
        SELECT array_to_string(list_sort(string_split(word, '')), '') AS signature, count
        FROM words WHERE length(word) <= $longest
        UNION ALL SELECT signature, count FROM others
    ) GROUP BY signature
"""
_EXPAND = "SELECT word, count::BIGINT FROM summed JOIN dictionary USING (signature)"


class TaskOrchestrator:
    """Counts pieces, sums them by signature, and joins them with the dictionary."""

    def __init__(self, chaos: str = ""):
        self._stages = Stages(chaos)
        self._connection = duckdb.connect()
        self._connection.register("dictionary", _members())
        self._separators = separators()

    def process_text(self, text: str) -> dict[str, Any]:
        """Counts a text."""
        check_text(text)
        began = time.perf_counter()
        filtered = self._stages.do("filter", chunks, text, _CHUNK_SIZE)
        self._stages.do("extract", self._count_pieces, filtered)
        self._stages.do("key", self._sum_by_signature)
        counts = self._stages.do("expand", self._expand)
        return answer(began, counts)

    def _count_pieces(self, parts: list[str]) -> None:
        self._connection.register("chunks", pa.table({"chunk": pa.array(parts, pa.string())}))
        spaces = " " * len(self._separators)
        self._connection.execute(_COUNT_PIECES, {"from": self._separators, "to": spaces})

    def _sum_by_signature(self) -> None:
        others = sum_by_signature(self._connection.execute(_OTHERS).fetchall())
        columns = {
            "signature": pa.array(others.keys(), pa.string()),
            "count": pa.array(others.values(), pa.int64()),
        }
        self._connection.register("others", pa.table(columns))
        self._connection.execute(_SUM_BY_SIGNATURE, {"longest": max(map(len, dictionary()))})

    def _expand(self) -> dict[str, int]:
        return dict(self._connection.execute(_EXPAND).fetchall())


def _members() -> pa.Table:
    rows = [(key, word) for key, found in dictionary().items() for word in found]
    signatures, words = zip(*rows, strict=True)
    return pa.table({"signature": signatures, "word": words})
