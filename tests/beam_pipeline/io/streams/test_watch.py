"""Files that are added to folders are read, each once."""

import os
import threading
import time
from collections.abc import Iterable
from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.testing.util import assert_that, equal_to
from apache_beam.transforms.window import FixedWindows
from apache_beam.utils.timestamp import MAX_TIMESTAMP

from beam_pipeline.io.streams.state import FoundFiles
from beam_pipeline.io.streams.watch import FoundFile, PollFiles, WatchFiles
from tests.support.beam import pipeline
from transforms.text.blocks import Block

LONG_AGO = 1_000_000_000


def write(path: Path, text: str, changed: float = LONG_AGO) -> Path:
    path.write_text(text)
    os.utime(path, (changed, changed))
    return path


def found_by(poll: PollFiles, folder: Path) -> list[FoundFile]:
    return [output.value for output in poll((str(folder),)).outputs]


def test_a_file_is_found_when_it_has_not_been_changed_for_an_interval(tmp_path: Path) -> None:
    poll = PollFiles(60.0)
    done = write(tmp_path / "done.txt", "act")
    write(tmp_path / "being_written.txt", "ca", time.time())
    assert found_by(poll, tmp_path) == [FoundFile(str(done), 3)]


def test_what_is_found_has_the_time_when_it_was_found_and_is_never_late(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    folder = tmp_path / "in"
    folder.mkdir()
    write(folder / "a.txt", "act")
    poll = PollFiles(1.0, found=FoundFiles(str(state)))
    first = poll((str(folder),))
    write(folder / "b.txt", "cat")
    second = poll((str(folder),))
    assert first.watermark is not None and second.watermark is not None
    times = {output.value.path[-5:]: output.timestamp for output in second.outputs}
    assert times["a.txt"] == first.outputs[0].timestamp == first.watermark
    assert times["b.txt"] == second.watermark >= first.watermark
    # The next run finds them at the same times, also if one has gone meanwhile.
    (folder / "a.txt").unlink()
    again = PollFiles(1.0, found=FoundFiles(str(state)))((str(folder),))
    assert {output.value.path[-5:]: output.timestamp for output in again.outputs} == times


def test_times_never_decrease_even_if_the_clock_is_set_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "a.txt", "act")
    poll = PollFiles(1.0)
    first = poll((str(tmp_path),))
    an_hour_ago = time.time() - 3600
    monkeypatch.setattr(time, "time", lambda: an_hour_ago)
    write(tmp_path / "b.txt", "cat")
    second = poll((str(tmp_path),))
    assert first.watermark is not None and second.watermark is not None
    assert second.watermark > first.watermark
    assert len(second.outputs) == 2
    assert all(output.timestamp >= first.watermark for output in second.outputs)
    # A run that is started again has the clock of today, and the windows of the run before.
    windows_end = an_hour_ago + 7200
    third = PollFiles(1.0, not_before=windows_end)((str(tmp_path),))
    assert all(output.timestamp >= windows_end for output in third.outputs)


def test_files_are_read_each_once_also_those_that_come_later(tmp_path: Path) -> None:
    write(tmp_path / "a.txt", "act")
    threading.Timer(1.0, write, (tmp_path / "b.txt", "cat")).start()
    watch = WatchFiles(tmp_path, 0.2, until=time.time() + 2.5)
    with pipeline() as p:
        blocks = p | watch | beam.Map(lambda block: (os.path.basename(block.source), block.data))
        assert_that(blocks, equal_to([("a.txt", b"act"), ("b.txt", b"cat")]))


def test_the_last_look_finds_all(tmp_path: Path) -> None:
    write(tmp_path / "a.txt", "act", time.time())
    result = PollFiles(60.0, until=0.0)((str(tmp_path),))
    assert [output.value.path for output in result.outputs] == [str(tmp_path / "a.txt")]
    assert result.watermark == MAX_TIMESTAMP


@pytest.mark.parametrize("interval", [0, -1.0, float("nan")])
def test_an_interval_must_be_above_0(interval: float) -> None:
    with pytest.raises(ValueError, match="interval="):
        WatchFiles("x", interval)


def test_a_long_file_is_split(tmp_path: Path) -> None:
    text = "the cat sat\n" * 1000
    write(tmp_path / "a.txt", text)
    watch = WatchFiles(
        tmp_path, 0.1, until=0.0, shard_size=1000, window=beam.WindowInto(FixedWindows(60))
    )

    def is_whole(parts: tuple[None, Iterable[Block]]) -> bool:
        blocks = sorted(parts[1], key=lambda block: block.offset)
        return len(blocks) > 5 and b"".join(block.data for block in blocks) == text.encode()

    with pipeline() as p:
        whole = p | watch | beam.WithKeys(None) | beam.GroupByKey() | beam.Map(is_whole)
        assert_that(whole, equal_to([True]))
