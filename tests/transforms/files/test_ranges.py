"""Files of stores are read by ranges: every byte once, and in as few requests as possible."""

import io
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.files import ranges
from transforms.files.ranges import RangedFile, Region, reading_ahead

MIB = 1 << 20


class Served:
    """Stands for a store, and notes what it is asked for."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.asked: list[tuple[str, int, int]] = []
        self.failing = 0

    def fetch(self, path: str, start: int, length: int) -> bytes:
        self.asked.append((path, start, length))
        if self.failing:
            self.failing -= 1
            raise ConnectionError("reset")
        return self.files[path][start : start + length]


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    served = Served()
    monkeypatch.setattr(ranges, "fetch", served.fetch)
    yield served


def content(size: int) -> bytes:
    return bytes(range(251)) * (size // 251 + 1)


@pytest.mark.parametrize("size", [0, 1, 1 << 16, MIB])
@pytest.mark.parametrize("is_listed", [True, False])
def test_a_small_file_is_one_request(size: int, is_listed: bool, served: Served) -> None:
    served.files["a"] = data = content(size)[:size]
    assert RangedFile(Region("a", 0, size if is_listed else None)).read() == data
    assert len(served.asked) == 1


def test_a_large_file_is_asked_for_in_large_ranges(served: Served) -> None:
    served.files["a"] = data = content(20 * MIB)
    file = RangedFile(Region("a", 0, len(data)))
    assert file.read() == data
    assert [start for _, start, _ in sorted(served.asked)] == [0, 8 * MIB, 16 * MIB]


def test_a_range_inside_a_file_is_asked_for_with_a_little_more(served: Served) -> None:
    served.files["a"] = data = content(20 * MIB)
    beginnings: dict[str, bytes] = {}
    regions = [Region("a", start, start + 4 * MIB) for start in (4 * MIB, 8 * MIB)]
    for region in regions:
        with reading_ahead([region], beginnings) as before_next:
            file = RangedFile(region, before_next())
            assert file.read(1 << 16) == data[: 1 << 16]
            file.seek(region.start)
            assert file.read(MIB) == data[region.start : region.start + MIB]
            end = region.end or 0
            file.seek(end)
            assert file.read(100) == data[end : end + 100]
    # The beginning, of which it is seen what the file is, is asked for once.
    assert sorted(start for _, start, _ in served.asked) == [0, 4 * MIB, 8 * MIB]


def test_small_files_are_asked_for_ahead_and_once(served: Served) -> None:
    names = [f"{number:02d}" for number in range(30)]
    served.files = {name: name.encode() * 10 for name in names}
    with reading_ahead([Region(name, 0, 20) for name in names], {}) as before_next:
        for name in names:
            assert RangedFile(Region(name, 0, 20), before_next()).read() == served.files[name]
    assert sorted(path for path, _, _ in served.asked) == names


def test_a_request_ahead_that_fails_is_made_again(served: Served) -> None:
    served.files["a"] = b"abc"
    with reading_ahead([Region("a", 0, 3)], {}) as before_next:
        served.failing = 1
        assert RangedFile(Region("a", 0, 3), before_next()).read() == b"abc"
    assert len(served.asked) == 2


def test_what_has_grown_is_read_to_its_end(served: Served) -> None:
    served.files["a"] = data = content(MIB)
    assert RangedFile(Region("a", 0, 1000)).read() == data


@given(
    st.binary(max_size=300),
    st.integers(0, 300),
    st.integers(0, 300) | st.none(),
    st.lists(st.tuples(st.integers(0, 320), st.integers(0, 400)), max_size=8),
)
def test_any_read_gives_what_is_there(
    data: bytes, start: int, end: int | None, reads: list[tuple[int, int]]
) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(ranges, "fetch", lambda path, at, length: data[at : at + length])
        file = io.BufferedReader(RangedFile(Region("a", start, end)), 16)
        for position, size in reads:
            file.seek(position)
            assert file.read(size) == data[position : position + size]
