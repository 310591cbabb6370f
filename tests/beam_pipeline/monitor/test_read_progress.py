"""How far readers in other processes are can be seen while they read."""

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


def test_nothing_is_known_before_anything_is_read(tmp_path: Path) -> None:
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
    progress = read_snapshot(str(tmp_path))
    assert progress.bytes_read == 30 + (1 << 40)
    assert (progress.files, progress.bytes) == (3, 1000)
    assert progress.listed_at is not None
    assert progress.first_read_at is not None
    assert progress.last_read_at is not None
    assert (
        before
        <= progress.listed_at
        <= progress.first_read_at
        <= progress.last_read_at
        <= time.time()
    )


READ = """
import sys
from beam_pipeline.monitor.read_progress import ReadProgress
progress = ReadProgress(sys.argv[1])
progress.add(5)
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


def test_publishing_without_a_folder_is_no_error(tmp_path: Path) -> None:
    for folder in ("", str(tmp_path / "none")):
        write_plan(folder, 1, 1)
        ReadProgress(folder).add(1)
    assert list(tmp_path.iterdir()) == []
