"""Each window and pane has a file of its own, whole or not at all, whatever happens on the way."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.testing.test_stream import TestStream
from apache_beam.transforms.trigger import (
    AccumulationMode,
    AfterProcessingTime,
    AfterWatermark,
    Repeatedly,
)
from apache_beam.transforms.window import (
    FixedWindows,
    GlobalWindows,
    Sessions,
    SlidingWindows,
    TimestampedValue,
)
from apache_beam.utils.timestamp import Timestamp
from hypothesis import given, settings
from hypothesis import strategies as st

from beam_pipeline import CountAnagrams, WriteResults
from beam_pipeline.io.formats import FORMATS, GROUPED_READERS, READERS
from beam_pipeline.io.naming import (
    hidden_files_in,
    new_token,
    window_name,
    window_of,
    window_path,
)
from beam_pipeline.io.publishing import folder_of_windows
from beam_pipeline.io.windowed_sinks import check_window
from beam_pipeline.pipeline import ENGINES
from tests.support import programs, reference
from tests.support.beam import pipeline
from tests.support.examples import at_most
from tests.support.timed import Timed, create_timed
from transforms import GroupSessions, SideOutputs
from transforms.errors import AnagramError
from transforms.stages.chaos import Chaos
from transforms.stages.dead_letters import DeadLetter, FilePattern
from transforms.stages.retry import Resilience
from transforms.stages.totals import Count, Totals
from transforms.stages.windows import has_panes
from transforms.text.blocks import Block

MEMBERS = ("act", "cat", "dog", "a", "é")
TEXTS = [("cat", 1), ("act dog", 3), ("dog", 11), ("zz", 31), ("tac", 12), ("cat", 27)]


def file_name(start: int, end: int, extension: str) -> str:
    return f"{window_name(Timestamp(start), Timestamp(end))}.{extension}"


def files_in(folder: Path) -> dict[str, dict[str, int]]:
    """Returns the counts in each file of a folder, which is sorted; and nothing is left beside."""
    found = {}
    for path in folder.iterdir() if folder.exists() else []:
        pairs = list(READERS[path.suffix[1:]](BytesIO(path.read_bytes())))
        assert pairs == sorted(pairs)
        found[path.name] = dict(pairs)
        assert len(found[path.name]) == len(pairs)
    return found


def in_windows(kind: str, texts: Iterable[tuple[Any, int]]) -> dict[tuple[int, int], list[Any]]:
    windows: defaultdict[tuple[int, int], list[Any]] = defaultdict(list)
    session: tuple[int, int] | None = None
    for time, text in sorted((time, text) for text, time in texts):
        if kind == "fixed":
            windows[time // 10 * 10, time // 10 * 10 + 10].append(text)
        elif kind == "sliding":
            for start in range(-10, 60, 5):
                if start <= time < start + 10:
                    windows[start, start + 10].append(text)
        else:
            grown = [] if session is None or time >= session[1] else windows.pop(session)
            session = (session[0] if grown and session else time, time + 5)
            windows[session] = [*grown, text]
    return windows


def group_files_in(folder: Path) -> dict[str, dict[tuple[str, str], int]]:
    """Returns the same where words are counted by group."""
    found = {}
    for path in folder.iterdir() if folder.exists() else []:
        rows = list(GROUPED_READERS[path.suffix[1:]](BytesIO(path.read_bytes())))
        assert rows == sorted(rows)
        found[path.name] = {(group, word): count for group, word, count in rows}
        assert len(found[path.name]) == len(rows)
    return found


KINDS = ("fixed", "sliding", "sessions")

some_texts = st.sampled_from(["cat", "act tac", "dog é", "zz", ""])
#: Engine, kind of windows, format, dictionary, and whether records are columns.
WAYS = (
    st.sampled_from(ENGINES),
    st.sampled_from(KINDS),
    st.sampled_from([*FORMATS]),
    st.sampled_from([MEMBERS, None]),
    st.booleans(),
)


def into(kind: str) -> beam.PTransform[Any, Any]:
    """Puts texts into windows. It is new each time, as Beam gives it a type when it is applied."""
    windows: dict[str, beam.PTransform[Any, Any]] = {
        "fixed": beam.WindowInto(FixedWindows(10)),
        "sliding": beam.WindowInto(SlidingWindows(10, 5)),
        "sessions": GroupSessions(5),
    }
    return windows[kind]


@settings(max_examples=at_most(6))
@given(
    st.lists(
        st.tuples(some_texts, st.integers(0, 40)),
        max_size=8,
    ),
    *WAYS,
    st.sampled_from(["", "rate=0.3,seed=1,latency=0"]),
)
def test_each_window_has_a_file_of_its_own_counts(
    texts: list[Timed],
    engine: str,
    kind: str,
    extension: str,
    members: tuple[str, ...] | None,
    as_columns: bool,
    chaos: str,
) -> None:
    resilience = Resilience(100, chaos=Chaos.parse(chaos), initial_backoff=0, max_backoff=0)
    expected = {}
    for window, inside in in_windows(kind, texts).items():
        text = "\n".join(inside)
        known = set(reference.words(text)) if members is None else members
        if counts := reference.counts(text, known):
            expected[file_name(*window, extension)] = counts
    side_outputs = SideOutputs()
    options = PipelineOptions(direct_runner_bundle_repeat=1)
    with tempfile.TemporaryDirectory() as folder:
        with beam.Pipeline(runner="FnApiRunner", options=options) as p:
            records = create_timed(p, texts) | into(kind)
            records |= CountAnagrams(
                dictionary=members or "none",
                engine=engine,
                as_columns=as_columns,
                resilience=resilience,
                side_outputs=side_outputs,
            )
            records | WriteResults(
                folder, extension, resilience=resilience, side_outputs=side_outputs
            )
        assert files_in(Path(folder)) == expected


@settings(max_examples=at_most(6))
@given(
    st.lists(
        st.tuples(
            st.tuples(
                st.sampled_from(["b", 'a\n,"', ""]),
                some_texts,
            ),
            st.integers(0, 40),
        ),
        max_size=8,
    ),
    *WAYS,
)
def test_each_window_has_a_file_of_the_counts_of_each_group(
    texts: list[tuple[tuple[str, str], int]],
    engine: str,
    kind: str,
    extension: str,
    members: tuple[str, ...] | None,
    as_columns: bool,
) -> None:
    expected: defaultdict[str, dict[tuple[str, str], int]] = defaultdict(dict)
    for window, inside in in_windows(kind, texts).items():
        for group in {group for group, _ in inside}:
            text = "\n".join(each for of, each in inside if of == group)
            known = set(reference.words(text)) if members is None else members
            for word, count in reference.counts(text, known).items():
                expected[file_name(*window, extension)][group, word] = count
    side_outputs = SideOutputs()
    options = PipelineOptions(direct_runner_bundle_repeat=1)
    with tempfile.TemporaryDirectory() as folder:
        with beam.Pipeline(runner="FnApiRunner", options=options) as p:
            (
                p
                | beam.Create(texts)
                | beam.MapTuple(TimestampedValue).with_output_types(tuple[str, str])
                | into(kind)
                | CountAnagrams(
                    dictionary=members or "none",
                    engine=engine,
                    as_columns=as_columns,
                    per_group=True,
                    side_outputs=side_outputs,
                )
                | WriteResults(folder, extension, side_outputs=side_outputs)
            )
        assert group_files_in(Path(folder)) == expected


@pytest.mark.parametrize("per_group", [False, True])
def test_files_of_windows_are_written_as_other_results_are(per_group: bool, tmp_path: Path) -> None:
    """Byte for byte what the same texts alone give in one file."""
    count = CountAnagrams(dictionary=MEMBERS, per_group=per_group)
    keyed = in_groups() if per_group else beam.Map(str).with_output_types(str)
    for kind in FORMATS:
        with pipeline() as p:
            counted = create_timed(p, [("cat", 1), ("act", 5)]) | into("fixed") | keyed | count
            counted | WriteResults(tmp_path / kind, kind, sort="count")
        with pipeline() as p:
            alone = p | beam.Create(["cat", "act"]) | keyed | count
            alone | WriteResults(tmp_path / f"alone.{kind}", sort="count")
        found = tmp_path / kind / file_name(0, 10, kind)
        assert found.read_bytes() == (tmp_path / f"alone.{kind}").read_bytes()


def test_paths_are_those_of_published_files_and_the_log_tells_about_windows(tmp_path: Path) -> None:
    paths = tmp_path / "paths"
    side_outputs = SideOutputs()
    with pipeline() as p:
        counted = (
            create_timed(p, [*TEXTS, ("cat \xff", 29)])
            | into("fixed")
            | CountAnagrams(dictionary=MEMBERS, side_outputs=side_outputs)
        )
        written = counted | WriteResults(
            tmp_path / "out", window_log=str(tmp_path / "log"), side_outputs=side_outputs
        )
        written | "ToGlobal" >> beam.WindowInto(GlobalWindows()) | beam.io.WriteToText(str(paths))
    found = [line for path in tmp_path.glob("paths*") for line in path.read_text().split()]
    assert sorted(found) == sorted(str(path) for path in (tmp_path / "out").iterdir())
    assert [Path(path).suffix for path in found] == [".jsonl"] * 3
    log = {path.name: json.loads(path.read_text()) for path in (tmp_path / "log").iterdir()}
    assert len(log) == 4  # that of "zz" has no records, and so no file
    told = log[file_name(20, 30, "json")]
    assert told.pop("published") > 0
    assert Totals.from_json(told.pop("totals"))[Count.RECORDS_WRITTEN] == 2
    assert told == {
        "window_start": "1970-01-01T00:00:20Z",
        "window_end": "1970-01-01T00:00:30Z",
        "pane": 0,
        "timing": "on time",
        "path": str(tmp_path / "out" / file_name(20, 30, "jsonl")),
        "dead_letters_path": None,
        "records": 2,
        "messages": 2,
        "words": 3,
        "words_late": 0,
        "dead_letters": 0,
    }
    assert log[file_name(30, 40, "json")]["path"] is None


def test_dead_letters_are_beside_the_records_of_their_window(tmp_path: Path) -> None:
    side_outputs = SideOutputs()
    with pipeline() as p:
        (
            create_timed(p, [("cat", 1), ("dog\xff", 2), ("act\xff", 25)])
            | into("fixed")
            | beam.Map(_block).with_output_types(Block)
            | CountAnagrams(
                dictionary=MEMBERS, encoding_errors="quarantine", side_outputs=side_outputs
            )
            | WriteResults(
                tmp_path / "out", dead_letters=str(tmp_path / "dead"), side_outputs=side_outputs
            )
        )
    assert files_in(tmp_path / "out") == {file_name(0, 10, "jsonl"): {"act": 1, "cat": 1}}
    dead = {path.name: path.read_bytes() for path in (tmp_path / "dead").iterdir()}
    assert dead.keys() == {file_name(0, 10, "jsonl"), file_name(20, 30, "jsonl")}
    assert all(b'"stage": "filter"' in line for line in dead.values())


def _block(text: str) -> Block:
    return Block.of_text("")._replace(data=text.encode("latin-1"))


def test_dead_letters_of_what_was_read_before_there_were_windows_are_kept(tmp_path: Path) -> None:
    side_outputs = SideOutputs()
    with pipeline() as p:
        letters = p | "Letters" >> beam.Create(
            [DeadLetter("read", "EOFError", 1, FilePattern("no/*"))]
        )
        side_outputs.dead_letters.append(letters)
        (
            create_timed(p, TEXTS)
            | into("fixed")
            | CountAnagrams(dictionary=MEMBERS, side_outputs=side_outputs)
            | WriteResults(
                tmp_path / "out", dead_letters=str(tmp_path / "dead"), side_outputs=side_outputs
            )
        )
    assert [path.name for path in (tmp_path / "dead").iterdir()] == ["global.jsonl"]


@pytest.mark.parametrize("count", [Count.WORDS_KEYED, Count.WORDS_COUNTED])
@pytest.mark.parametrize("kind", ["bounded", "unbounded", "late"])
def test_a_window_whose_totals_do_not_agree_fails_the_run(
    kind: str, count: Count, tmp_path: Path
) -> None:
    side_outputs = SideOutputs()
    lateness: dict[str, Any] = {}
    if kind == "late":
        lateness = {"allowed_lateness": 9, "accumulation_mode": AccumulationMode.ACCUMULATING}
    runner = "FnApiRunner" if kind == "bounded" else "BundleBasedDirectRunner"
    options = PipelineOptions(streaming=kind != "bounded")
    message = r"the window from 1970-01-01T00:00:00Z .*lost count: words"
    with (
        pytest.raises(Exception, match=message),
        beam.Pipeline(runner=runner, options=options) as p,
    ):
        if kind == "bounded":
            texts = create_timed(p, [("cat", 5)])
        else:
            stream = TestStream().add_elements([TimestampedValue("cat", 5)])
            texts = p | stream.advance_watermark_to_infinity() | beam.Map(str)
        windowed = texts | "Into" >> beam.WindowInto(FixedWindows(10), **lateness)
        side_outputs.totals.append(windowed | beam.Map(lambda _: Totals(Counter({count: 7}))))
        (
            windowed
            | CountAnagrams(dictionary=MEMBERS, side_outputs=side_outputs)
            | WriteResults(tmp_path, side_outputs=side_outputs)
        )
    if kind != "late":  # else it is published, and checked afterwards
        assert files_in(tmp_path) == {}


def test_words_that_came_too_late_are_counted() -> None:
    totals = Totals(Counter({Count.WORDS: 9, Count.WORDS_KEYED: 9}))
    for count in (Count.WORDS_COUNTED, Count.WORDS_MATCHED):
        totals.add(count, 5)
    assert check_window(totals, Count, "it", may_drop=True) == 4
    with pytest.raises(AnagramError, match=r"it: the run lost count: .*9 is not 5"):
        check_window(totals, Count, "it")


EARLY_AND_LATE = AfterWatermark(
    early=Repeatedly(AfterProcessingTime(1)), late=AfterProcessingTime(0)
)


def late_stream() -> TestStream:
    def at(text: str, time: int) -> Any:
        return TimestampedValue(text, time)

    return (
        TestStream()
        .advance_watermark_to(0)
        .add_elements([at("cat", 1), at("act dog", 2)])
        .advance_processing_time(5)
        .add_elements([at("tac", 3), at("é", 4)])
        .advance_processing_time(5)
        .advance_watermark_to(12)
        .advance_processing_time(5)
        .add_elements([at("cat dog", 4), at("a a", 5)])  # late; "a" for the first time
        .advance_processing_time(5)
        .advance_processing_time(5)
        .add_elements([at("god", 15)])
        .advance_watermark_to(200)
        .add_elements([at("cat", 5), at("é", 15)])  # too late
        .advance_processing_time(5)
        .advance_watermark_to_infinity()
    )


def write_stream(
    folder: Path,
    windowing: dict[str, Any],
    engine: str,
    runner: Sequence[str] = ("--runner=BundleBasedDirectRunner",),
    stream: TestStream | None = None,
    *,
    per_group: bool = False,
) -> dict[str, dict[Any, int]]:
    side_outputs = SideOutputs()
    with beam.Pipeline(options=PipelineOptions(list(runner), streaming=True)) as p:
        texts = (
            p
            | (stream or late_stream())
            | beam.Map(str).with_output_types(str)
            | beam.WindowInto(**windowing)
        )
        if per_group:
            texts |= in_groups()
        counted = texts | CountAnagrams(
            dictionary=MEMBERS,
            engine=engine,
            as_columns=not has_panes(texts),
            per_group=per_group,
            side_outputs=side_outputs,
        )
        counted | WriteResults(folder, gather_seconds=1, side_outputs=side_outputs)
    return group_files_in(folder) if per_group else files_in(folder)


@pytest.mark.parametrize("engine", ENGINES)
def test_what_is_not_late_is_in_one_file_and_what_is_too_late_in_none(
    engine: str, tmp_path: Path
) -> None:
    assert write_stream(tmp_path, {"windowfn": FixedWindows(10)}, engine) == {
        file_name(0, 10, "jsonl"): {"act": 3, "cat": 3, "dog": 1, "é": 1},
        file_name(10, 20, "jsonl"): {"dog": 1},
    }


@settings(max_examples=at_most(5))
@given(
    st.lists(
        st.tuples(
            st.integers(1, 12),  # by how much the watermark advances before
            st.lists(
                st.tuples(st.sampled_from(["cat", "act dog", "é"]), st.integers(0, 29)), max_size=3
            ),
        ),
        max_size=6,
    ),
    st.sampled_from([0, 10]),
    st.sampled_from(ENGINES),
)
def test_late_text_is_counted_as_long_as_it_is_allowed(
    bundles: list[tuple[int, list[Timed]]], lateness: int, engine: str
) -> None:
    # Beam takes the processing time for a watermark in one place; so let it be later than windows.
    stream = TestStream().advance_processing_time(1000)
    watermark = 0.5  # never at the end of a window
    on_time: defaultdict[int, list[str]] = defaultdict(list)
    counted: defaultdict[int, list[str]] = defaultdict(list)
    for advance, texts in bundles:
        watermark += advance
        stream = stream.advance_watermark_to(watermark).advance_processing_time(5)
        if texts:
            stream = stream.add_elements([TimestampedValue(*timed) for timed in texts])
        for text, time in texts:
            start = time // 10 * 10
            if watermark < start + 10:
                on_time[start].append(text)
            if watermark < start + 10 + lateness:
                counted[start].append(text)
    stream = stream.advance_processing_time(5).advance_processing_time(5)
    stream = stream.advance_watermark_to_infinity()
    windowing = {"windowfn": FixedWindows(10), "allowed_lateness": lateness}
    with tempfile.TemporaryDirectory() as folder:
        found = write_stream(Path(folder), windowing, engine, stream=stream)
    for start in (0, 10, 20):
        name = window_name(Timestamp(start), Timestamp(start + 10))
        panes = [found[path] for path in sorted(found) if path.startswith(name)]
        added: Counter[str] = Counter()
        for pane in panes:
            added.update(pane)
        assert added == reference.counts("\n".join(counted[start]), MEMBERS)
        if expected := reference.counts("\n".join(on_time[start]), MEMBERS):
            assert panes[0] == expected


def in_groups() -> beam.PTransform[Any, Any]:
    """Puts each text into the groups a, with another word, and b; one late text into a only."""
    return beam.FlatMap(_in_groups).with_output_types(tuple[str, str])


def _in_groups(text: str) -> list[tuple[str, str]]:
    of_a = ("a", f"{text} dog")
    return [of_a] if text == "cat dog" else [("b", text), of_a]


FIRST, SECOND = window_name(Timestamp(0), Timestamp(10)), window_name(Timestamp(10), Timestamp(20))
ON_TIME = {"act": 3, "cat": 3, "dog": 1, "é": 1}
WHOLE = {"a": 2, "act": 4, "cat": 4, "dog": 2, "é": 1}


@pytest.mark.parametrize("engine", ENGINES)
def test_late_panes_have_the_difference_or_all(engine: str, tmp_path: Path) -> None:
    late = {"windowfn": FixedWindows(10), "allowed_lateness": 100}
    assert write_stream(tmp_path / "discarding", late, engine) == {
        f"{FIRST}-pane0.jsonl": ON_TIME,
        f"{FIRST}-pane1.jsonl": {"a": 2, "act": 1, "cat": 1, "dog": 1},
        f"{SECOND}-pane0.jsonl": {"dog": 1},
    }
    late["accumulation_mode"] = AccumulationMode.ACCUMULATING
    assert write_stream(tmp_path / "accumulating", late, engine) == {
        f"{FIRST}-pane0.jsonl": ON_TIME,
        f"{FIRST}-pane1.jsonl": WHOLE,
        f"{SECOND}-pane0.jsonl": {"dog": 1},
    }


def test_a_pane_removes_no_other(tmp_path: Path) -> None:
    # Runners may publish the panes of a window side by side.
    late = {"windowfn": FixedWindows(10), "allowed_lateness": 100}
    later = tmp_path / f"{FIRST}-pane2.jsonl"
    later.touch()
    assert write_stream(tmp_path, late, "vectorized")[later.name] == {}


@pytest.mark.parametrize("engine", ENGINES)
def test_late_panes_have_the_difference_or_all_of_each_group(engine: str, tmp_path: Path) -> None:
    def grouped(of_a: dict[str, int], of_b: dict[str, int]) -> dict[tuple[str, str], int]:
        by_group = {"a": of_a, "b": of_b}
        return {(each, word): by_group[each][word] for each in by_group for word in by_group[each]}

    late: dict[str, Any] = {"windowfn": FixedWindows(10), "allowed_lateness": 100}
    on_time = grouped({**ON_TIME, "dog": 5}, ON_TIME)
    late_of_a, late_of_b = {"a": 2, "act": 1, "cat": 1, "dog": 3}, {"a": 2}
    for mode, after in (
        (AccumulationMode.DISCARDING, grouped(late_of_a, late_of_b)),
        (AccumulationMode.ACCUMULATING, grouped({**WHOLE, "dog": 8}, {**ON_TIME, **late_of_b})),
    ):
        folder = tmp_path / str(mode)
        windowing = {**late, "accumulation_mode": mode}
        assert write_stream(folder, windowing, engine, per_group=True) == {
            f"{FIRST}-pane0.jsonl": on_time,
            f"{FIRST}-pane1.jsonl": after,
            f"{SECOND}-pane0.jsonl": grouped({"dog": 2}, {"dog": 1}),
        }


def test_groups_that_would_be_lost_are_an_error(tmp_path: Path) -> None:
    message = r"records have groups.*with_output_types\(GroupedCount\)"
    for is_windowed in (False, True):
        with pytest.raises(Exception, match=message), pipeline() as p:
            texts = create_timed(p, TEXTS)
            records = (
                (texts | into("fixed") if is_windowed else texts)
                | in_groups()
                | CountAnagrams(dictionary=MEMBERS, per_group=True)
            )
            # What such a function returns is not known to Beam.
            changed = records | "Change" >> beam.Map(lambda record: record._replace(count=1))
            changed | WriteResults(tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_prism_writes_the_same_files(tmp_path: Path) -> None:
    prism = ["--runner=PrismRunner", f"--prism_location={programs.prism()}"]
    late = {"windowfn": FixedWindows(10), "allowed_lateness": 100}
    found = write_stream(tmp_path / "prism", late, "vectorized", [*prism, _LOOPBACK])
    assert found == write_stream(tmp_path / "direct", late, "vectorized")


_LOOPBACK = "--environment_type=LOOPBACK"


@pytest.mark.parametrize("windowfn", [FixedWindows(10), GlobalWindows()])
def test_panes_add_up_to_the_window_or_grow_to_it(windowfn: Any, tmp_path: Path) -> None:
    is_global = isinstance(windowfn, GlobalWindows)
    expected = {"a": 2, "act": 5, "cat": 5, "dog": 3, "é": 2} if is_global else WHOLE
    name = "global" if is_global else FIRST
    for mode in (AccumulationMode.DISCARDING, AccumulationMode.ACCUMULATING):
        windowing = {
            "windowfn": windowfn,
            "trigger": EARLY_AND_LATE,
            "accumulation_mode": mode,
            "allowed_lateness": 100,
        }
        found = write_stream(tmp_path / str(mode), windowing, "vectorized")
        panes = {
            int(path.removeprefix(f"{name}-pane").removesuffix(".jsonl")): counts
            for path, counts in found.items()
            if path.startswith(name)
        }
        assert len(panes) > 2
        if mode == AccumulationMode.ACCUMULATING:
            assert panes[max(panes)] == expected
            growing = [panes[pane] for pane in sorted(panes)]
            for before, after in pairwise(growing):
                assert all(after[word] >= count for word, count in before.items())
        else:
            added: Counter[str] = Counter()
            for counts in panes.values():
                added.update(counts)
            assert added == expected


@pytest.mark.parametrize(
    ("apply", "message"),
    [
        (lambda texts: (texts | beam.WindowInto(Sessions(5)), {}), "where windows merge.*GroupSe"),
        (lambda texts: (texts | into("fixed"), {"num_shards": 2}), "num_shards=2: a window has on"),
    ],
)
def test_what_has_no_files_is_refused_when_the_pipeline_is_built(
    apply: Callable[[Any], tuple[Any, dict[str, Any]]], message: str, tmp_path: Path
) -> None:
    p = pipeline()
    windowed, how = apply(create_timed(p, TEXTS))
    counted = windowed | CountAnagrams(dictionary=MEMBERS)
    with pytest.raises(ValueError, match=f"WriteResults: {message}|{message}"):
        counted | WriteResults(tmp_path, **how)


def test_dead_letters_must_go_somewhere(tmp_path: Path) -> None:
    side_outputs = SideOutputs()
    counted = (
        create_timed(pipeline(), TEXTS)
        | into("fixed")
        | CountAnagrams(dictionary=MEMBERS, encoding_errors="quarantine", side_outputs=side_outputs)
    )
    with pytest.raises(ValueError, match="WriteResults: stages may emit dead letters"):
        counted | WriteResults(tmp_path, side_outputs=side_outputs)
    with pytest.raises(ValueError, match="dead letters would replace the records"):
        counted | "Beside" >> WriteResults(
            tmp_path, dead_letters=f"{tmp_path}/", side_outputs=side_outputs
        )


def test_a_folder_that_is_a_file_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    message = rf"{tmp_path}/out/1970.*jsonl: cannot be written"
    with pytest.raises(Exception, match=message), pipeline() as p:
        counted = create_timed(p, TEXTS) | into("fixed") | CountAnagrams(dictionary=MEMBERS)
        counted | WriteResults(tmp_path / "out")


_KILLED = """
import os, signal, sys
from pathlib import Path
from beam_pipeline.io.formats import FORMATS
from tests.beam_pipeline.io import test_windowed_sinks as this

