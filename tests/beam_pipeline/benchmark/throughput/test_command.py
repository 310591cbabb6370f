"""The command as a person starts it: a table, a file, exit codes."""

from pathlib import Path

import pytest

from beam_pipeline.benchmark.throughput import command as throughput


@pytest.mark.slow
def test_the_whole_benchmark_of_a_small_text(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = throughput.main(
        [
            *("--input", str(source), "--iterations=1", "--only=parts,files,peers"),
            *("--skip=pyspark,elementwise", "--files=20", f"--json={tmp_path / 'a.json'}"),
        ]
    )
    printed = capsys.readouterr().out
    assert code == 0, printed
    rows = [
        *("whole command", "kernel alone", "source alone", "one file", "20 files"),
        *("this project, vectorized", "wc -w", "tr | sort | uniq -c", "Polars", "DuckDB"),
    ]
    for row in rows:
        assert row in printed
    assert "PySpark" not in printed
    assert (tmp_path / "a.json").stat().st_size > 1000


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ([], "--input"),
        (["--input=missing.txt"], "missing.txt"),
        (["--input=README.md", "--only=everything"], "everything"),
        (["--input=README.md", "--skip=us"], "us"),
    ],
)
def test_wrong_usage_is_one_line(
    arguments: list[str], name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert throughput.main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1
    assert err.startswith("error: ") and name in err
