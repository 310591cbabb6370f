"""What readers in other processes tell of their reading is seen while they work."""

import subprocess
import sys
import time
from pathlib import Path

from beam_pipeline.monitor.read_progress import (
    ProgressSnapshot,
    ReadProgress,
    read_snapshot,
    write_plan,
)
from tests.support.cli import environment


def test_nothing_is_known_before_anybody_told(tmp_path: Path) -> None:
    assert read_snapshot(str(tmp_path)) == ProgressSnapshot()
    ReadProgress(str(tmp_path))
    assert read_snapshot(str(tmp_path)) == ProgressSnapshot()


def test_readers_add_up(tmp_path: Path) -> None:
    before = time.time()
    first, second = ReadProgress(str(tmp_path)), ReadProgress(str(tmp_path))
    write_plan(str(tmp_path), 3, 1000)
    first.add(10)
    second.add(1 << 40)
    first.add(20)
    level = read_snapshot(str(tmp_path))
    assert level.bytes_read == 30 + (1 << 40)
    assert (level.files, level.bytes) == (3, 1000)
    assert level.planned is not None
    assert level.first is not None
    assert level.last is not None
    assert before <= level.planned <= level.first <= level.last <= time.time()


READ = """
import sys
from beam_pipeline.monitor.read_progress import ReadProgress
gauge = ReadProgress(sys.argv[1])
gauge.add(5)
print(flush=True)
sys.stdin.read()
"""


def test_a_reader_in_another_process_is_seen_while_it_lives_and_after(tmp_path: Path) -> None:
    reader = subprocess.Popen(
        [sys.executable, "-c", READ, str(tmp_path)],
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert reader.stdout is not None
    reader.stdout.readline()
    assert read_snapshot(str(tmp_path)).bytes_read == 5
    reader.communicate()
    assert read_snapshot(str(tmp_path)).bytes_read == 5


def test_telling_nobody_or_where_nobody_can_look_is_no_error(tmp_path: Path) -> None:
    for folder in ("", str(tmp_path / "none")):
        write_plan(folder, 1, 1)
        ReadProgress(folder).add(1)
    assert list(tmp_path.iterdir()) == []
