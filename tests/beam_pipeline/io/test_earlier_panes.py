"""A window that an earlier run has published in part is continued, with each message once."""

import json
import tempfile
from collections import Counter
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.testing.test_stream import TestStream
from apache_beam.transforms.trigger import AccumulationMode
from apache_beam.transforms.window import FixedWindows, TimestampedValue
from apache_beam.utils.timestamp import Timestamp
from hypothesis import given, settings
from hypothesis import strategies as st

from beam_pipeline import CountAnagrams, WriteResults
from beam_pipeline.io.earlier_panes import Held
from beam_pipeline.io.formats import FORMATS, GROUPED_READERS, READERS
from beam_pipeline.io.naming import panes_beside, window_name
from tests.support import reference
from tests.support.examples import at_most
from transforms import SideOutputs
from transforms.columns.tables import records_table, with_groups
from transforms.stages.totals import Count, Totals

MEMBERS = ("act", "cat", "dog", "é")
FIRST = window_name(Timestamp(0), Timestamp(10))

some_words = st.lists(st.sampled_from(["cat", "dog", "é"]), max_size=5)


@given(some_words, st.lists(some_words, max_size=4), st.booleans())
def test_what_is_held_is_taken_off_until_nothing_of_it_is_left(
    before: list[str], panes: list[list[str]], per_group: bool
) -> None:
    def key(word: str) -> tuple[str, ...]:
        return ("a", word) if per_group else (word,)

    held = Held(Counter(map(key, before)))
    seen: Counter[str] = Counter()
    found: Counter[str] = Counter()
    for words in panes:
        counts = Counter(words)
        table = records_table(counts, counts.values(), map(str.upper, counts))
        if per_group:
            table = with_groups(table, ["a"] * len(counts))
        (rest,) = held.off([table])
        assert rest.schema == table.schema
        for row in rest.to_pylist():
            assert row["count"] > 0
            assert row["signature"] == row["word"].upper()
            found[row["word"]] += row["count"]
        seen.update(counts)
        assert found == seen - Counter(before)
        assert held.counts == Counter(map(key, (Counter(before) - seen).elements()))


@given(st.lists(st.sampled_from([b"x\n", b"y\n"])), st.lists(st.sampled_from([b"x\n", b"y\n"])))
def test_dead_letters_that_are_held_are_not_written_again(
    before: list[bytes], now: list[bytes]
) -> None:
    held = Held(lines=Counter(before))
    half = len(now) // 2
    written = held.off_lines(now[:half]) + held.off_lines(now[half:])
    assert Counter(written) == Counter(now) - Counter(before)


def write(
    folder: Path,
    panes: Sequence[Sequence[str]],
    file_format: str = "jsonl",
    *,
    per_group: bool = False,
    mode: Any = AccumulationMode.DISCARDING,
    **settings: Any,
) -> None:
    """Counts texts that are late in the first window; it gets a pane for each list of them."""
    stream = TestStream().advance_processing_time(1000).advance_watermark_to(15)
    for texts in panes:
        if texts:
            stream = stream.add_elements([TimestampedValue(text, 5) for text in texts])
        stream = stream.advance_processing_time(5).advance_processing_time(5)
    options = PipelineOptions(["--runner=BundleBasedDirectRunner"], streaming=True)
    side_outputs = SideOutputs()
    with beam.Pipeline(options=options) as p:
        texts = (
            p
            | stream.advance_watermark_to_infinity()
            | beam.Map(str).with_output_types(str)
            | beam.WindowInto(FixedWindows(10), allowed_lateness=100, accumulation_mode=mode)
        )
        if per_group:
            texts |= beam.Map(lambda text: (text[:1], text)).with_output_types(tuple[str, str])
        counted = texts | CountAnagrams(
            dictionary=MEMBERS, per_group=per_group, side_outputs=side_outputs
        )
        counted | WriteResults(
            folder,
            file_format,
            continues=True,
            gather_seconds=1,
            side_outputs=side_outputs,
            **settings,
        )


def total_in(folder: Path, *, per_group: bool) -> Counter[Any]:
    """Returns the sum of all panes, by word or by group and word."""
    total: Counter[Any] = Counter()
    for path in folder.glob("[!.]*"):
        readers: Any = GROUPED_READERS if per_group else READERS
        for *key, count in readers[path.suffix[1:]](BytesIO(path.read_bytes())):
            total[tuple(key)] += count
    return total


some_texts = st.lists(st.sampled_from(["cat", "act dog", "é zz", "tac"]), min_size=1, max_size=6)


