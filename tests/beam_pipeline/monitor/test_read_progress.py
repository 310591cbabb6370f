"""What readers in other processes tell of their reading is seen while they work."""

import subprocess
import sys
import time
from pathlib import Path

from beam_pipeline.monitor.read_progress import Gauge, Level, look, tell_plan
from tests.support.cli import environment


def test_nothing_is_known_before_anybody_told(tmp_path: Path) -> None:
    assert look(str(tmp_path)) == Level()
    Gauge(str(tmp_path))
    assert look(str(tmp_path)) == Level()


def test_readers_add_up(tmp_path: Path) -> None:
    before = time.time()
    first, second = Gauge(str(tmp_path)), Gauge(str(tmp_path))
    tell_plan(str(tmp_path), 3, 1000)
    first.add(10)
    second.add(1 << 40)
    first.add(20)
    level = look(str(tmp_path))
    assert level.bytes_read == 30 + (1 << 40)
    assert (level.files, level.bytes) == (3, 1000)
    assert level.planned is not None
    assert level.first is not None
    assert level.last is not None
    assert before <= level.planned <= level.first <= level.last <= time.time()


READ = """
import sys
from beam_pipeline.monitor.read_progress import Gauge
gauge = Gauge(sys.argv[1])
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
    assert look(str(tmp_path)).bytes_read == 5
    reader.communicate()
    assert look(str(tmp_path)).bytes_read == 5


def test_telling_nobody_or_where_nobody_can_look_is_no_error(tmp_path: Path) -> None:
    for folder in ("", str(tmp_path / "none")):
        tell_plan(folder, 1, 1)
        Gauge(folder).add(1)
    assert list(tmp_path.iterdir()) == []
