"""What is written down of a stream, and what the next run does with it."""

import json
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.testing.test_stream import TestStream
from apache_beam.testing.util import assert_that, equal_to
from apache_beam.transforms.window import FixedWindows, Sessions, SlidingWindows, TimestampedValue

from beam_pipeline.errors import OutputError
from beam_pipeline.io.streams.state import (
    STATE,
    DropPublished,
    FoundFiles,
    RecordComplete,
    StreamState,
)
from tests.support.beam import pipeline


def test_the_state_that_is_written_is_read_again(tmp_path: Path) -> None:
    assert StreamState.read(str(tmp_path)) is None
    state = StreamState({"window": "60", "input": ["kafka://h:1/t"]}, 1200.0)
    state.write(str(tmp_path))
    assert StreamState.read(str(tmp_path)) == state
    state._replace(is_ended=True).write(str(tmp_path))
    assert StreamState.read(str(tmp_path)) == state._replace(is_ended=True)
    assert [path.name for path in tmp_path.iterdir()] == [STATE]


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"[]", b"{}", b"\xff", b'{"version": 2}', b"nan"),
        b'{"version": 1, "settings": [], "complete_until": null, "is_ended": false}',
        b'{"version": 1, "settings": {}, "complete_until": "x", "is_ended": false}',
        b'{"version": 1, "settings": {}, "complete_until": NaN, "is_ended": false}',
        b'{"version": 1, "settings": {}, "complete_until": 1e999, "is_ended": false}',
    ],
)
def test_a_state_that_is_none_is_an_error_that_names_the_folder(
    content: bytes, tmp_path: Path
) -> None:
    (tmp_path / STATE).write_bytes(content)
    with pytest.raises(OutputError, match=str(tmp_path)):
        StreamState.read(str(tmp_path))


@pytest.mark.parametrize(
    "window, published, until, kept",
    [
        (FixedWindows(10), [], None, [1, 12, 13, 25]),
        (FixedWindows(10), [], 10.0, [12, 13, 25]),
        (FixedWindows(10), [(10.0, 20.0)], None, [1, 25]),
        # Windows that were published before those that lie between are known by their files.
        (FixedWindows(10), [(20.0, 30.0)], 10.0, [12, 13]),
        # Of sliding windows, each element is dropped where it is counted, and kept elsewhere.
        (SlidingWindows(20, 10), [(0.0, 20.0)], 10.0, [12, 13, 25, 25]),
        (Sessions(5), [(12.0, 18.0)], None, [1, 25]),
        (Sessions(5), [], 6.0, [12, 13, 25]),
    ],
)
def test_what_is_published_or_over_is_dropped(
    window: Any, published: list[tuple[float, float]], until: float | None, kept: list[int]
) -> None:
    with pipeline() as p:
        given = (
            p
            | beam.Create([1, 12, 13, 25], reshuffle=False)
            | beam.Map(lambda second: TimestampedValue(second, second))
            | beam.WindowInto(window)
        )
        assert_that(given | DropPublished(tuple(published), until), equal_to(kept))


def test_windows_are_complete_when_the_watermark_has_passed_what_was_published(
    tmp_path: Path,
) -> None:
    folder = str(tmp_path)
    stream = (
        TestStream()
        .add_elements([TimestampedValue("first", 5), TimestampedValue("third", 25)])
        .advance_watermark_to(12)
        .add_elements([TimestampedValue("second", 15)])
        .advance_watermark_to_infinity()
    )
    with beam.Pipeline(runner="BundleBasedDirectRunner") as p:
        ends = (
            p
            | stream
            | beam.WindowInto(FixedWindows(10))
            | RecordComplete(folder, {"window": "10"})
        )
        assert_that(ends, equal_to([10.0, 20.0, 30.0]))
    assert StreamState.read(folder) == StreamState({"window": "10"}, 30.0)


def test_what_is_complete_never_becomes_less(tmp_path: Path) -> None:
    folder = str(tmp_path)
    StreamState({"window": "10"}, 100.0).write(folder)
    with pipeline() as p:
        published = (
            p
            | beam.Create([5, 95, 105], reshuffle=False)
            | beam.Map(lambda second: TimestampedValue(str(second), second))
            | beam.WindowInto(FixedWindows(10))
        )
        _ = published | RecordComplete(folder, {"window": "10"})
    assert StreamState.read(folder) == StreamState({"window": "10"}, 110.0)


def test_files_are_found_once_also_by_the_next_run(tmp_path: Path) -> None:
    folder = str(tmp_path)
    found = FoundFiles(folder)
    assert found.add({"/a": 1}, 10.0) == {("/a", 1): 10.0}
    assert found.add({"/a": 1, "/b": 2}, 20.0) == {("/a", 1): 10.0, ("/b", 2): 20.0}
    again = FoundFiles(folder)
    # One that has been changed is read as it was found, and one that is gone is missed.
    assert again.add({"/b": 7, "/c": 3}, 30.0) == {
        ("/a", 1): 10.0,
        ("/b", 2): 20.0,
        ("/c", 3): 30.0,
    }
    assert FoundFiles(folder, since=15.0).add({"/a": 1}, 40.0) == {
        ("/b", 2): 20.0,
        ("/c", 3): 30.0,
    }


@pytest.mark.parametrize("content", ["", "[]", json.dumps({"found": 1}), '{"found": "x"}'])
def test_a_list_of_found_files_that_is_none_is_an_error(content: str, tmp_path: Path) -> None:
    (tmp_path / ".found-000000000000001.json").write_text(content)
    with pytest.raises(OutputError, match=str(tmp_path)):
        FoundFiles(str(tmp_path)).add({}, 1.0)
