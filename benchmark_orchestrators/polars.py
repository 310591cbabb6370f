"""Polars, whose streaming engine counts the pieces of the text on all cores.

Shows a fast library for data frames. Only the distinct pieces are folded: those in ASCII in
Polars, the others, which need the rules of Unicode, in Python.
"""

import time
from typing import Any

import polars as pl

from beam_pipeline.benchmark.piece_counts import count_with_polars
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
_PIECE = "[^" + "".join(f"\\x{{{ord(char):X}}}" for char in separators()) + "]+"


class TaskOrchestrator:
    """Counts pieces, sums them by signature, and joins them with the dictionary."""

    def __init__(self, chaos: str = ""):
        self._stages = Stages(chaos)
        members = [(key, word) for key, found in dictionary().items() for word in found]
        self._dictionary = pl.DataFrame(members, ["signature", "word"], orient="row")

    def process_text(self, text: str) -> dict[str, Any]:
        """Counts a text."""
        check_text(text)
        began = time.perf_counter()
        filtered = self._stages.do("filter", chunks, text, _CHUNK_SIZE)
        counted = self._stages.do("extract", _count_pieces, filtered)
        by_signature = self._stages.do("key", _sum_by_signature, counted)
        counts = self._stages.do("expand", self._expand, by_signature)
        return answer(began, counts)

    def _expand(self, by_signature: pl.DataFrame) -> dict[str, int]:
        joined = by_signature.join(self._dictionary, on="signature")
        return dict(joined.select("word", "count").iter_rows())


def _count_pieces(parts: list[str]) -> pl.DataFrame:
    texts = pl.LazyFrame({"chunk": parts}, {"chunk": pl.String})
    counted = count_with_polars(texts, pl.col("chunk").str.extract_all(_PIECE))
    return counted.collect(engine="streaming")


def _sum_by_signature(counted: pl.DataFrame) -> pl.DataFrame:
    is_ascii = pl.col("piece").str.len_bytes() == pl.col("piece").str.len_chars()
    word = pl.col("piece").str.to_lowercase().str.replace_all("[^a-z0-9]+", "")
    words = counted.lazy().filter(is_ascii).group_by(word).agg(pl.col("count").sum())
    # Several pieces can be one word, and a word longer than all of the dictionary matches nothing.
    words = words.filter(pl.col("piece").str.len_bytes() <= max(map(len, dictionary())))
    letters = pl.col("piece").str.split("").list.sort().list.join("")
    plain = words.select(letters.alias("signature"), "count")
    others = sum_by_signature(counted.filter(~is_ascii).iter_rows())
    other = pl.LazyFrame(
        {"signature": list(others), "count": list(others.values())},
        {"signature": pl.String, "count": counted.schema["count"]},
    )
    summed = pl.concat([plain, other]).group_by("signature").agg(pl.col("count").sum())
    return summed.collect(engine="streaming")
