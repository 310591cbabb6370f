"""What can be read only once is copied, so that every process reads the same."""

import os
import threading
from pathlib import Path

import pytest

from beam_pipeline.io.pipes import copy_of_pipe, is_regular


def test_a_regular_file_is_used_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_text("cat")
    (tmp_path / "link").symlink_to(path)
    for name in (path, tmp_path / "link", tmp_path, tmp_path / "nosuch", "gs://bucket/list", ""):
        assert is_regular(str(name))
        assert copy_of_pipe(str(name), str(tmp_path)) == str(name)


def test_a_pipe_is_copied_under_its_name(tmp_path: Path) -> None:
    pipe = tmp_path / "list.json"
    os.mkfifo(pipe)
    assert not is_regular(str(pipe))
    threading.Thread(target=pipe.write_bytes, args=(b"\0cat",), daemon=True).start()
    copy = Path(copy_of_pipe(str(pipe), str(tmp_path)))
    assert (copy.name, copy.read_bytes()) == ("list.json", b"\0cat")
    assert copy.is_relative_to(tmp_path)


@pytest.mark.parametrize("by", ["/dev/fd", "/proc/self/fd"])
def test_a_descriptor_of_this_process_is_copied_also_if_it_is_of_a_file(
    by: str, tmp_path: Path
) -> None:
    path = tmp_path / "list.txt"
    path.write_text("cat")
    with path.open() as file:
        copy = Path(copy_of_pipe(f"{by}/{file.fileno()}", str(tmp_path)))
        assert copy.read_text() == "cat"
        assert not str(copy).startswith(by)


def test_devices_are_not_regular() -> None:
    assert not is_regular("/dev/zero")
    assert not is_regular("/dev/../dev/null")
