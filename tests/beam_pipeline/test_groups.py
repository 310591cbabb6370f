"""Words are counted by group: each group as the oracle counts its texts alone."""

import csv
import gzip
import io
import json
import os
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import apache_beam as beam
import pyarrow.parquet
import pytest
from apache_beam.testing.util import assert_that, equal_to
from apache_beam.transforms import window
from hypothesis import given, settings
from hypothesis import strategies as st

from beam_pipeline import CountAnagrams, WriteResults
from beam_pipeline.io.file_groups import FileNames, prefix_of
from beam_pipeline.pipeline import ENGINES
from tests.support import reference
from tests.support.beam import pipeline
from tests.support.cli import Here, assert_one_line_error
from tests.support.examples import at_most
from tests.support.strategies import sentences
from transforms import Block, GroupedCount, SideOutputs, TallyBlocks
from transforms.columns.convert import UnpackCounts
from transforms.dictionary import DictionarySpec

WORDS = ["act", "cat", "tac", "enlist", "listen", "silent"]
GROUPS = ["a.txt", "", "漢 \n\0\"',", "z"]
Texts = list[tuple[str, str]]

grouped_texts = st.lists(st.tuples(st.sampled_from(GROUPS), sentences(WORDS, 8)), max_size=6)


@pytest.fixture
def here(capfdbinary: pytest.CaptureFixture[bytes]) -> Here:
    return Here(capfdbinary)


def expected_counts(texts: Texts, words: list[str] | None, **filters: Any) -> list[GroupedCount]:
    """What the oracle counts in the texts of each group."""
    together = defaultdict(list)
    for group, text in texts:
        together[group].append(text)
    members = None if words is None else set(words)
    return [
        GroupedCount(group, word, count, "".join(sorted(word)))
        for group, of_group in sorted(together.items())
        for word, count in reference.counts("\n".join(of_group), members, **filters).items()
    ]


@settings(max_examples=at_most(10))
@given(
    texts=grouped_texts,
    engine=st.sampled_from(ENGINES),
    words=st.sampled_from([WORDS, None]),
    filters=st.fixed_dictionaries(
        {},
        optional={
            "min_count": st.integers(1, 2),
            "min_class_size": st.integers(1, 3),
            "min_word_length": st.integers(1, 4),
            "top": st.integers(1, 3),
        },
    ),
)
def test_each_group_is_counted_as_the_oracle_counts_it_alone(
    texts: Texts, engine: str, words: list[str] | None, filters: dict[str, Any]
) -> None:
    with pipeline() as p:
        counted = (
            p
            | beam.Create(texts, reshuffle=False)
            | CountAnagrams(
                dictionary=words or "none", engine=engine, per_group=True, threads=2, **filters
            )
        )
        assert_that(counted, equal_to(expected_counts(texts, words, **filters)))


@settings(max_examples=at_most(5))
@given(texts=grouped_texts, is_corpus=st.booleans(), small=st.sampled_from([0, 1 << 18]))
def test_tallies_of_any_size_are_of_one_group(texts: Texts, is_corpus: bool, small: int) -> None:
    side_outputs = SideOutputs()
    spec = DictionarySpec("none") if is_corpus else DictionarySpec.of(WORDS)
    with pipeline() as p:
        blocks = p | beam.Create([(group, Block.of_text(text)) for group, text in texts])
        tallied = blocks | TallyBlocks(
            spec,
            threads=2,
            small_bundle_bytes=small,
            batch_bytes=30,
            max_rows=2,
            max_table_bytes=1,
            per_group=True,
            side_outputs=side_outputs,
        )
        sums = (
            tallied
            | UnpackCounts(are_words=False, per_group=True)
            | beam.MapTuple(lambda group, pair: ((group, pair[0]), pair[1]))
            | beam.CombinePerKey(sum)
        )
        found = {
            (group, record.word if is_corpus else record.signature): record.count
            for group, of_group in _by_group(texts)
            for record in expected_counts([(group, of_group)], None if is_corpus else WORDS)
        }
        if is_corpus:  # each word by itself
            found = {
                (group, word): number
                for group, of_group in _by_group(texts)
                for word, number in _occurrences(of_group).items()
            }
        assert_that(sums, equal_to(list(found.items())))


def _by_group(texts: Texts) -> list[tuple[str, str]]:
    together: dict[str, str] = {}
    for group, text in texts:
        together[group] = f"{together.get(group, '')}\n{text}"
    return list(together.items())


