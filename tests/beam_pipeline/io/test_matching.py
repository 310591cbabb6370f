"""Patterns match what they do for Beam, and nothing that a folder holds is left out silently."""

import os
import socket
import subprocess
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from apache_beam.io.fileio import EmptyMatchTreatment
from apache_beam.io.filesystem import FileMetadata, MatchResult
from apache_beam.io.localfilesystem import LocalFileSystem
from hypothesis import assume, given
from hypothesis import strategies as st

from beam_pipeline.io.inputs import EMPTY_MATCH, list_files
from beam_pipeline.io.matching import MatchedFile, SpecialFile, match_files

#: Names that are patterns, or look like anything but a name.
STRANGE = (
    *("Books [2023]", "x[1].txt", "[a]", "a*b", "*.txt", "?", "**", "a[", "[[]", "-", "--input"),
    *("a b", "a\nb", "é", "caf\udce9.txt", "\\", "a{b}", "~", "$HOME", "%41", "#1", "a:b", "'\""),
)


def matched(pattern: str) -> list[str]:
    return sorted({match.path for match in match_files(pattern) if isinstance(match, MatchedFile)})


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders three deep, with files whose names differ by a letter."""
    root = tmp_path_factory.mktemp("tree")
    folders = ("", "a", "b", "ab", "a/a", "a/b", "b/ab", "a/a/b", ".c")
    for folder in folders:
        (root / folder).mkdir(exist_ok=True)
    for folder in folders:
        for name in ("a.t", "b.t", "ab.t", "a", ".c.t"):
            if not (root / folder / name).is_dir():
                (root / folder / name).write_text("cat")
    return root


PARTS = st.sampled_from(["a", "b", "ab", "*", "a*", "*b", "?", "[ab]", "[!a]", "**", "a/a", ".c"])
LAST = st.sampled_from(["*", "**", "*.t", "a.t", "?.t", "[ab].t", "[!a].t", "a*", "a**", "**.t"])


@given(parts=st.lists(PARTS, max_size=3), last=LAST)
def test_patterns_match_what_they_match_for_beam(parts: list[str], last: str, tree: Path) -> None:
    pattern = "/".join([str(tree), *parts, last])
    assume("**/**" not in pattern)  # for Beam, one folder at least
    of_beam = LocalFileSystem(None).match(_variants(pattern))
    expected = {file.path for match in of_beam for file in match.metadata_list}
    found = {path for path in matched(pattern) if not _is_below_literal_folder(pattern, path)}
    assert found == {path for path in expected if not os.path.isdir(path)}


def _variants(pattern: str) -> list[str]:
    """For Beam ``/**/`` is at least one folder."""
    head, deep, tail = pattern.partition("/**/")
    if not deep:
        return [pattern]
    return [head + joint + rest for rest in _variants(tail) for joint in (deep, "/")]


def _is_below_literal_folder(pattern: str, path: str) -> bool:
    return os.path.isdir(pattern) and path.startswith(f"{pattern}/")


@pytest.mark.parametrize("name", STRANGE)
def test_a_file_or_folder_means_itself_whatever_its_name(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "x1.txt").write_text("another file that the name might match")
    (tmp_path / "Books 2").mkdir()
    folder = tmp_path / f"in {name}"
    try:
        (folder / name).mkdir(parents=True)
        (folder / name / name).write_text("cat")
        (folder / name / "b.txt").write_text("cat")
    except OSError:
        pytest.skip("the filesystem has no such names")
    monkeypatch.chdir(folder / name)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        own, other = str(folder / name / name), str(folder / name / "b.txt")
        assert matched(own) == [own]
        assert matched(name) == [own]
        assert matched(str(folder / name)) == sorted([own, other])
        assert matched(f"{folder}/{name}/") == sorted([own, other])
        assert matched(f"{folder / name}/b.*") == [other]
        assert matched("b.*") == [other]
        if name != "**":
            assert matched(f"{folder / name}/**/b.txt") == [other]
        assert matched(f"{tmp_path}/**/b.*") == [other]


def test_a_pattern_that_is_no_name_is_a_pattern(tmp_path: Path) -> None:
    for name in ("x1.txt", "x2.txt", "x[3].txt"):
        (tmp_path / name).write_text("cat")
    assert matched(f"{tmp_path}/x[12].txt") == [f"{tmp_path}/x1.txt", f"{tmp_path}/x2.txt"]
    assert matched(f"{tmp_path}/x[3].txt") == [f"{tmp_path}/x[3].txt"]
    assert matched(f"{tmp_path}/x[[]3].txt") == [f"{tmp_path}/x[3].txt"]


def test_links_to_folders_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    for name in ("f/a.txt", "elsewhere/b.txt", "elsewhere/deep/c.txt"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("cat")
    (tmp_path / "f/link").symlink_to("../elsewhere")
    (tmp_path / "f/link-to-file.txt").symlink_to("../elsewhere/b.txt")
    (tmp_path / "f/self").symlink_to(".")
    (tmp_path / "f/up").symlink_to("../f")
    (tmp_path / "elsewhere/deep/back").symlink_to("../..")
    expected = ["a.txt", "link-to-file.txt", "link/b.txt", "link/deep/c.txt"]
    found = [os.path.relpath(path, tmp_path / "f") for path in matched(f"{tmp_path}/f")]
    assert [path for path in found if "back" not in path] == expected
    assert len(found) < 20
    assert f"{tmp_path}/f/link/b.txt" in matched(f"{tmp_path}/f/**/*.txt")
    (tmp_path / "all").symlink_to("f")
    assert matched(f"{tmp_path}/all/*.txt") == [
        f"{tmp_path}/all/a.txt",
        f"{tmp_path}/all/link-to-file.txt",
    ]


def test_what_is_no_file_is_skipped_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.txt").write_text("cat")
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "broken").symlink_to("nowhere")
    (tmp_path / "circle").symlink_to("circle")
    (tmp_path / "null").symlink_to("/dev/null")
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
        for pattern in (f"{tmp_path}", f"{tmp_path}/*", f"{tmp_path}/**"):
            listing = list_files([pattern])
            assert list(listing.sizes) == [f"{tmp_path}/a.txt"]
            assert len(listing.skipped) == 5
    skipped = [match.path for match in match_files("fif*") if isinstance(match, SpecialFile)]
    assert skipped == [f"{tmp_path}/fifo"]


def test_very_deep_folders_are_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        for _ in range(1200):
            os.mkdir("d")
            os.chdir("d")
        Path("a.txt").write_text("cat")
        os.chdir(tmp_path)
        assert len(list(match_files("d"))) == 1
    finally:
        os.chdir(tmp_path)
        subprocess.run(["rm", "-r", "d"], check=True)  # Python's own function is recursive


class _OtherFileSystem(LocalFileSystem):
    """A filesystem of another scheme, with one file in it."""

    @classmethod
    def scheme(cls) -> str:
        return "other"

    def exists(self, path: str) -> bool:
        return path == "other://bucket/Books [2023]/a.txt"

    def metadata(self, path: str) -> FileMetadata:
        return FileMetadata(path, 3)

    def match(self, patterns: list[str], limits: list[int] | None = None) -> list[MatchResult]:
        return [
            MatchResult(pattern, [FileMetadata("other://bucket/b.txt", 3)])
            for pattern in patterns
            if pattern == "other://bucket/*"
        ]


@pytest.fixture
def other() -> Iterator[type[_OtherFileSystem]]:
    yield _OtherFileSystem


@pytest.mark.usefixtures("other")
def test_inputs_on_several_filesystems_are_all_matched(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("cat")
    for patterns in (
        [f"{tmp_path}/*", "other://bucket/*", f"file://{tmp_path}/a.txt"],
        ["other://bucket/*", f"{tmp_path}/*"],
    ):
        assert sorted(list_files(patterns).sizes) == [f"{tmp_path}/a.txt", "other://bucket/b.txt"]
    assert matched("other://bucket/Books [2023]/a.txt") == ["other://bucket/Books [2023]/a.txt"]


def test_what_may_be_empty_is_said_as_beam_does() -> None:
    beams = {name: value for name, value in vars(EmptyMatchTreatment).items() if name.isupper()}
    assert sorted(EMPTY_MATCH) == sorted(beams.values())
