"""Windowed texts are counted in their windows, as an oracle does that assigns windows by hand."""

import string
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.pvalue import PCollection
from apache_beam.testing import test_stream
from apache_beam.testing.util import assert_that, equal_to
from apache_beam.transforms.trigger import (
    AccumulationMode,
    AfterCount,
    AfterProcessingTime,
    AfterWatermark,
    DefaultTrigger,
    Repeatedly,
)
from apache_beam.transforms.window import (
    FixedWindows,
    GlobalWindows,
    Sessions,
    SlidingWindows,
    TimestampCombiner,
    TimestampedValue,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from beam_pipeline import CountAnagrams
from beam_pipeline.pipeline import ENGINES
from tests.support import reference
from tests.support.beam import pipeline
from tests.support.examples import at_most
from tests.support.timed import Timed, create_timed
from transforms import (
    CountSignatures,
    ExtractWords,
    FilterBlocks,
    KeyBySignature,
    SideOutputs,
    WindowedCount,
    WindowedGroupCount,
)
from transforms.stages.totals import Count
from transforms.text.blocks import Block

MEMBERS = ("act", "cat", "dog", "a", "é")
Window = tuple[float, float]


def in_fixed(time: int) -> list[Window]:
    return [(time // 10 * 10, time // 10 * 10 + 10)]


def in_sliding(time: int) -> list[Window]:
    return [(start, start + 10) for start in range(-100, 200, 5) if start <= time < start + 10]


def windows_by_hand(kind: str, texts: Iterable[Timed]) -> dict[Window, list[str]]:
    found: defaultdict[Window, list[str]] = defaultdict(list)
    for text, time in texts:
        for window in in_fixed(time) if kind == "fixed" else in_sliding(time):
            found[window].append(text)
    return found


def sessions_by_hand(texts: Iterable[Timed]) -> Iterator[tuple[str, Window, list[str]]]:
    """Yields the sessions of each signature, which has its own, with their words."""
    times: defaultdict[str, list[tuple[int, str]]] = defaultdict(list)
    for text, time in texts:
        for word in reference.words(text):
            times["".join(sorted(word))].append((time, word))
    for key, found in times.items():
        session: list[tuple[int, str]] = []
        for time, word in [*sorted(found), (1000, "")]:
            if session and time >= session[-1][0] + 5:
                window = (session[0][0], session[-1][0] + 5)
                yield key, window, [word for _, word in session]
                session = []
            session.append((time, word))


KINDS = {"fixed": FixedWindows(10), "sliding": SlidingWindows(10, 5), "sessions": Sessions(5)}


def seconds(record: WindowedCount | WindowedGroupCount) -> tuple[Any, ...]:
    start, end = record.window_start, record.window_end
    return (
        record.word,
        record.count,
        record.signature,
        None if start is None else float(start),
        None if end is None else float(end),
        record.pane,
    )


def expected_records(
    kind: str, texts: Iterable[Timed], members: Collection[str] | None, top: int | None
) -> list[tuple[Any, ...]]:
    records: list[tuple[Any, ...]] = []
    if kind == "sessions":
        for key, window, words in sessions_by_hand(texts):
            own = set(words) if members is None else set(members)
            counted = sorted(word for word in own if "".join(sorted(word)) == key)
            records += [(word, len(words), key, *window, 0) for word in counted]
        return records
    for (start, end), inside in windows_by_hand(kind, texts).items():
        joined = "\n".join(inside)
        known = set(reference.words(joined)) if members is None else members
        ranked = sorted(reference.counts(joined, known).items(), key=lambda one: (-one[1], one[0]))
        for word, count in ranked[:top]:
            records.append((word, count, "".join(sorted(word)), start, end, 0))
    return records


timed_texts = st.lists(
    st.tuples(
        st.sampled_from(["cat", "act tac", "dog é", "zz", "a a", "", "é'"]), st.integers(0, 40)
    ),
    max_size=8,
)


@settings(max_examples=at_most(10))
@given(
    timed_texts,
    st.sampled_from(ENGINES),
    st.sampled_from([*KINDS]),
    st.sampled_from([MEMBERS, None]),
    st.sampled_from([None, 2]),
)
@pytest.mark.parametrize("runner", ["FnApiRunner", "BundleBasedDirectRunner"])
def test_each_window_is_counted_by_itself(
    runner: str,
    texts: list[Timed],
    engine: str,
    kind: str,
    members: tuple[str, ...] | None,
    top: int | None,
) -> None:
    top = None if kind == "sessions" else top  # each signature has sessions of its own
    with beam.Pipeline(runner=runner) as p:
        counted = (
            create_timed(p, texts, reshuffle=False)
            | beam.WindowInto(KINDS[kind])
            | CountAnagrams(dictionary=members or "none", engine=engine, top=top, with_window=True)
            | beam.Map(seconds)
            | "ToGlobal" >> beam.WindowInto(GlobalWindows())
        )
        assert_that(counted, equal_to(expected_records(kind, texts, members, top)))


@settings(max_examples=at_most(15))
@given(
    st.dictionaries(st.sampled_from(["", "a", "é/b"]), timed_texts, max_size=3),
    st.sampled_from(ENGINES),
    st.sampled_from([*KINDS]),
    st.sampled_from([MEMBERS, None]),
    st.sampled_from([None, 2]),
)
def test_each_group_is_counted_by_itself_in_each_window(
    groups: dict[str, list[Timed]],
    engine: str,
    kind: str,
    members: tuple[str, ...] | None,
    top: int | None,
) -> None:
    top = None if kind == "sessions" else top
    texts = [(group, one) for group, timed in groups.items() for one in timed]
    expected = [
        (group, *record)
        for group, timed in groups.items()
        for record in expected_records(kind, timed, members, top)
    ]
    with pipeline() as p:
        counted = (
            p
            | beam.Create(texts, reshuffle=False)
            | beam.MapTuple(
                lambda group, one: TimestampedValue((group, one[0]), one[1])
            ).with_output_types(tuple[str, str])
            | beam.WindowInto(KINDS[kind])
            | CountAnagrams(
                dictionary=members or "none",
                engine=engine,
                top=top,
                per_group=True,
                with_window=True,
            )
            | beam.Map(lambda record: (record.group, *seconds(record)))
            | "ToGlobal" >> beam.WindowInto(GlobalWindows())
        )
        assert_that(counted, equal_to(expected))


TEXTS = [("cat", 1), ("act dog", 3), ("\xff", 4), ("dog", 11), ("tac", 12), ("cat", 27)]


@pytest.mark.parametrize("engine", ENGINES)
def test_totals_and_invariants_hold_in_each_window(engine: str) -> None:
    side_outputs = SideOutputs()
    with pipeline() as p:
        texts = create_timed(p, TEXTS, reshuffle=False) | beam.WindowInto(FixedWindows(10))
        texts | CountAnagrams(dictionary=MEMBERS, engine=engine, side_outputs=side_outputs)
        words = (
            tuple(side_outputs.totals)
            | beam.Flatten()
            | beam.Map(lambda totals, w=beam.DoFn.WindowParam: (float(w.start), totals))
            | "ToGlobal" >> beam.WindowInto(GlobalWindows())
            | beam.MapTuple(lambda start, totals: (start, totals[Count.WORDS]))
            | beam.CombinePerKey(sum)
        )
        assert_that(words, equal_to([(0.0, 4), (10.0, 2), (20.0, 1)]))


def test_single_transforms_keep_windows() -> None:
    with pipeline() as p:
        counted = (
            create_timed(p, TEXTS, reshuffle=False)
            | beam.Map(Block.of_text).with_output_types(Block)
            | beam.WindowInto(FixedWindows(10))
            | FilterBlocks()
            | ExtractWords()
            | KeyBySignature()
            | CountSignatures()
            | beam.Map(lambda pair, w=beam.DoFn.WindowParam: (*pair, float(w.start)))
            | "ToGlobal" >> beam.WindowInto(GlobalWindows())
        )
        expected = [("act", 2, 0.0), ("dgo", 1, 0.0), ("ÿ", 1, 0.0)]
        expected += [("act", 1, 10.0), ("dgo", 1, 10.0), ("act", 1, 20.0)]
        assert_that(counted, equal_to(expected))


ACCUMULATING, DISCARDING = AccumulationMode.ACCUMULATING, AccumulationMode.DISCARDING
EARLY_AND_LATE = AfterWatermark(
    early=Repeatedly(AfterProcessingTime(1)), late=AfterProcessingTime(0)
)
#: Windows and triggers, and the timings of the panes that they give: early, on time, late, unknown.
WITH_PANES = {
    "fixed": (FixedWindows(10), EARLY_AND_LATE, {0, 1, 2}),
    "sliding": (SlidingWindows(10, 5), EARLY_AND_LATE, {0, 1, 2}),
    "only late": (FixedWindows(10), DefaultTrigger(), {1, 2}),
    "global": (GlobalWindows(), EARLY_AND_LATE, {0, 1}),
}


#: Words of which some are in one bucket with those that come late.
LETTERS = " ".join(string.ascii_lowercase[1:])


def stream() -> test_stream.TestStream:
    def at(text: str, time: int) -> Any:
        return TimestampedValue(text, time)

    return (
        test_stream.TestStream()
        .advance_watermark_to(0)
        .add_elements([at("cat", 1), at("act dog", 2), at(LETTERS, 2)])
        .advance_processing_time(5)
        .add_elements([at("tac", 3), at("é", 4)])
        .advance_processing_time(5)
        .advance_watermark_to(12)
        .add_elements([at("cat dog", 4), at("a a", 5)])  # late; "a" for the first time
        .advance_processing_time(5)
        .add_elements([at("god", 15)])
        .advance_processing_time(5)
        .advance_watermark_to(200)
        .add_elements([at("cat", 5)])  # too late
        .advance_watermark_to_infinity()
    )


def panes_of(
    count: beam.PTransform[Any, Any], windowing: tuple[Any, Any, set[int]], mode: Any
) -> Counter[Any]:
    """Returns the records with the panes that they come in, as the runner gives them."""
    _panes.clear()
    options = PipelineOptions(streaming=True, allow_unsafe_triggers=True)
    with beam.Pipeline(runner="BundleBasedDirectRunner", options=options) as p:
        (
            p
            | stream()
            | beam.Map(str).with_output_types(str)
            | beam.WindowInto(
                windowing[0],
                trigger=windowing[1],
                accumulation_mode=mode,
                allowed_lateness=100,
            )
            | count
            | beam.Map(_take)
        )
    return Counter(_panes)


_panes: list[Any] = []


def _take(
    record: Any,
    window: Any = beam.DoFn.WindowParam,
    pane: Any = beam.DoFn.PaneInfoParam,
    time: Any = beam.DoFn.TimestampParam,
) -> None:
    _panes.append((*record[:2], str(window), pane.timing, pane.index, pane.is_last, float(time)))


class BeamAlone(beam.PTransform[PCollection[str], PCollection[Any]]):
    """Counts signatures with Beam's own sum, without any transform of ours."""

    def expand(self, texts: PCollection[str]) -> PCollection[Any]:
        counted: PCollection[Any] = (
            texts
            | beam.FlatMap(str.split)
            | beam.Map(lambda word: ("".join(sorted(word)), 1))
            | beam.CombinePerKey(sum)
        )
        return counted


@pytest.mark.parametrize("mode", [DISCARDING, ACCUMULATING], ids=["discarding", "accumulating"])
@pytest.mark.parametrize("kind", WITH_PANES)
def test_panes_are_those_of_a_sum_of_beams(kind: str, mode: Any) -> None:
    windowing = WITH_PANES[kind]
    expected = panes_of(BeamAlone(), windowing, mode)
    assert {pane[3] for pane in expected} == windowing[2]
    for pane in [*expected]:
        if not pane[1]:  # nothing has come since the last pane: Beam's sum is 0, and we say nothing
            del expected[pane]
    signatures = [
        "act",
        "dgo",
        "é",
        *string.ascii_lowercase,
    ]  # which are words, so that each has one record
    for engine in ENGINES:
        found = panes_of(CountAnagrams(dictionary=signatures, engine=engine), windowing, mode)
        assert found == expected
        # Without a dictionary the words of a pane are its own, so only their class is compared.
        corpus = CountAnagrams(dictionary="none", engine=engine) | beam.Map(_by_signature)
        assert set(panes_of(corpus, windowing, mode)) == set(expected)


def _by_signature(record: Any) -> tuple[str, int]:
    return record.signature, record.count


@pytest.mark.parametrize(
    ("windowing", "message"),
    [
        ({"trigger": Repeatedly(AfterCount(2))}, "trigger AfterCount would count bundles"),
        (
            {"trigger": AfterWatermark(early=AfterCount(2))},
            "trigger AfterCount would count bundles",
        ),
        ({"timestamp_combiner": TimestampCombiner.OUTPUT_AT_LATEST}, "timestamp_combiner"),
    ],
)
def test_what_bundles_cannot_give_is_refused_when_the_pipeline_is_built(
    windowing: dict[str, Any], message: str
) -> None:
    if "trigger" in windowing:
        windowing["accumulation_mode"] = AccumulationMode.DISCARDING
    p = beam.Pipeline(options=PipelineOptions(allow_unsafe_triggers=True))
    texts = create_timed(p, TEXTS, reshuffle=False) | beam.WindowInto(FixedWindows(10), **windowing)
    with pytest.raises(ValueError, match=message):
        texts | CountAnagrams(dictionary=MEMBERS)
    texts | "Elementwise" >> CountAnagrams(dictionary=MEMBERS, engine="elementwise")


def test_what_has_no_windows_is_not_added_to_windows() -> None:
    p = pipeline()
    texts = create_timed(p, TEXTS, reshuffle=False) | beam.WindowInto(FixedWindows(10))
    with pytest.raises(ValueError, match="previous"):
        texts | CountAnagrams(dictionary=MEMBERS, previous=beam.Create([("act", 1)]))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    "windowing",
    [
        {"windowfn": Sessions(5)},
        {"windowfn": FixedWindows(10), "allowed_lateness": 5},
        {
            "windowfn": GlobalWindows(),
            "trigger": Repeatedly(AfterProcessingTime(1)),
            "accumulation_mode": DISCARDING,
        },
    ],
)
def test_words_are_not_compared_where_each_signature_has_its_own_windows_or_panes(
    windowing: dict[str, Any], engine: str
) -> None:
    p = beam.Pipeline(options=PipelineOptions(allow_unsafe_triggers=True))
    texts = create_timed(p, TEXTS, reshuffle=False) | beam.WindowInto(**windowing)
    with pytest.raises(ValueError, match="top=2: compares the words of a window"):
        texts | CountAnagrams(dictionary=MEMBERS, engine=engine, top=2)
    if "allowed_lateness" in windowing:
        with pytest.raises(ValueError, match="PackRecords: tables would mix"):
            texts | "Tables" >> CountAnagrams(dictionary=MEMBERS, engine=engine, as_columns=True)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_global_window_has_no_ends(engine: str) -> None:
    with pipeline() as p:
        counted = (
            p
            | beam.Create(["cat"])
            | CountAnagrams(dictionary=["act"], engine=engine, with_window=True)
            | beam.Map(seconds)
        )
        assert_that(counted, equal_to([("act", 1, "act", None, None, 0)]))
    with pytest.raises(ValueError, match="with_window=True"):
        CountAnagrams(with_window=True, as_columns=True)
