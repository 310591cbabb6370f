"""Result files are identified and read as they were written, in every format."""

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_pipeline.io.formats import FORMATS, READERS
from beam_pipeline.report.model import LargestClass
from beam_pipeline.report.results import identify, largest_classes
from tests.support.files import COMPRESSORS
from tests.support.tables import write_counts
from transforms.files.compression import open_decompressed
from transforms.text.signature import signature

CLASSES = [
    *(("act", "cat", "tac"), ("enlist", "listen", "silent", "tinsel"), ("a",), ("café",)),
    *(("אבג", "גבא"), ("no", "on"), ("eht", "the"), ("b",)),
]


def write(path: Path, output_format: str, counted: dict[str, int]) -> None:
    """Writes a result as a run does."""
    with path.open("wb") as file:
        write_counts(output_format, counted, file)


def brute_force(counted: dict[str, int], number: int) -> tuple[LargestClass, ...]:
    """The largest classes, with all of them in memory."""
    classes: dict[str, LargestClass] = {}
    for word, count in sorted(counted.items()):
        key = signature(word)
        before = classes.get(key, LargestClass(key, count, ()))
        classes[key] = LargestClass(key, count, (*before.words, word))
    ranked = sorted(classes.values(), key=lambda one: (-one.count, one.signature))
    return tuple(ranked[:number])


@pytest.mark.parametrize("output_format", FORMATS)
@given(counts=st.lists(st.integers(1, 5), min_size=8, max_size=8), number=st.integers(1, 9))
def test_the_largest_classes_are_found_in_any_format(
    output_format: str, counts: list[int], number: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    counted = {word: count for words, count in zip(CLASSES, counts, strict=True) for word in words}
    path = tmp_path_factory.mktemp("result") / "result"
    write(path, output_format, counted)
    found = largest_classes([str(path)], output_format, number)
    assert found == brute_force(counted, number)


def test_shards_are_one_result(tmp_path: Path) -> None:
    write(tmp_path / "0", "json", {"act": 2, "tac": 2, "a": 1})
    write(tmp_path / "1", "json", {"cat": 2})
    paths = [str(tmp_path / "0"), str(tmp_path / "1")]
    assert largest_classes(paths, "json", 1) == (LargestClass("act", 2, ("act", "cat", "tac")),)


@pytest.mark.parametrize("output_format", FORMATS)
def test_an_empty_result_has_no_classes(output_format: str, tmp_path: Path) -> None:
    write(tmp_path / "empty", output_format, {})
    assert largest_classes([str(tmp_path / "empty")], output_format, 3) == ()


@pytest.mark.parametrize("kind", ["json", "jsonl", "csv"])
@pytest.mark.parametrize("extension", COMPRESSORS)
def test_compressed_results_are_read_and_identified_as_they_stand(
    extension: str, kind: str, tmp_path: Path
) -> None:
    write(tmp_path / "plain", kind, {"act": 2, "cat": 2})
    data = COMPRESSORS[extension]((tmp_path / "plain").read_bytes())
    path = tmp_path / f"result.{kind}.{extension}"
    path.write_bytes(data)
    assert largest_classes([str(path)], kind, 3) == (LargestClass("act", 2, ("act", "cat")),)
    found = identify(str(path), "shown")
    with open_decompressed(str(path)) as file:
        assert list(READERS[kind](file)) == [("act", 2), ("cat", 2)]
    assert (found.path, found.bytes) == ("shown", len(data))
    assert found.sha256 == hashlib.sha256(data).hexdigest()
