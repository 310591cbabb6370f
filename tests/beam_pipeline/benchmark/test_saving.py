"""What was measured is in a file, whole, whatever happens to the rest."""

import os
import stat
from pathlib import Path

import pytest

from beam_pipeline.benchmark.saving import FOLDER, SavedResults, write_whole
from beam_pipeline.errors import UsageError


def test_results_are_saved_in_a_folder_by_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    saved: SavedResults[int] = SavedResults(None, "compare")
    assert saved.path.parent == Path(FOLDER) and saved.path.name.startswith("compare-")
    assert os.listdir(FOLDER) == []  # nothing is there before something is measured
    saved.keep([1], "first", is_complete=False)
    assert saved.path.read_text() == "first"
    saved.keep([1, 2], "second", is_complete=True)
    assert saved.path.read_text() == "second"
    assert os.listdir(FOLDER) == [saved.path.name]
    assert (saved.results, saved.is_saved, saved.problems) == ([1, 2], True, [])


def test_where_no_folder_can_be_made_temporary_files_are_the_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / FOLDER).write_text("a file")
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    assert SavedResults(None, "compare").path.parent == tmp_path / "temporary"


def test_what_cannot_be_written_is_a_problem_and_no_end(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    saved: SavedResults[int] = SavedResults(folder / "a.json", "compare")
    folder.rmdir()
    saved.keep([1], "text", is_complete=False)
    assert not saved.is_saved
    assert saved.problems == [f"{folder / 'a.json'}: No such file or directory"]
    folder.mkdir()
    saved.save()
    assert saved.is_saved and saved.problems == []


def test_a_path_that_cannot_be_written_is_wrong_usage_before_anything_runs(
    tmp_path: Path,
) -> None:
    with pytest.raises(UsageError, match="No such file"):
        SavedResults(tmp_path / "missing" / "a.json", "compare")


def test_a_file_is_replaced_through_a_link_and_keeps_its_mode(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("old")
    target.chmod(0o640)
    link.symlink_to(target)
    write_whole(link, b"new")
    assert link.is_symlink() and target.read_text() == "new"
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert sorted(os.listdir(tmp_path)) == ["link", "target"]


def test_an_interrupt_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_: int) -> None:
        raise KeyboardInterrupt

    path = tmp_path / "a.json"
    path.write_text("old")
    monkeypatch.setattr("os.fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_whole(path, b"new")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.json"]
