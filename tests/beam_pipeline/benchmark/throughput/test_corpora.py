"""Texts of the wanted size and kind are made from a file."""

from pathlib import Path

import pytest

from beam_pipeline.benchmark.throughput import corpora


@pytest.mark.parametrize("factor", [0.25, 1, 2.5])
def test_repeated_texts_have_the_size_wanted(source: Path, tmp_path: Path, factor: float) -> None:
    target = tmp_path / "target.txt"
    size = int(factor * source.stat().st_size)
    written = corpora.repeat(source, target, size)
    assert written == target.stat().st_size
    assert size <= written < size + 100
    assert set(target.read_text("utf-8").splitlines()) <= {
        *source.read_text("utf-8").splitlines(),
        "",
    }


def test_scattered_text_is_the_same_text(source: Path, tmp_path: Path) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    assert corpora.scatter(source, folder, 50) == source.stat().st_size
    files = sorted(folder.rglob("*.txt"))
    assert 40 <= len(files) <= 50
    assert "".join(file.read_text("utf-8") for file in files) == source.read_text("utf-8")


@pytest.mark.parametrize("share", [0.0, 0.01, 0.1, 1.0])
def test_accents_are_in_the_share_of_words_wanted(
    source: Path, tmp_path: Path, share: float
) -> None:
    target = tmp_path / "target.txt"
    written = corpora.accent(source, target, 50_000, share)
    assert written == target.stat().st_size
    words = [word for word in target.read_text("utf-8").split() if word[0].isalpha()]
    accented = sum(not word.isascii() for word in words)
    assert accented == pytest.approx(share * len(words), abs=2)
