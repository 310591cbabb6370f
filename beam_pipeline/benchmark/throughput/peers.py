"""Other tools at the nearest task: ``python -m beam_pipeline.benchmark.throughput.peers``.

They count the distinct words of a file, in lower case, in ASCII's rules: without dictionary,
anagrams, and Unicode, so that the comparison is in their favour. ``polars-unicode`` alone has the
words of this project, if not its normalization of their letters.
"""

import importlib.util
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from beam_pipeline.benchmark.throughput.trial import Trial

_COREUTILS = "LC_ALL=C tr -cs 'A-Za-z0-9' '\\n' < \"$0\" | LC_ALL=C sort | uniq -c > \"$1\""


def polars(path: str, result: str) -> None:
    """Lines -> words -> counts, streaming."""
    import polars as pl

    words = pl.col("line").str.to_lowercase().str.extract_all("[a-z0-9]+")
    _polars_counted(path, words).collect(engine="streaming").write_csv(result)


def polars_unicode(path: str, result: str) -> None:
    """Lines -> pieces between white space and dashes -> counted pieces -> words -> counts."""
    import polars as pl

    counted = _polars_counted(path, pl.col("line").str.extract_all(r"[^\s\p{Pd}]+"))
    word = pl.col("piece").str.to_lowercase().str.replace_all(r"[^\p{L}\p{M}\p{Nd}]+", "")
    summed = counted.group_by(word.alias("word")).agg(pl.col("len").sum())
    words = summed.filter(pl.col("word") != "")
    words.collect(engine="streaming").write_csv(result)


def _polars_counted(path: str, pieces: Any) -> Any:
    """What the pieces of a ``line`` are -> each ``piece`` and its count ``len``, yet to collect."""
    import polars as pl

    lines = pl.scan_csv(
        path,
        has_header=False,
        separator="\x01",  # a separator that no text has: a line is a single column
        quote_char=None,
        new_columns=["line"],
        schema={"line": pl.String},
        encoding="utf8-lossy",
        truncate_ragged_lines=True,
    )
    found = lines.select(pieces.alias("piece")).explode("piece").drop_nulls()
    return found.group_by("piece").len()


def duckdb(path: str, result: str) -> None:
    """Lines -> words -> counts, in SQL."""
    import duckdb

    duckdb.sql(
        f"""
        COPY (
            SELECT word, count(*) FROM (
                SELECT unnest(regexp_split_to_array(lower(line), '[^a-z0-9]+')) AS word
                FROM read_csv({path!r}, columns={{'line': 'VARCHAR'}}, header=false, quote='',
                    escape='', delim='\x01', ignore_errors=true, strict_mode=false,
                    max_line_size=67108864)
            ) WHERE word <> '' GROUP BY word
        ) TO {result!r}
        """
    )


def pyspark(path: str, result: str) -> None:
    """Lines -> words -> counts, on local[2]."""
    from pyspark.sql import SparkSession
    from pyspark.sql import functions as f

    session = (
        SparkSession.builder.master("local[2]")
        .config("spark.driver.memory", "4g")
        .config("spark.ui.enabled", False)
        .getOrCreate()
    )
    lines = session.read.text(path)
    words = lines.select(f.explode(f.split(f.lower("value"), "[^a-z0-9]+")).alias("word"))
    words.where("word <> ''").groupBy("word").count().write.mode("overwrite").csv(result)


LIBRARIES: Mapping[str, Callable[[str, str], None]] = {
    "polars": polars,
    "polars-unicode": polars_unicode,
    "duckdb": duckdb,
    "pyspark": pyspark,
}


def peers(section: str, path: str, size_bytes: int, result: str) -> Iterator[tuple[str, Trial]]:
    """For each peer its short name, and the trial of it on the file `path`."""
    yield (
        "wc",
        Trial(
            section,
            "LC_ALL=C.UTF-8 wc -w (counts words, no more)",
            ["env", "LC_ALL=C.UTF-8", "wc", "-w", path],
            size_bytes,
            "" if shutil.which("wc") else "wc",
        ),
    )
    yield (
        "coreutils",
        Trial(
            section,
            "tr | sort | uniq -c",
            ["sh", "-c", _COREUTILS, path, f"{result}-coreutils"],
            size_bytes,
            ", ".join(tool for tool in ("tr", "sort", "uniq") if not shutil.which(tool)),
        ),
    )
    labels = {
        "polars": "Polars streaming",
        "polars-unicode": "Polars streaming, words as here",
        "duckdb": "DuckDB",
        "pyspark": "PySpark local[2]",
    }
    for name, label in labels.items():
        package = name.partition("-")[0]
        missing = "" if importlib.util.find_spec(package) else f"package {package}"
        if name == "pyspark" and not shutil.which("java"):
            missing = "java"
        command = [sys.executable, "-m", __name__, name, path, f"{result}-{name}"]
        yield name, Trial(section, label, command, size_bytes, missing)


if __name__ == "__main__":
    name, path, result = sys.argv[1:]
    LIBRARIES[name](path, result)
