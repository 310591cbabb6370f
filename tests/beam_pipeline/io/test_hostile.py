"""Whatever is in dead letters, in results to merge and in dictionaries: counts are right, or the
run ends with one line; nothing else is written, and nothing is run."""

import copy
import csv
import io
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from beam_pipeline.cli.parsing import parse
from beam_pipeline.cli.replay import replay_arguments
from beam_pipeline.errors import PreviousResultError, UsageError
from beam_pipeline.io.previous_results import read_result
from beam_pipeline.options import SETTINGS_OF_DEAD_LETTERS
from tests.support import reference
from tests.support.cli import Here
from tests.support.examples import at_most
from tests.support.strategies import texts
from transforms.dictionary import DictionarySpec
from transforms.errors import DictionaryError
from transforms.stages.retry import Resilience, Retrier

MEMBERS = ("act", "cat", "tac", "dog", "é")
ONCE_A_FOLDER = HealthCheck.function_scoped_fixture

junk_words = st.one_of(
    st.sampled_from([*MEMBERS, "CAT", "=cmd|calc!A0", 'a": 1, "b', "act,1", "", " ", "e\u0301"]),
    texts(3),
)
numbers = st.sampled_from([1, 2, 3, 0, -1, 1 << 60, (1 << 61) - 1, 1 << 61, 1 << 63, 10**30])
junk = st.recursive(
    st.one_of(
        st.none(), st.booleans(), numbers, st.floats(allow_nan=True), junk_words, st.just("\ud800")
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(texts(2), inner, max_size=2)
    ),
    max_leaves=4,
)
whole_classes = st.fixed_dictionaries(
    {}, optional={("act", "cat", "tac"): numbers, ("dog",): numbers, ("é",): numbers}
).map(lambda classes: [(word, n) for words, n in classes.items() for word in words])
results = st.one_of(
    whole_classes,
    st.lists(st.tuples(junk_words, numbers), max_size=4),
    st.lists(st.tuples(junk_words, junk), max_size=2),
)


def serialized(pairs: list[tuple[Any, Any]], name: str) -> bytes:
    """A result file that may have a word twice, or what is no count."""
    if name.endswith(".csv"):
        file = io.StringIO(newline="")
        csv.writer(file).writerows([("word", "count"), *pairs])
        text = file.getvalue()
    elif name.endswith(".jsonl"):
        text = "".join(json.dumps({"word": word, "count": n}) + "\r\n" for word, n in pairs)
    else:
        text = f"{{{','.join(f'{json.dumps(word)}: {json.dumps(n)}' for word, n in pairs)}}}"
    return text.encode("utf-8", "surrogatepass")


def is_word(text: str) -> bool:
    """Whether it may come of a text: normalized again, it is one word with the same letters."""
    found = reference.words(text)
    return len(found) == 1 and sorted(found[0]) == sorted(text)


def is_result(pairs: list[tuple[Any, Any]], members: tuple[str, ...] | None) -> bool:
    """Whether it may be added to: in the simplest words."""
    counts = dict(pairs)
    if len(counts) < len(pairs):
        return False
    per_class: dict[str, set[int]] = {}
    for word, n in pairs:
        if type(n) is not int or not 1 <= n < 1 << 61:
            return False
        if members is None and not is_word(word):
            return False
        if members is not None and word not in members:
            return False
        per_class.setdefault("".join(sorted(word)), set()).add(n)
    if any(len(found) > 1 for found in per_class.values()):
        return False
    if members is not None and any(
        member not in counts for member in members if "".join(sorted(member)) in per_class
    ):
        return False
    return sum(n for (n,) in per_class.values()) < 1 << 61


@pytest.mark.parametrize("name", ["r.json", "r.jsonl", "r.csv"])
@pytest.mark.parametrize("dictionary", [MEMBERS, None], ids=["dictionary", "corpus"])
@settings(suppress_health_check=[ONCE_A_FOLDER])
@given(pairs=results)
def test_a_result_is_accepted_exactly_if_it_is_whole_and_of_the_dictionary(
    name: str, dictionary: tuple[str, ...] | None, pairs: list[tuple[Any, Any]], tmp_path: Path
) -> None:
    if name == "r.csv":
        pairs = [(word, n) for word, n in pairs if type(n) is int]  # where all values are strings
    (tmp_path / name).write_bytes(serialized(pairs, name))
    spec = DictionarySpec("none") if dictionary is None else DictionarySpec.of(dictionary)
    try:
        read = read_result(str(tmp_path / name), spec, Retrier("read", Resilience()))
    except PreviousResultError as error:
        assert str(error).startswith(f"{tmp_path / name}: ")
        assert len(str(error).splitlines()) == 1
        assert not is_result(pairs, dictionary)
    else:
        assert {word: one.count for _, one in read for word in one.words} == dict(pairs)
        assert is_result(pairs, dictionary)