def _occurrences(text: str) -> dict[str, int]:
    words = reference.words(text)
    return {word: words.count(word) for word in words}


@pytest.mark.parametrize("engine", ENGINES)
def test_groups_and_windows_are_both_parts_of_the_key(engine: str) -> None:
    texts = [(5, "a", "act cat"), (5, "b", "cat"), (65, "a", "tac"), (65, "a", "dog")]
    with pipeline() as p:
        counted = (
            p
            | beam.Create(texts)
            | beam.Map(lambda each: window.TimestampedValue(each[1:], each[0]))
            | beam.WindowInto(window.FixedWindows(60))
            | CountAnagrams(dictionary=["act"], engine=engine, per_group=True)
            | beam.Map(
                lambda record, window=beam.DoFn.WindowParam: (
                    int(window.start),
                    record.group,
                    record.count,
                )
            )
        )
        assert_that(counted, equal_to([(0, "a", 2), (0, "b", 1), (60, "a", 1)]))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("element", "error", "message"),
    [
        ("text", TypeError, "takes (group, text) pairs, not a str"),
        ((1, "text"), TypeError, "a group is a str, not int"),
        (("a", 1), TypeError, "not of int"),
    ],
)
def test_what_is_no_group_and_text_is_refused(
    engine: str, element: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error) as raised, pipeline() as p:
        # Without the type that Beam would infer, and refuse with a message of its own.
        texts = p | beam.Create([None]) | beam.Map(lambda _: element).with_output_types(Any)
        _ = texts | CountAnagrams(dictionary=["act"], engine=engine, per_group=True)
    assert message in str(raised.value)


# Files of results


def read_grouped(path: Path) -> list[tuple[str, str, int]]:
    """The rows of a result file, in their order, with the library of its format."""
    if path.suffix == ".parquet":
        rows = pyarrow.parquet.read_table(path).to_pylist()
    elif path.suffix == ".csv":
        rows = list(csv.DictReader(io.StringIO(path.read_bytes().decode(), newline="")))
    elif path.suffix == ".jsonl":
        rows = [json.loads(line) for line in path.read_bytes().decode().split("\n") if line]
    else:
        groups = json.loads(path.read_bytes())
        assert path.read_bytes().decode() == json.dumps(groups, indent=2, ensure_ascii=False) + "\n"
        return [(group, *pair) for group, counts in groups.items() for pair in counts.items()]
    assert all(list(row) == ["group", "word", "count", "signature"] for row in rows)
    return [(row["group"], row["word"], int(row["count"])) for row in rows]


@pytest.mark.parametrize("chunk_records", [2, 1 << 16])
@pytest.mark.parametrize("sort", ["word", "count"])
@pytest.mark.parametrize("kind", ["json", "jsonl", "csv", "parquet"])
def test_each_format_has_groups_first_and_in_order(
    kind: str, sort: str, chunk_records: int, tmp_path: Path
) -> None:
    groups = GROUPS
    if kind == "csv" and sys.version_info < (3, 11):  # whose library cannot write NULs
        groups = [group.replace("\0", "") for group in groups]
    texts = [(group, f"act cat {'silent ' * at}") for at, group in enumerate(groups)]
    path = tmp_path / f"counts.{kind}"
    with pipeline() as p:
        counted = p | beam.Create(texts) | CountAnagrams(dictionary="none", per_group=True)
        _ = counted | WriteResults(path, sort=sort, chunk_records=chunk_records)
    rows = [(record.group, record.word, record.count) for record in expected_counts(texts, None)]
    if sort == "count":
        rows.sort(key=lambda row: (row[0], -row[2], row[1]))
    assert read_grouped(path) == rows


@pytest.mark.parametrize("kind", ["json", "jsonl", "csv", "parquet"])
def test_many_rows_are_written_by_columns_and_to_shards_of_whole_groups(
    kind: str, tmp_path: Path
) -> None:
    letters = "abcdefghijklm"
    words = [a + b + c for a in letters for b in letters for c in letters]
    records = [
        GroupedCount(group, word, at + 1, word)
        for group in ("a", "b", "c")
        for at, word in enumerate(words)
    ]
    with pipeline() as p:
        _ = p | beam.Create(records) | WriteResults(tmp_path / f"one.{kind}")
    with pipeline() as p:
        _ = p | beam.Create(records) | WriteResults(tmp_path / f"two.{kind}", num_shards=2)
    rows = sorted((record.group, record.word, record.count) for record in records)
    assert read_grouped(tmp_path / f"one.{kind}") == rows
    shards = []
    for shard in sorted(tmp_path.glob("two.*")):
        named = shard.rename(tmp_path / f"{shard.name}.{kind}")
        shards.append(read_grouped(named))
    assert sorted(row for rows_of_shard in shards for row in rows_of_shard) == rows
    first, second = ({row[0] for row in rows_of_shard} for rows_of_shard in shards)
    assert not first & second


