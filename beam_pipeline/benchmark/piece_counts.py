"""Distinct pieces of text and their counts, in the libraries that this project is compared with.

The throughput peers and the orchestrators of the same libraries cut text differently and do
different things with the counts; this step between is the same. A library is imported only by
the function that needs it.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl
    from pyspark.sql import Column, DataFrame, SparkSession

#: The name of the column of pieces, and of that of their counts.
PIECE, COUNT = "piece", "count"


def count_with_polars(texts: "pl.LazyFrame", pieces: "pl.Expr") -> "pl.LazyFrame":
    """Counts the distinct pieces of texts in Polars.

    Args:
      texts: a frame of texts.
      pieces: the list of pieces of each row, without empty ones.
    """
    found = texts.select(pieces.alias(PIECE)).explode(PIECE).drop_nulls()
    return found.group_by(PIECE).len(COUNT)


def count_with_duckdb(texts: str, pieces: str) -> str:
    """Returns a query that counts the distinct pieces of texts in DuckDB.

    Args:
      texts: SQL for a table of texts.
      pieces: SQL for the list of pieces of each row.
    """
    return f"""
        SELECT {PIECE}, count(*) AS {COUNT} FROM (SELECT unnest({pieces}) AS {PIECE} FROM {texts})
        WHERE {PIECE} <> '' GROUP BY {PIECE}
    """


def count_with_spark(texts: "DataFrame", pieces: "Column") -> "DataFrame":
    """Counts the distinct pieces of texts in PySpark.

    Args:
      texts: a frame of texts.
      pieces: the array of pieces of each row.
    """
    from pyspark.sql import functions as f

    found = texts.select(f.explode(pieces).alias(PIECE))
    return found.where(f"{PIECE} <> ''").groupBy(PIECE).count()


def spark_session(
    cores: int = 2, memory: str = "4g", config: Mapping[str, Any] | None = None
) -> "SparkSession":
    """Starts Spark in this process.

    Args:
      cores: how many it uses.
      memory: how much it may use, as Spark writes it.
      config: further settings of Spark.
    """
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master(f"local[{cores}]")
    builder = builder.config("spark.driver.memory", memory).config("spark.ui.enabled", False)
    for name, value in (config or {}).items():
        builder = builder.config(name, value)
    return builder.getOrCreate()