@settings(suppress_health_check=[ONCE_A_FOLDER])
@given(
    text=st.one_of(texts(), st.text("q\u0301\ufc5e\ufe70\u0323 ", max_size=8)).map(
        # Normalization makes a space and an iota of it, and so composes less than it could.
        lambda text: text.replace("\u037a", "")
    )
)
def test_a_result_of_any_text_is_accepted(text: str, tmp_path: Path) -> None:
    pairs = [(word, 1) for word in sorted(set(reference.words(text)))]
    (tmp_path / "r.json").write_bytes(serialized(pairs, "r.json"))
    spec, retrier = DictionarySpec("none"), Retrier("read", Resilience())
    found = read_result(str(tmp_path / "r.json"), spec, retrier)
    assert sorted(word for _, one in found for word in one.words) == [word for word, _ in pairs]


@settings(suppress_health_check=[ONCE_A_FOLDER])
@given(data=st.one_of(st.binary(max_size=60), texts(30).map(str.encode)))
def test_any_bytes_are_a_dictionary_or_one_error(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_bytes(data)
    try:
        found = DictionarySpec(str(path)).load().classes
    except DictionaryError as error:
        assert str(error).startswith(f"{path}: ")
        assert len(str(error).splitlines()) == 1
    else:
        assert all(reference.words(word) == [word] for words in found.values() for word in words)


LETTER = {
    "stage": "filter",
    "cause": "x",
    "attempts": 1,
    "source": "a.txt",
    "offset": 0,
    "kind": "block",
    "encoding": "utf-8",
    "invalid_bytes": 0,
    "text": "cat",
    "end": None,
    "starts_at_cut": True,
    "partial_word": None,
    "signature": "act",
    "count": 2,
    "words": ["cat"],
    "settings": {"dictionary": ["none"], "normalization": "unicode", "min_count": 1},
}
RECORDED = parse(["--text=x"])
DEFAULTS = {name: getattr(RECORDED, name) for name in SETTINGS_OF_DEAD_LETTERS}
options_of_others = st.sampled_from(
    ["report", "output", "runner", "merge", "prism_location", "setup_file", "save_main_session", ""]
)
hostile_settings = st.one_of(
    st.dictionaries(st.sampled_from(SETTINGS_OF_DEAD_LETTERS), junk, max_size=2),
    st.dictionaries(options_of_others, st.one_of(junk, st.just("w.html")), max_size=1),
    junk,
)


@st.composite
def hostile_letters(draw: st.DrawFn) -> list[dict[str, Any]]:
    letters = []
    for _ in range(draw(st.integers(1, 2))):
        letter = copy.deepcopy(LETTER)
        letter["kind"] = draw(st.sampled_from(["block", "file", "class", "nonsense"]))
        for field in draw(st.sets(st.sampled_from(sorted(LETTER)), max_size=2)):
            letter[field] = draw(hostile_settings if field == "settings" else junk)
        letters.append(letter)
    return letters


def allowed(name: str, value: Any) -> bool:
    """Whether a run may have written this value of a setting."""
    default = DEFAULTS[name]
    if value is None:
        return default is None or name == "dictionary"
    match name:
        case "normalization":
            return value in ("unicode", "ascii")
        case "encoding_errors":
            return value in ("replace", "strict", "quarantine")
        case "min_word_length" | "min_class_size" | "min_count" | "top":
            return type(value) is int and value >= 1
        case "dictionary":
            values = value if isinstance(value, list) else [value]
            return bool(values) and all(type(one) is str and "\0" not in one for one in values)
        case _:
            return type(value) is str


@settings(suppress_health_check=[ONCE_A_FOLDER])
@given(found=hostile_settings)
def test_only_what_a_run_may_have_recorded_becomes_an_argument(found: Any, tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    path.write_text(json.dumps(LETTER | {"settings": found}))
    try:
        arguments = replay_arguments([str(path), "--encoding_errors=replace"])
    except UsageError as error:
        assert str(error).startswith(f"replay: {path}: ")
        return
    assert arguments[0] == f"--replay={path}"
    for argument in arguments[1:]:
        assert argument.startswith(tuple(f"--{name}=" for name in SETTINGS_OF_DEAD_LETTERS))
    assert all(allowed(name, value) for name, value in found.items())


@pytest.fixture
def here(
    capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Here]:
    """Runs the command line in this process, in a folder of its own with a text."""
    monkeypatch.chdir(tmp_path)
    Path("a.txt").write_text("act dog")
    yield Here(capfdbinary)


def snapshot() -> dict[str, bytes]:
    return {name: Path(name).read_bytes() for name in os.listdir() if name != "d.jsonl"}


@pytest.mark.slow
@settings(suppress_health_check=[ONCE_A_FOLDER], max_examples=at_most(60))
@given(letters=hostile_letters())
def test_a_replay_of_anything_counts_or_ends_with_one_line(
    letters: list[dict[str, Any]], here: Here
) -> None:
    Path("d.jsonl").write_text("".join(json.dumps(letter) + "\n" for letter in letters))
    before = snapshot()
    finished = here("replay", "d.jsonl", "--max_attempts=1")
    assert snapshot() == before
    if finished.code == 0:
        assert all(map(is_word, json.loads(finished.out)))
        return
    assert finished.code in (1, 2)
    assert finished.out == b""
    (line,) = finished.err.splitlines()
    assert line.startswith("error: ")