@pytest.mark.parametrize("kind", ["json", "jsonl", "csv", "parquet"])
def test_no_groups_are_an_empty_result(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"none.{kind}"
    with pipeline() as p:
        counted = p | beam.Create([("a", "")]) | CountAnagrams(dictionary="none", per_group=True)
        _ = counted | WriteResults(path)
    assert read_grouped(path) == []
    if kind == "csv":
        assert path.read_bytes() == b"group,word,count,signature\n"


# The command line


def counts_in(here: Here, *arguments: object) -> dict[str, dict[str, int]]:
    done = here(*arguments, "--group_by=file")
    assert done.code == 0, done.err
    counts: dict[str, dict[str, int]] = json.loads(done.out)
    assert list(counts) == sorted(counts)
    return counts


@pytest.mark.parametrize("engine", ENGINES)
def test_files_are_called_as_they_are_given(
    engine: str, here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub" / "deep").mkdir(parents=True)
    (tmp_path / "a.txt").write_text("act cat")
    (tmp_path / "sub" / "a.txt").write_text("tac")
    (tmp_path / "sub" / "deep" / "b.gz").write_bytes(gzip.compress(b"silent cat"))
    (tmp_path / 'q"uo\nte,.txt').write_text("enlist")
    (tmp_path / os.fsdecode(b"caf\xe9.txt")).write_text("cat")
    absolute = tmp_path / "elsewhere.md"
    absolute.write_text("act")
    (tmp_path / "nothing.txt").write_text("")
    dictionary = tmp_path / "words.lst"
    dictionary.write_text("act\nsilent\n")
    found = counts_in(
        here,
        *("--input=*.txt", "--input=./sub", f"--input={absolute}"),
        *(f"--dictionary={dictionary}", f"--engine={engine}"),
    )
    assert found == {
        "a.txt": {"act": 2},
        "caf\\xe9.txt": {"act": 1},
        'q"uo\nte,.txt': {"silent": 1},
        "sub/a.txt": {"act": 1},
        "sub/deep/b.gz": {"act": 1, "silent": 1},
        str(absolute): {"act": 1},
    }


@pytest.mark.parametrize(
    ("given_pattern", "resolved", "names"),
    [
        ("a*.txt", "/w/a*.txt", {"/w/ab.txt": "ab.txt"}),
        ("./b", "/w/b", {"/w/b/c": "b/c", "/x/b": "/x/b"}),
        ("b/", "/w/b/", {"/w/b/c": "b/c"}),
        (".", "/w", {"/w/a": "./a", "/wa": "/wa"}),
        ("../v", "/v", {"/v/a": "../v/a"}),
        ("..", "/v", {"/v/a": "../a", "/va": "/va"}),
        ("../*.txt", "/v/*.txt", {"/v/a.txt": "../a.txt"}),
        ("**/[ab]?", "/w[1]/**/[ab]?", {"/w[1]/x/a1": "x/a1"}),
    ],
)
def test_names_of_relative_patterns(
    given_pattern: str, resolved: str, names: dict[str, str]
) -> None:
    prefix = prefix_of(given_pattern, resolved)
    of = FileNames(prefixes=(prefix,)).of
    assert {path: of(path) for path in names} == names


@pytest.mark.parametrize("given_pattern", ["/w/*", "gs://b/*", "file:///w/a"])
def test_other_patterns_name_files_by_their_paths(given_pattern: str) -> None:
    assert FileNames(prefixes=(prefix_of(given_pattern, given_pattern),)).of("/w/a") == "/w/a"


def test_text_and_standard_input_are_groups(here: Here, tmp_path: Path) -> None:
    assert counts_in(here, "--text=cat") == {"<text>": {"act": 1, "cat": 1, "tac": 1}}
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    writer = os.fork()
    if writer == 0:
        with open(fifo, "w") as file:
            file.write("cat")
        os._exit(0)
    assert list(counts_in(here, f"--input={fifo}")) == [str(fifo)]
    os.waitpid(writer, 0)


@pytest.mark.parametrize(
    ("engine", "dictionary", "stages"),
    [
        ("vectorized", "none", ["expand"]),
        *(
            pytest.param(engine, dictionary, ["filter", "extract", "key"], marks=pytest.mark.slow)
            for engine in ENGINES
            for dictionary in ("gcide", "none")
        ),
    ],
)
def test_dead_letters_are_replayed_into_their_groups(
    engine: str,
    dictionary: str,
    stages: list[str],
    here: Here,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("none.jsonl").touch()
    for name, text in (("a.txt", "act cat tac"), ("b.txt", "silent listen cat")):
        (tmp_path / name).write_text(text)
    common = ("--input=*.txt", f"--dictionary={dictionary}", f"--engine={engine}")
    whole = counts_in(here, *common)
    for stage in stages:
        done = here(
            *common,
            *("--group_by=file", "--output=part.json", f"--chaos={stage}=0.6,seed=3"),
            *("--max_attempts=1", "--on_error=dead_letter", "--dead_letters=dead.jsonl"),
        )
        assert done.code == 0, done.err
        letters = [json.loads(line) for line in Path("dead.jsonl").read_text().splitlines()]
        assert letters, stage
        assert all(letter["group"] in ("a.txt", "b.txt") for letter in letters)
        assert all(letter["settings"]["group_by"] == "file" for letter in letters)
        for kind in ("json", "csv", "parquet", "jsonl"):
            if kind != "json":
                copied = here(
                    "replay", "none.jsonl", "--merge=part.json", "--group_by=file",
                    f"--output=part.{kind}",
                )  # fmt: skip
                assert copied.code == 0, copied.err
            done = here("replay", "dead.jsonl", f"--merge=part.{kind}", "--output=sum.json")
            assert done.code == 0, done.err
            assert json.loads(Path("sum.json").read_text()) == whole
            if stage != "key":  # the formats once
                break


def test_results_with_and_without_groups_are_told_apart(
    here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for kind in ("json", "jsonl", "csv", "parquet"):
        assert here("--text=cat", "--group_by=file", f"--output=grouped.{kind}").code == 0
        assert here("--text=cat", f"--output=plain.{kind}").code == 0
        assert_one_line_error(
            here("--text=cat", f"--merge=grouped.{kind}"), "counted by group", code=2
        )
        assert_one_line_error(
            here("--text=cat", f"--merge=plain.{kind}", "--group_by=file"), "group", code=2
        )


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ('{"g": {"act": 1}}', "of its anagrams are missing"),
        ('{"g": {"act": 1, "cat": 2, "tac": 1}}', "another count"),
        ('{"g": {"xyzzyq": 1}}', "not a word of the dictionary"),
        ('{"g": {}, "h": 1}', "it is not an object of groups"),
        ('{"g": {"act": "1"}}', "is not a count"),
    ],
)
def test_a_grouped_result_is_untrusted(
    content: str, reason: str, here: Here, tmp_path: Path
) -> None:
    (tmp_path / "r.json").write_text(content)
    finished = here("--text=cat", "--group_by=file", f"--merge={tmp_path / 'r.json'}")
    assert_one_line_error(finished, reason, "--merge", code=2)


def test_groups_that_are_not_together_are_refused(here: Here, tmp_path: Path) -> None:
    rows = [f"{group},{word},1" for group in "gg" for word in ("act", "cat", "tac")]
    rows[3:3] = ["h,act,1", "h,cat,1", "h,tac,1"]
    (tmp_path / "r.csv").write_text("\n".join(["group,word,count", *rows]))
    finished = here("--text=cat", "--group_by=file", f"--merge={tmp_path / 'r.csv'}")
    assert_one_line_error(finished, "the group 'g' is there twice", code=2)


def test_the_report_says_what_it_cannot(here: Here, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    assert here("--text=cat act", "--group_by=file", f"--report={path}").code == 0
    report = json.loads(path.read_text())
    assert report["metrics"]["classes"] == 1
    assert report["largest_classes"] is None
    assert report["unknown"]["largest_classes"] == "words are counted by group"
    assert all(invariant["holds"] for invariant in report["invariants"])


def test_built_in_cases_have_no_files(here: Here) -> None:
    finished = here("--test_case=small", "--group_by=file")
    assert_one_line_error(finished, "--test_case=small", "--group_by", code=2)
