"""The oracle counts what the tests' own reference counts, and shares no code with the engines."""

import ast
from pathlib import Path

from hypothesis import given

from beam_pipeline.benchmark.compare import oracle
from beam_pipeline.cases import load_cases
from tests.support import reference, strategies

GCIDE = sorted(reference.dictionary_words("gcide"))


def test_it_knows_the_words_of_the_dictionary(gcide: frozenset[str]) -> None:
    assert oracle.words() == gcide


@given(strategies.texts())
def test_any_text_is_counted_as_the_reference_does(text: str) -> None:
    assert oracle.counts(text) == reference.counts(text, reference.dictionary_words("gcide"))


@given(strategies.sentences(GCIDE[::997]))
def test_sentences_are_counted_as_the_reference_does(text: str) -> None:
    assert oracle.counts(text) == reference.counts(text, reference.dictionary_words("gcide"))
    assert oracle.tally(text).words == len(reference.words(text))


def test_bytes_of_any_size_are_counted_as_their_text() -> None:
    text = "".join(f"Naïve {number}\u2003cats-\n" for number in range(200_000))
    assert oracle.counts(text.encode()) == oracle.counts(text)
    assert oracle.tally(text.encode()).words == 600_000


def test_the_cases_have_the_counts_they_expect() -> None:
    for case in load_cases():
        assert oracle.counts(case.text) == case.expected


def test_it_imports_nothing_of_what_it_judges() -> None:
    source = Path(oracle.__file__).read_text("utf-8")
    imported = {
        getattr(node, "module", None) or node.names[0].name
        for node in ast.walk(ast.parse(source))
        if isinstance(node, (ast.Import, ast.ImportFrom))
    }
    assert "english_words" in imported
    assert not [name for name in imported if name.startswith(("beam_pipeline", "transforms"))]
