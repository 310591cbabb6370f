"""Other tools that count the distinct words of a file, the most similar task.

They count words of ASCII letters and digits in lower case, without Unicode, anagrams or a
dictionary, so that the comparison is in their favour. Only ``polars-unicode`` has the words of this
project, without its normalization of their letters.

``python -m beam_pipeline.benchmark.throughput.peers NAME FILE RESULT`` runs one of the libraries.
"""

import importlib.util
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from beam_pipeline.benchmark.piece_counts import (
    COUNT,
    PIECE,
    count_with_duckdb,
    count_with_polars,
    count_with_spark,
    spark_session,
)
from beam_pipeline.benchmark.throughput.trial import Trial

if TYPE_CHECKING:
    import polars as pl

_COREUTILS = "LC_ALL=C tr -cs 'A-Za-z0-9' '\\n' < \"$0\" | LC_ALL=C sort | uniq -c > \"$1\""


def polars(path: str, result: str) -> None:
    """Counts words in Polars' streaming engine."""
    import polars as pl

    words = pl.col("line").str.to_lowercase().str.extract_all("[a-z0-9]+")
    counted = count_with_polars(_scan_lines(path), words)
    counted.collect(engine="streaming").write_csv(result)


def polars_unicode(path: str, result: str) -> None:
    """Counts this project's words in Polars: pieces first, then the words that they are."""
    import polars as pl

    pieces = pl.col("line").str.extract_all(r"[^\s\p{Pd}]+")
    word = pl.col(PIECE).str.to_lowercase().str.replace_all(r"[^\p{L}\p{M}\p{Nd}]+", "")
    counted = count_with_polars(_scan_lines(path), pieces).group_by(word.alias("word"))
    words = counted.agg(pl.col(COUNT).sum()).filter(pl.col("word") != "")
    words.collect(engine="streaming").write_csv(result)


def _scan_lines(path: str) -> "pl.LazyFrame":
    import polars as pl

    return pl.scan_csv(
        path,
        has_header=False,
        separator="\x01",  # a separator that no text has: a line is a single column
        quote_char=None,
        new_columns=["line"],
        schema={"line": pl.String},
        encoding="utf8-lossy",
        truncate_ragged_lines=True,
    )


def duckdb(path: str, result: str) -> None:
    """Counts words in DuckDB."""
    import duckdb

    lines = f"""
        read_csv({path!r}, columns={{'line': 'VARCHAR'}}, header=false, quote='', escape='',
            delim='\x01', ignore_errors=true, strict_mode=false, max_line_size=67108864)
    """
    words = "regexp_split_to_array(lower(line), '[^a-z0-9]+')"
    duckdb.sql(f"COPY ({count_with_duckdb(lines, words)}) TO {result!r}")


def pyspark(path: str, result: str) -> None:
    """Counts words in PySpark on two cores."""
    from pyspark.sql import functions as f

    lines = spark_session().read.text(path)
    words = f.split(f.lower("value"), "[^a-z0-9]+")  # a column needs a session
    counted = count_with_spark(lines, words)
    counted.write.mode("overwrite").csv(result)


#: The libraries: each counts the words of a file into a CSV file.
LIBRARIES: Mapping[str, Callable[[str, str], None]] = {
    "polars": polars,
    "polars-unicode": polars_unicode,
    "duckdb": duckdb,
    "pyspark": pyspark,
}
_LABELS = {
    "polars": "Polars streaming",
    "polars-unicode": "Polars streaming, words as here",
    "duckdb": "DuckDB",
    "pyspark": "PySpark local[2]",
}
#: The short names of all peers.
PEERS = ("wc", "coreutils", *LIBRARIES)


def peer_trials(
    section: str, path: str, size_bytes: int, result: str
) -> Iterator[tuple[str, Trial]]:
    """Makes a trial of each peer.

    Args:
      section: of the trials.
      path: the file that they count.
      size_bytes: of this file.
      result: how the paths of their results begin.

    Yields:
      The short name of a peer, and its trial.
    """
    yield (
        "wc",
        Trial(
            section,
            "LC_ALL=C.UTF-8 wc -w (counts words, no more)",
            ["env", "LC_ALL=C.UTF-8", "wc", "-w", path],
            size_bytes,
            _missing_programs("wc"),
        ),
    )
    yield (
        "coreutils",
        Trial(
            section,
            "tr | sort | uniq -c",
            ["sh", "-c", _COREUTILS, path, f"{result}-coreutils"],
            size_bytes,
            _missing_programs("tr", "sort", "uniq"),
        ),
    )
    for name, label in _LABELS.items():
        command = [sys.executable, "-m", __name__, name, path, f"{result}-{name}"]
        yield name, Trial(section, label, command, size_bytes, _missing_for(name))


def _missing_for(library: str) -> str:
    if library == "pyspark" and (java := _missing_programs("java")):
        return java
    package = library.partition("-")[0]
    return "" if importlib.util.find_spec(package) else f"package {package}"


def _missing_programs(*names: str) -> str:
    return ", ".join(name for name in names if not shutil.which(name))


if __name__ == "__main__":
    name, path, result = sys.argv[1:]
    LIBRARIES[name](path, result)
