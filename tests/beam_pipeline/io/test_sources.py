"""Every matching file is read once, whole, wherever it is cut and however many there are."""

import contextlib
import errno
import functools
import gzip
import os
import pickle
import random
import re
import tempfile
import threading
import unittest.mock
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.io.fileio import EmptyMatchTreatment
from hypothesis import given, settings
from hypothesis import strategies as st

from beam_pipeline.io.inputs import (
    Listing,
    ReadShard,
    hand_over,
    list_files,
    plan_shards,
    resolve_input,
    taken_over,
)
from beam_pipeline.io.matching import UnlistedFolder
from beam_pipeline.io.sources import ListFilesFn, ReadFiles, ReadString, _ReadShardFn
from tests.support import reference
from tests.support.beam import assert_source_gives, pipeline
from tests.support.examples import at_most
from tests.support.files import COMPRESSORS
from tests.support.formats import zipped
from tests.support.strategies import TRICKY
from transforms.errors import AnagramError, InputError
from transforms.filtering import FilterBlocks
from transforms.stages.chaos import Chaos, Fault
from transforms.stages.dead_letters import FilePattern
from transforms.stages.retry import FAULT_POLICIES, Resilience
from transforms.stages.side_outputs import SideOutputs
from transforms.stages.totals import Count, Totals
from transforms.text.blocks import Block, FileRange
from transforms.text.normalize import words
from transforms.text.settings import TextSettings

TEXT = "The cat's act – a well-known one – tac.\nCafé e\u0301 ﬁn\r\n" * 30 + " ".join(TRICKY)


def unicode_words(block: Block) -> list[str]:
    return words(block.decode()[0])


def ascii_words(block: Block) -> list[str]:
    return words(block.decode()[0], "ascii")


def assert_reads(
    patterns: Sequence[Path | str],
    text: str,
    text_settings: TextSettings | None = None,
    **how: Any,
) -> None:
    source = ReadFiles(tuple(map(str, patterns)), text=text_settings or TextSettings(), **how)
    assert_source_gives(source, reference.words(text), unicode_words)


@pytest.mark.parametrize("text", ["", "cat", TEXT, "cat\n" * 100_000], ids=["", "cat", "", "long"])
def test_a_string_is_read_whole(text: str) -> None:
    assert_source_gives(ReadString(text), reference.words(text), unicode_words)


def test_undecodable_bytes_of_a_command_line_are_invalid_bytes() -> None:
    text = b"c\xffat".decode("utf-8", "surrogateescape")
    assert_source_gives(ReadString(text), ["cat"], unicode_words)
    assert_source_gives(ReadString(text), [1], lambda block: [block.decode()[1]])


def lengths_and_begins(
    words_of: Callable[[Block], list[str]], block: Block
) -> list[tuple[int, str]]:
    return [(len(word), word[:3]) for word in words_of(block)]


@pytest.mark.parametrize("joint", ["\u2013", "e\u0301"])
def test_a_string_of_one_long_run_is_read_as_either_normalization_wants(joint: str) -> None:
    text = (
        "x" + joint + "y" * 1000 + "\u00a0"
    ) * 1500  # too long for a block, and has no cut in it
    for normalization, words_of in (("unicode", unicode_words), ("ascii", ascii_words)):
        expected = [(len(word), word[:3]) for word in reference.words(text, normalization)]
        assert_source_gives(
            ReadString(text),
            expected,
            functools.partial(lengths_and_begins, words_of),
        )