@settings(max_examples=at_most(5))
@given(some_texts, st.data(), st.sampled_from([*FORMATS]), st.booleans())
def test_all_panes_together_have_each_text_once(
    texts: list[str], data: st.DataObject, file_format: str, per_group: bool
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "out"
        folder.mkdir()
        # A run, another one after it has been killed, or the same when it is restored from a
        # checkpoint; and one that ends.
        for is_last in (False, False, True):
            before = {path: path.read_bytes() for path in folder.glob("[!.]*")}
            order = data.draw(st.permutations(texts))
            cut = data.draw(st.integers(0, len(order)))
            write(folder, [order[:cut], order[cut:]], file_format, per_group=per_group)
            assert all(path.read_bytes() == before[path] for path in before)  # they stay
            new = sorted(set(folder.glob("[!.]*")) - set(before))
            if new and not is_last and data.draw(st.booleans()):
                new[-1].unlink()  # a run that was killed has not published its last pane
        expected: Counter[Any] = Counter()
        for text in texts:
            for word, count in reference.counts(text, MEMBERS).items():
                expected[(text[:1], word) if per_group else (word,)] += count
        assert total_in(folder, per_group=per_group) == expected


def panes_of(folder: Path) -> dict[int, str]:
    return panes_beside(f"{folder}/{FIRST}-pane0.jsonl")


def test_a_pane_that_is_cut_anew_without_records_does_not_leave_the_one_before(
    tmp_path: Path,
) -> None:
    write(tmp_path, [["cat"]])
    write(tmp_path, [["zz"], ["cat"], ["dog"]])
    assert total_in(tmp_path, per_group=False) == {("act",): 1, ("cat",): 1, ("dog",): 1}


def test_a_restored_run_that_is_killed_loses_nothing_that_was_published(tmp_path: Path) -> None:
    write(tmp_path, [["cat", "dog"], ["é"]])
    before = {path: Path(path).read_bytes() for path in panes_of(tmp_path).values()}
    write(tmp_path, [["cat"]])  # killed before it has come to the others
    assert {path: Path(path).read_bytes() for path in panes_of(tmp_path).values()} == before


def test_the_log_tells_of_what_was_written_only(tmp_path: Path) -> None:
    write(tmp_path / "out", [["cat"]])
    write(tmp_path / "out", [["cat"], ["dog", "act"]], window_log=str(tmp_path / "log"))
    panes = [json.loads(path.read_text()) for path in (tmp_path / "log").iterdir()]
    assert [pane["records"] for pane in panes if pane["path"] is not None] == [3]
    totals = Totals()
    for pane in panes:
        totals.merge(Totals.from_json(pane["totals"]))
    assert totals[Count.RECORDS_WRITTEN] == totals[Count.RECORDS_TO_WRITE] == 3
    assert totals[Count.WORDS] == 3  # also those that were counted before


def test_only_panes_in_the_format_of_the_result_count(tmp_path: Path) -> None:
    write(tmp_path, [["cat"]])
    (path,) = panes_of(tmp_path).values()
    for name in (f"{path}.gz", f"{path}~", path.replace("jsonl", "csv"), path.replace("0.", "x.")):
        Path(name).write_text("not a result")
    write(tmp_path, [["cat", "dog"]])
    added = panes_of(tmp_path)[1]
    assert dict(READERS["jsonl"](BytesIO(Path(added).read_bytes()))) == {"dog": 1}


def test_where_panes_accumulate_the_last_one_has_everything(tmp_path: Path) -> None:
    for panes in ([["cat"], ["dog"], ["é"]], [["cat", "dog", "é", "cat"]]):
        write(tmp_path, panes, mode=AccumulationMode.ACCUMULATING)
    last = panes_of(tmp_path)[max(panes_of(tmp_path))]
    counts = dict(READERS["jsonl"](BytesIO(Path(last).read_bytes())))
    assert counts == {"act": 2, "cat": 2, "dog": 1, "é": 1}


def test_what_does_not_come_again_is_added_to(tmp_path: Path) -> None:
    write(tmp_path, [["cat"], ["dog"]])
    before = panes_of(tmp_path)
    write(tmp_path, [["cat"]], settled=set(before.values()))
    (added,) = panes_of(tmp_path).keys() - before.keys()
    assert added > max(before)
    assert total_in(tmp_path, per_group=False) == {("act",): 2, ("cat",): 2, ("dog",): 1}


@pytest.mark.parametrize("content", ["", "{", json.dumps({"word": "cat"}), '{"word":1,"count":1}'])
def test_a_pane_that_cannot_be_read_is_one_clear_error(content: str, tmp_path: Path) -> None:
    write(tmp_path, [["cat"]])
    (path,) = panes_of(tmp_path).values()
    Path(path).write_text(content)
    if not content:  # a result without words
        write(tmp_path, [["cat"]])
        return
    with pytest.raises(Exception, match=f"{path}: cannot be read as a result"):
        write(tmp_path, [["cat"]])
