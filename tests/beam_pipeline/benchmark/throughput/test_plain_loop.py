"""The plain loop counts what the program counts, where their words are the same."""

from pathlib import Path

import pytest

from beam_pipeline.benchmark.throughput import corpora, plain_loop
from tests.support import reference


def test_the_plain_loop_finds_what_the_oracle_finds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words, text = tmp_path / "words.txt", tmp_path / "text.txt"
    assert corpora.make_words(words, 300) == words.stat().st_size
    members = words.read_text().split()
    assert len(members) == len(set(members)) == 300
    text.write_text("\n".join(word[::-1].upper() + ", it's a-cat" for word in members[::3]))
    plain_loop.main(str(words), str(text))
    expected = reference.counts(text.read_text(), set(members))
    assert len(expected) >= 100
    assert capsys.readouterr().out == f"{len(expected)}\n"
