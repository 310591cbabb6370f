"""Whatever is written in a format is read back equal, by us and by the format's own library."""

import csv
import io
import json
import unicodedata
from collections.abc import Mapping

import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_pipeline.io.formats import FORMATS, READERS
from tests.support.strategies import ALL_CHARS, texts
from tests.support.tables import write_counts
from transforms.text.normalize import NORMALIZATIONS, words

#: What a record of a pipeline of somebody's own may hold. (Python's CSV writer does not quote a
#: carriage return where lines end in a line feed.)
# Without what Python 3.10 cannot write as CSV, and what CSV cannot keep; no word has either.
strings = st.one_of(texts(6), st.text('",\\\n\t=-;a ', max_size=5)).map(
    lambda text: text.replace("\r", "").replace("\0", "")
)
results = st.dictionaries(strings, st.integers(1, (1 << 63) - 1), max_size=6)


def written(counts: Mapping[str, int], output_format: str, *, rows_at_once: int = 1 << 16) -> bytes:
    file = io.BytesIO()
    write_counts(output_format, counts, file, rows_at_once)
    return file.getvalue()


@pytest.mark.parametrize("output_format", FORMATS)
@given(counts=results, rows_at_once=st.sampled_from([1, 2, 100]))
def test_any_string_is_read_back_as_it_was_written(
    output_format: str, counts: dict[str, int], rows_at_once: int
) -> None:
    data = written(counts, output_format, rows_at_once=rows_at_once)
    assert dict(READERS[output_format](io.BytesIO(data))) == counts


@pytest.mark.parametrize("output_format", FORMATS)
@pytest.mark.parametrize("odd", ["", '"', ",", "\\", "\n", "\x1f"])
def test_large_tables_are_written_as_small_ones(output_format: str, odd: str) -> None:
    """The former by columns, the latter by the library of the format, as is what needs escaping."""
    counts = {f"{n:x}é{odd if n == 700 else ''}": n for n in range(1, 2500)}
    assert written(counts, output_format) == written(counts, output_format, rows_at_once=900)


@given(counts=results)
def test_the_library_of_each_format_reads_what_is_written(counts: dict[str, int]) -> None:
    records = sorted((word, count, "".join(sorted(word))) for word, count in counts.items())
    assert json.loads(written(counts, "json")) == counts
    lines = written(counts, "jsonl").decode().split("\n")
    assert lines.pop() == ""
    assert [tuple(json.loads(line).values()) for line in lines] == records
    rows = list(csv.reader(io.StringIO(written(counts, "csv").decode(), newline=""), strict=True))
    assert rows == [["word", "count", "signature"], *([w, str(c), s] for w, c, s in records)]
    table = pyarrow.parquet.read_table(io.BytesIO(written(counts, "parquet")))
    assert [tuple(row.values()) for row in table.to_pylist()] == records


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_no_character_of_a_word_needs_escaping_in_any_format(normalization: str) -> None:
    in_words = {char for word in words(" ".join(ALL_CHARS), normalization) for char in word}
    assert {unicodedata.category(char)[0] for char in in_words} <= set("LMN")
    counts = {f"a{char}": 1 for char in in_words}
    plain = "".join(f"{word},1,{''.join(sorted(word))}\n" for word in sorted(counts))
    assert written(counts, "csv").decode() == f"word,count,signature\n{plain}"
    plain = ",\n".join(f'  "{word}": 1' for word in sorted(counts))
    assert written(counts, "json").decode() == f"{{\n{plain}\n}}\n"


@pytest.mark.parametrize("output_format", FORMATS)
def test_no_words_are_a_file_too(output_format: str) -> None:
    assert list(READERS[output_format](io.BytesIO(written({}, output_format)))) == []


@pytest.mark.parametrize("output_format", READERS)
@given(data=st.one_of(st.binary(max_size=40), texts(20).map(str.encode)))
def test_any_bytes_are_read_or_an_error(output_format: str, data: bytes) -> None:
    try:
        list(READERS[output_format](io.BytesIO(data)))
    except Exception as error:  # the caller turns whatever is raised into one line
        assert not isinstance(error, (MemoryError, SystemError))