def test_one_file_gives_its_words(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text(TEXT, encoding="utf-8")
    assert_reads([path], TEXT)
    assert_reads([path], TEXT, block_size=10)


def test_many_tiny_files_give_the_words_of_one_file_in_any_order(tmp_path: Path) -> None:
    lines = TEXT.splitlines(keepends=True) * 3
    names = [f"{index:04d}.txt" for index in range(len(lines))]
    for folder, seed in (("ordered", None), ("shuffled", 3)):
        (tmp_path / folder).mkdir()
        if seed is not None:
            random.Random(seed).shuffle(names)
        for name, line in zip(names, lines, strict=True):
            (tmp_path / folder / name).write_text(line, encoding="utf-8", newline="")
        assert_reads([tmp_path / folder / "*.txt"], "".join(lines))


def test_a_file_matched_by_several_patterns_is_read_once(tmp_path: Path) -> None:
    (tmp_path / "one.txt").write_text("cat act")
    (tmp_path / "two.txt").write_text("dog")
    patterns = [tmp_path / "*.txt", tmp_path / "one.txt", tmp_path / "o*", tmp_path / "one.txt"]
    assert_reads(patterns, "cat act dog")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-32", "latin-1", "gb18030"])
def test_files_in_other_encodings_are_read(encoding: str, tmp_path: Path) -> None:
    text = "The café's cat – act\nnaïve tac\n" * 40
    (tmp_path / "text.txt").write_bytes(text.encode(encoding, "ignore"))
    expected = text.encode(encoding, "ignore").decode(encoding)
    assert_reads([tmp_path / "text.txt"], expected, encoding=encoding, block_size=50)


def test_either_byte_order_mark_is_obeyed_file_by_file(tmp_path: Path) -> None:
    (tmp_path / "little.txt").write_bytes("\ufeffcat\nact\n".encode("utf-16-le"))
    (tmp_path / "big.txt").write_bytes("\ufeffdog\ngod\n".encode("utf-16-be"))
    (tmp_path / "none.txt").write_bytes("tac\n".encode("utf-16-le"))
    assert_reads([tmp_path / "*.txt"], "cat act dog god tac", encoding="utf-16")


@pytest.mark.parametrize("extension", COMPRESSORS)
def test_compressed_files_are_read(extension: str, tmp_path: Path) -> None:
    path = tmp_path / f"text.txt.{extension}"
    path.write_bytes(COMPRESSORS[extension](TEXT.encode()))
    assert_reads([path], TEXT, block_size=100)


@pytest.mark.parametrize("extension", COMPRESSORS)
def test_a_truncated_file_fails_the_run_and_is_named(extension: str, tmp_path: Path) -> None:
    path = tmp_path / f"text.txt.{extension}"
    path.write_bytes(COMPRESSORS[extension](random.Random(2).randbytes(5000))[:-20])
    with pytest.raises(Exception, match=rf"{path}: byte 0: stage read failed"):
        assert_reads([path], "")


def test_strict_reading_fails_inside_a_long_run_by_name_and_offset(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_bytes(b"x" * 3_000_000 + b"\xff" + b"x" * 100)
    with pytest.raises(Exception, match=rf"{path}: byte 3000000: not valid utf-8"):
        assert_reads([path], "", text_settings=TextSettings(encoding_errors="strict"))


@settings(max_examples=at_most(40))
@given(
    sizes=st.lists(st.integers(0, 60), max_size=12), shard_size=st.integers(1, 20), data=st.data()
)
def test_the_plan_covers_every_byte_once_in_shards_of_bounded_size(
    sizes: list[int],
    shard_size: int,
    data: st.DataObject,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("plan")
    shard_size *= 4
    covered: Counter[tuple[str, int]] = Counter()
    for index, size in enumerate(sizes):
        (folder / f"{index}.txt").write_bytes(bytes(size))
    lengths = {str(folder / f"{index}.txt"): size for index, size in enumerate(sizes)}
    listing = list_files((f"{folder}/*", f"{folder}/0*"), EmptyMatchTreatment.ALLOW)
    for shard in plan_shards(listing.sizes, shard_size):
        filled = 0
        for path, start, end, *_ in shard:
            assert start % 4 == 0  # no wide code unit is cut
            stop = lengths[path] if end is None else end
            covered.update((path, at) for at in range(start, stop))
            filled += stop - start
        assert filled <= shard_size
    assert covered == Counter((path, at) for path, size in lengths.items() for at in range(size))


def test_no_wide_code_unit_is_cut_whatever_the_size_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "sparse.txt"
    path.touch()
    for size in ((100 << 20) + 1, (100 << 20) + 64, (100 << 20) + 191):
        os.truncate(path, size)
        parts = [part for shard in plan_shards(list_files((str(path),)).sizes) for part in shard]
        assert len(parts) > 10
        assert all(start % 4 == 0 for _, start, *_ in parts)
        assert [part.end for part in parts[:-1]] == [part.start for part in parts[1:]]


def test_small_files_share_a_unit_and_a_compressed_one_is_never_split(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / name).write_bytes(b"cat")
    (shard,) = plan_shards(list_files((f"{tmp_path}/*",)).sizes, 40)
    assert sorted(part[0][-1] for part in shard) == ["a", "b", "c"]
    big = tmp_path / "d.gz"
    big.write_bytes(bytes(100))
    assert list(plan_shards(list_files((str(big),)).sizes, 40)) == [
        (FileRange(str(big), file_size=100),)
    ]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"encoding": "utf-7"}, "utf-7"),
        ({"encoding": "nonsense"}, "nonsense"),
        ({"block_size": 0}, r"block_size=0.*1 or more"),
    ],
)
def test_invalid_settings_are_refused_by_name_and_value(
    settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        ReadFiles(("*.txt",), **settings)


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current folder with files in it and below it."""
    root = tmp_path / "root"
    for name in ("a.txt", "b.md", "sub/c.txt", "sub/deep/d.txt", "sub/deep/e.txt.gz", "x[1].txt"):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"cat")
    monkeypatch.chdir(root)
    return root


def resolved(pattern: str, spool: Path) -> str:
    """What workers are given for a pattern of a user; what it matches is what they will find."""
    listing = Listing()
    path = resolve_input(pattern, str(spool), listing)
    assert list_files((path,)) == listing
    return path


def matched(pattern: str, spool: Path) -> list[str]:
    """The files that a pattern of a user matches, relative to the current folder."""
    return sorted(map(os.path.relpath, list_files((resolved(pattern, spool),)).sizes))


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("a.txt", ["a.txt"]),
        ("./sub/../a.txt", ["a.txt"]),
        ("*.txt", ["a.txt", "x[1].txt"]),
        ("?.md", ["b.md"]),
        ("[ab].*", ["a.txt", "b.md"]),
        ("x[1].txt", ["x[1].txt"]),
        ("sub/*.txt", ["sub/c.txt"]),
        ("sub/**", ["sub/c.txt", "sub/deep/d.txt", "sub/deep/e.txt.gz"]),
        ("**/*.txt", ["a.txt", "sub/c.txt", "sub/deep/d.txt", "x[1].txt"]),
        ("sub/**/*.txt", ["sub/c.txt", "sub/deep/d.txt"]),
        ("sub", ["sub/c.txt", "sub/deep/d.txt", "sub/deep/e.txt.gz"]),
        ("sub/deep/", ["sub/deep/d.txt", "sub/deep/e.txt.gz"]),
        (".", ["a.txt", "b.md", "sub/c.txt", "sub/deep/d.txt", "sub/deep/e.txt.gz", "x[1].txt"]),
    ],
)
def test_patterns_mean_what_a_shell_user_expects(
    pattern: str, expected: list[str], tree: Path, tmp_path: Path
) -> None:
    assert matched(pattern, tmp_path) == expected
    if pattern != "./sub/../a.txt":
        assert matched(str(tree / pattern), tmp_path) == expected


@pytest.mark.parametrize("pattern", ["none.txt", "*.pdf", "sub/none/*", "**/*.pdf", "empty", ""])
def test_what_matches_nothing_is_an_error_that_names_it(
    pattern: str, tree: Path, tmp_path: Path
) -> None:
    (tree / "empty").mkdir()
    with pytest.raises(AnagramError) as caught:
        resolved(pattern, tmp_path)
    assert str(caught.value).startswith(f"{pattern}: ")


def test_pipes_are_copied_so_that_any_process_can_read_them(tmp_path: Path) -> None:
    """Two pipes of one name in two folders, one of them with a name like a pattern."""
    spool = tmp_path / "spool"
    spool.mkdir()
    contents = {"one/pipe": b"cat act", "two/pipe": b"dog", "three/p[1]": b"tac"}
    found = []
    for name, content in contents.items():
        path = tmp_path / name
        path.parent.mkdir()
        os.mkfifo(path)
        writer = threading.Thread(target=path.write_bytes, args=(content,), daemon=True)
        writer.start()
        found.append(resolved(str(path), spool))
        writer.join(60)
    assert sorted(Path(path).read_bytes() for path in list_files(found).sizes) == sorted(
        contents.values()
    )


#: Does not compress well, so that it is planned as several ranges when compressed too.
LARGE = "".join(f"cat café {random.Random(n).getrandbits(64):x}\n" for n in range(1000))


def counted(source: ReadFiles) -> tuple[Counter[str], Totals]:
    """How often each word is in the blocks of a source, and the totals of its stages."""
    source.side_outputs = SideOutputs()
    with tempfile.TemporaryDirectory() as folder:
        with pipeline() as p:
            blocks = p | source | "Blocks" >> beam.Map(unicode_words)
            totals = tuple(source.side_outputs.totals) | beam.Flatten()
            for name, found in (("words", blocks), ("totals", totals)):
                _ = found | f"Keep {name}" >> beam.Map(_keep, Path(folder, name))
        words_read = list(_kept(Path(folder, "words")))
        summed = Totals()
        for each in _kept(Path(folder, "totals")):
            summed.merge(each)
    return Counter(word for found in words_read for word in found), summed


def _keep(value: Any, path: Path) -> None:
    with path.open("ab") as file:
        pickle.dump(value, file)


def _kept(path: Path) -> Iterator[Any]:
    with contextlib.suppress(EOFError, FileNotFoundError), path.open("rb") as file:
        while True:
            yield pickle.load(file)


@pytest.mark.parametrize("codec", [codec for codec in COMPRESSORS if codec != "deflate"])
def test_a_large_file_that_is_compressed_under_a_plain_name_is_read_once(
    codec: str, tmp_path: Path
) -> None:
    """It is one range, and read as one if it was cut because its content was not known."""
    path = tmp_path / f"{codec}.txt"
    path.write_bytes(COMPRESSORS[codec](LARGE.encode()))
    found, totals = counted(ReadFiles((str(path),), shard_size=4000, block_size=500))
    assert found == Counter(LARGE.split())
    assert totals[Count.RANGES_READ] == totals[Count.RANGES_PLANNED] == 1
    assert totals[Count.BYTES_READ] == len(LARGE.encode())
    assert words_read(str(path), 4000) == sorted(LARGE.split())


@pytest.mark.parametrize("content", ["gz", "bz2", "zst", "xz", "zip", "text"])
def test_reads_that_fail_become_dead_letters_of_all_bytes_whatever_a_file_is(
    content: str, tmp_path: Path
) -> None:
    """Whichever ranges fail when they are opened."""
    path = tmp_path / "data"
    data = LARGE.encode()
    if content == "zip":
        data = zipped("a.txt", data)
    elif content != "text":
        data = COMPRESSORS[content](data)
    path.write_bytes(data)
    for seed in range(2):
        chaos = Chaos({"read": Fault(0.5)}, seed=seed)
        resilience = Resilience(max_attempts=1, on_error="dead_letter", chaos=chaos)
        found, totals = counted(ReadFiles((str(path),), shard_size=4000, resilience=resilience))
        done = totals[Count.INPUT_BYTES_READ] + totals[Count.INPUT_BYTES_IN_DEAD_LETTERS]
        assert done == totals[Count.INPUT_BYTES] == len(data)
        assert found <= Counter(LARGE.split())


def test_only_files_that_would_be_split_are_looked_into(tmp_path: Path) -> None:
    asked: list[str] = []

    def is_whole(path: str) -> bool:
        asked.append(path)
        return path == "whole"

    sizes = {"small": 40, "whole": 41, "split": 41}
    ranges = [part for shard in plan_shards(sizes, 40, is_whole) for part in shard]
    assert asked == ["whole", "split"]
    assert [part.source for part in ranges] == ["small", "whole", "split", "split"]


def test_a_file_that_cannot_be_looked_into_is_split_as_its_name_says(tmp_path: Path) -> None:
    sizes = {str(tmp_path / name): 100 for name in ("gone", "gone.gz")}
    planning = ListFilesFn(ReadFiles(tuple(sizes), shard_size=40))
    ranges = [part for shard in planning.plan_shards(Listing(sizes)) for part in shard]
    assert [Path(part.source).name for part in ranges] == ["gone"] * 3 + ["gone.gz"]


def test_a_folder_that_cannot_be_listed_excepts_the_files_below_it_that_are_counted() -> None:
    planning = ListFilesFn(ReadFiles(("/",), resilience=Resilience(on_error="dead_letter")))
    planning.start_bundle()
    error = PermissionError(errno.EACCES, "Permission denied")
    folders = [UnlistedFolder(path, f"{path}/**", error) for path in ("/a", "/a/b", "/c")]
    listing = Listing(
        dict.fromkeys(("/a/b/2", "/a/b/1", "/ab/1", "/1", "/a/1"), 1),
        {folder.pattern: folder for folder in folders},
    )
    letters = [each.value.payload for each in planning.unlisted(listing, ["/a/b/d/3", "<text>"])]
    assert letters == [
        FilePattern("/a/**", ("/a/1", "/a/b/1", "/a/b/2", "/a/b/d/3")),
        FilePattern("/a/b/**", ("/a/b/1", "/a/b/2", "/a/b/d/3")),
        FilePattern("/c/**"),
    ]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"])
@pytest.mark.parametrize("codec", ["", "gz"])
def test_a_byte_order_mark_decides_in_every_range(
    encoding: str, codec: str, tmp_path: Path
) -> None:
    path = tmp_path / f"{encoding}.{codec}"
    mark = "" if encoding in ("utf-8-sig", "utf-32") else "\ufeff"
    data = (mark + LARGE).encode(encoding)
    path.write_bytes(COMPRESSORS[codec](data) if codec else data)
    found, totals = counted(ReadFiles((str(path),), shard_size=4000, block_size=500))
    assert found == Counter(LARGE.split())
    assert totals[Count.BYTES_READ] == len(data)


def test_files_without_a_byte_order_mark_are_utf_8(tmp_path: Path) -> None:
    (tmp_path / "marked.txt").write_bytes("\ufeffcafé".encode("utf-16-be"))
    (tmp_path / "plain.txt").write_bytes("thé".encode())
    (tmp_path / "short.txt").write_bytes(b"c")
    assert_reads([tmp_path / "*.txt"], "café thé c")


def test_an_encoding_that_is_given_is_used_whatever_a_file_begins_with(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("\ufeffcat".encode())
    assert_reads([tmp_path / "a.txt"], "cat", encoding="utf-8")
    (tmp_path / "a.txt").write_bytes("\ufeffcat".encode("utf-16-le"))
    assert_reads([tmp_path / "a.txt"], "cat", encoding="utf-8")


def test_an_offset_in_a_file_with_a_byte_order_mark_is_that_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_bytes("\ufeffcat ".encode("utf-16-le") + b"\x00\xd8 \0")  # half of a pair
    source = ReadFiles((str(path),), text=TextSettings(encoding_errors="strict"))
    with pytest.raises(Exception, match=r"text.txt: byte 10: not valid utf-16-le"), pipeline() as p:
        _ = p | source | FilterBlocks(TextSettings(encoding_errors="strict"))


def test_a_large_archive_under_a_plain_name_is_one_error_or_one_dead_letter(
    tmp_path: Path,
) -> None:
    path = tmp_path / "archive.txt"
    path.write_bytes(zipped("a.txt", LARGE.encode()))
    with pytest.raises(Exception, match=rf"{path}: a zip archive, not text"):
        counted(ReadFiles((str(path),), shard_size=4000, block_size=500))
    found, totals = counted(
        ReadFiles((str(path),), shard_size=4000, resilience=Resilience(on_error="dead_letter"))
    )
    assert not found
    assert totals[Count.DEAD_LETTERS] == totals[Count.BLOCKS_READ] == 1
    assert totals[Count.RANGES_READ] == totals[Count.RANGES_PLANNED] == 1
    with pytest.raises(Exception, match=rf"{path}: a zip archive, not text"):
        words_read(str(path), 4000)  # if it was cut because its content was not known


@pytest.mark.parametrize("pattern", ["*.pdf", "none.txt", "sub/**", "empty"])
def test_a_pattern_that_matches_nothing_is_an_error_unless_it_is_allowed(
    pattern: str, tmp_path: Path
) -> None:
    (tmp_path / "a.txt").write_text("cat")
    (tmp_path / "empty").mkdir()
    patterns = (str(tmp_path / "a.txt"), str(tmp_path / pattern))
    with pytest.raises(Exception, match=rf"{re.escape(patterns[1])}: no file matches"):
        assert_reads(patterns, "cat")
    assert_reads(patterns, "cat", empty_match_treatment=EmptyMatchTreatment.ALLOW)
    only_wildcards = EmptyMatchTreatment.ALLOW_IF_WILDCARD
    if "*" in pattern:
        assert_reads(patterns, "cat", empty_match_treatment=only_wildcards)
    else:
        with pytest.raises(Exception, match="no file matches"):
            assert_reads(patterns, "cat", empty_match_treatment=only_wildcards)


def test_a_pipe_can_be_read_in_a_pipeline_of_ones_own(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(
        target=(tmp_path / "pipe").write_bytes, args=(b"cat act",), daemon=True
    )
    writer.start()
    assert_reads([tmp_path / "pipe"], "cat act")
    writer.join(60)


def bytes_read(sizes: dict[str, int], shard_size: int) -> int:
    """How many bytes, as stored, are read of files that were listed with these sizes."""
    reading = _ReadShardFn(ReadFiles(tuple(sizes), block_size=50))
    reading.setup()
    reading.start_bundle()
    for shard in plan_shards(sizes, shard_size):
        for _ in reading.process(shard):
            pass
    return reading.totals[Count.INPUT_BYTES_READ]


@pytest.mark.parametrize("codec", ["", *COMPRESSORS])
@pytest.mark.parametrize("name", ["text.txt", "text"])
def test_the_bytes_of_a_file_that_are_read_are_those_that_were_listed(
    codec: str, name: str, tmp_path: Path
) -> None:
    path = tmp_path / (name if codec != "deflate" else "text.deflate")
    content = COMPRESSORS[codec](LARGE.encode()) if codec else LARGE.encode()
    path.write_bytes(content)
    for shard_size in (1 << 20, 4000, 400):
        assert bytes_read({str(path): len(content)}, shard_size) == len(content)


@settings(max_examples=at_most(60))
@given(
    data=st.text("ab \n", max_size=400),
    change=st.integers(-400, 400).filter(bool),
    shard_size=st.sampled_from([40, 100, 1000]),
)
def test_a_file_that_has_changed_its_length_fails_the_run(
    data: str, change: int, shard_size: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("any") / "text.txt"
    path.write_text(data)
    listed = max(len(data) - change, 1)
    if listed == len(data):
        assert bytes_read({str(path): listed}, shard_size) == listed
        return
    with pytest.raises(InputError, match="since it was listed, when it had"):
        bytes_read({str(path): listed}, shard_size)


@given(
    st.lists(
        st.builds(
            FileRange,
            st.text(),
            st.integers(0),
            st.none() | st.integers(0),
            st.booleans(),
            st.none() | st.text(),
            st.none() | st.integers(0),
        )
    )
)
def test_a_shard_is_the_same_when_it_reaches_a_worker(ranges: list[FileRange]) -> None:
    shard = ReadShard(ranges)
    received = pickle.loads(pickle.dumps(shard))
    assert (type(received), received) == (ReadShard, shard)
    assert all(type(each) is FileRange for each in received)


def test_what_was_listed_here_is_listed_again_elsewhere_only(tmp_path: Path) -> None:
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text("cat")
    listing = Listing({str(tmp_path / "a.txt"): 3})
    listed = hand_over(listing)
    assert_source_gives(ReadFiles(str(tmp_path), listed=listed), ["cat"], unicode_words)
    assert taken_over(listed) is None  # as in another process
    assert_source_gives(ReadFiles(str(tmp_path), listed=listed), ["cat", "cat"], unicode_words)


@pytest.mark.parametrize("codec", ["gz", "bz2", "xz", "zst"])
def test_a_compressed_file_that_is_replaced_fails_the_run(codec: str, tmp_path: Path) -> None:
    path = tmp_path / f"text.{codec}"
    path.write_bytes(COMPRESSORS[codec](b"cat"))
    with pytest.raises(InputError, match=r"has become shorter since it was listed"):
        bytes_read({str(path): 2000}, 1 << 20)


def outcome(file_range: FileRange, reading: _ReadShardFn) -> object:
    """What a worker does with a range: what it yields and counts, or how it fails."""
    reading.setup()
    reading.start_bundle()
    try:
        found = [getattr(one, "value", one) for one in reading.process(ReadShard([file_range]))]
    except AnagramError as error:
        return type(error), str(error)
    return found, reading.totals


@settings(max_examples=at_most(200))
@given(
    data=st.binary(max_size=40)
    | st.text("caté\u0301 \n", max_size=40).map(str.encode)
    | st.sampled_from([b"\xff\xfec\0", gzip.compress(b"cat"), zipped("cat"), b"%PDF-1.4 1 0 obj"]),
    name=st.sampled_from(["a.txt", "a", "a.gz", "a.deflate"]),
    longer_by=st.sampled_from([0, 0, 0, 1, -1]),
    encoding=st.sampled_from([None, "utf-8", "utf-16", "latin-1"]),
    block_size=st.sampled_from([4, 1000]),
    on_error=st.sampled_from(FAULT_POLICIES),
)
def test_a_small_file_is_read_at_once_with_the_same_outcome(
    data: bytes,
    name: str,
    longer_by: int,
    encoding: str | None,
    block_size: int,
    on_error: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    path = tmp_path_factory.mktemp("any") / name
    path.write_bytes(data)
    file_range = FileRange(str(path), file_size=max(len(data) + longer_by, 0))
    source = ReadFiles(
        str(path), encoding, block_size=block_size, resilience=Resilience(on_error=on_error)
    )
    in_general = _ReadShardFn(source)
    with unittest.mock.patch.object(in_general, "_read_small_file", return_value=None):
        expected = outcome(file_range, in_general)
    assert outcome(file_range, _ReadShardFn(source)) == expected


def test_small_files_are_read_at_once(tmp_path: Path) -> None:
    path = str(tmp_path / "a.txt")
    Path(path).write_text("cat")
    reading = _ReadShardFn(ReadFiles(path))
    with unittest.mock.patch.object(reading, "_reader", side_effect=AssertionError):
        assert outcome(FileRange(path, file_size=3), reading) == (
            [Block(path, 0, b"cat")],
            unittest.mock.ANY,
        )


def words_read(pattern: str, shard_size: int) -> list[str]:
    """The words of the blocks that are read of what a pattern matches."""
    reading = _ReadShardFn(ReadFiles((pattern,), block_size=20))
    reading.setup()
    reading.start_bundle()
    shards = plan_shards(list_files([pattern]).sizes, shard_size)
    blocks = [block for shard in shards for block in reading.process(shard)]
    return sorted(word for block in blocks for word in unicode_words(block))


@given(
    text=st.text("catdogé\u0301\u2013- \n", max_size=300),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16-le", "utf-16-be", "utf-32-le"]),
    codec=st.sampled_from([None, "gz", "bz2", "zst", "xz", "deflate"]),
    extension=st.sampled_from(["gz", "bz2", "zst", "xz", "deflate", "txt", "tar", "none"]),
    place=st.sampled_from(["path", "glob", "folder", "link", "pipe"]),
    shard_size=st.integers(4, 200),
)
def test_a_text_is_read_whatever_it_is_in(
    text: str,
    encoding: str,
    codec: str | None,
    extension: str,
    place: str,
    shard_size: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Each codec under each extension in each place, cut anywhere, in each encoding with a mark."""
    if codec in (None, "deflate"):  # which only an extension can tell
        extension = codec or "txt"
    root = tmp_path_factory.mktemp("any")
    path = root / "folder [1]" / f"text.{extension}"
    path.parent.mkdir()
    marked = text if encoding.startswith("utf-8") else f"\ufeff{text}"
    data = COMPRESSORS[codec](marked.encode(encoding)) if codec else marked.encode(encoding)
    pattern = str(path)
    if place == "pipe" and codec != "deflate":  # the copy of a pipe has no extension
        os.mkfifo(path)
        writer = threading.Thread(target=path.write_bytes, args=(data,), daemon=True)
        writer.start()
        pattern = resolved(str(path), root)
        writer.join(60)
    else:
        path.write_bytes(data)
    if place == "link":
        (root / "link").symlink_to("folder [1]")
        pattern = str(root / "link")
    elif place in ("glob", "folder"):
        pattern = str(path.parent / "*") if place == "glob" else str(path.parent)
    assert words_read(pattern, shard_size) == sorted(reference.words(text))