whole = FORMATS["jsonl"].write
windows = []

def write(lines, file):
    windows.append(1)
    if len(windows) == 2:
        file.write(b"half")
        file.flush()
        os.kill(os.getpid(), signal.SIGKILL)
    whole(lines, file)

FORMATS["jsonl"] = FORMATS["jsonl"]._replace(write=write)
this.write_fixed(Path(sys.argv[1]))
"""


def write_fixed(folder: Path) -> None:
    token = new_token()
    with folder_of_windows(str(folder), token), pipeline() as p:
        counted = create_timed(p, TEXTS) | into("fixed") | CountAnagrams(dictionary=MEMBERS)
        counted | WriteResults(folder, token=token)


@pytest.mark.slow
def test_a_process_that_is_killed_leaves_whole_files_and_the_next_run_clears_up(
    tmp_path: Path,
) -> None:
    write_fixed(tmp_path / "expected")
    expected = {path.name: path.read_bytes() for path in (tmp_path / "expected").iterdir()}
    out = tmp_path / "out"
    killed = subprocess.run([sys.executable, "-c", _KILLED, str(out)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert len(hidden_files_in(str(out))) == 1
    visible = [path for path in out.iterdir() if not path.name.startswith(".")]
    assert len(visible) == 1
    assert visible[0].read_bytes() == expected[visible[0].name]
    write_fixed(out)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == expected


def test_leftovers_of_a_run_that_goes_on_are_left_alone(tmp_path: Path) -> None:
    with folder_of_windows(str(tmp_path), "0123456789ab"):
        (tmp_path / ".x.jsonl.0123456789ab.01234567.tmp").touch()
        (tmp_path / ".x.jsonl.ba9876543210.01234567.tmp").touch()
        (tmp_path / ".global.windows.ba9876543211.lock").touch()  # killed before it wrote anything
        token = new_token()
        with folder_of_windows(str(tmp_path), token):
            assert hidden_files_in(str(tmp_path)).keys() == {"0123456789ab", token}
    assert os.listdir(tmp_path.parent / tmp_path.name) == []


@pytest.mark.parametrize(
    ("start", "end", "pane", "expected"),
    [
        (1764064800, 1764064860, None, "2025-11-25T10:00:00Z_2025-11-25T10:01:00Z"),
        (0, 0.25, 12, "1970-01-01T00:00:00Z_1970-01-01T00:00:00.250000Z-pane12"),
        (-5, 5, None, "1969-12-31T23:59:55Z_1970-01-01T00:00:05Z"),
        (None, None, 0, "global-pane0"),
    ],
)
def test_windows_name_their_files(
    start: float | None, end: float | None, pane: int | None, expected: str
) -> None:
    begin, over = (None if time is None else Timestamp.of(time) for time in (start, end))
    assert window_name(begin, over, pane) == expected
    assert window_path("hdfs://h/out", "csv", begin, over, pane) == (
        f"hdfs://h/out/{expected.replace(':', '')}.csv"
    )
    assert window_path("out", "csv", begin, over, pane) == f"out/{expected}.csv"
    of_window = None if start is None or end is None else (start, end)
    for name in (f"{expected}.csv", f"{expected.replace(':', '')}.csv.gz"):
        assert window_of(name) == of_window
        assert window_of(f".{name}") is None
