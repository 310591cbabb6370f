"""Fresh texts are new, of the model's size and character, and hard where words are hard."""

import itertools
import re
import unicodedata
from collections import Counter
from collections.abc import Callable
from typing import Literal

import pytest

from beam_pipeline.benchmark.compare import oracle
from beam_pipeline.benchmark.compare.texts import FreshTexts, probe
from beam_pipeline.cases import CASE_NAMES, load_cases


class Fresh:
    """`FreshTexts` as text."""

    def __init__(self, model: str, seed: str, reader: str = "reader"):
        self._fresh = FreshTexts(model.encode(), seed)
        self._numbers = itertools.count()
        self._reader = reader

    def make(self) -> str:
        return self._fresh.make(next(self._numbers), self._reader).decode()


@pytest.mark.parametrize("name", CASE_NAMES)
def test_a_fresh_text_is_as_long_as_its_model_and_looks_like_it(name: str) -> None:
    (case,) = load_cases(name)
    for text in (Fresh(case.text, "a").make(), Fresh(case.text, "b").make()):
        assert len(text) == len(case.text)
        assert text != case.text
        words, model = oracle.tally(text).words, oracle.tally(case.text).words
        assert 0.8 * model <= words <= 1.25 * model
        assert bool(re.search("[.,;]", text)) == bool(re.search("[.,;]", case.text))


def test_each_text_has_other_counts() -> None:
    """A result kept from one text is wrong for the next, whatever it was kept by."""
    (case,) = load_cases("medium")
    fresh = Fresh(case.text, "a")
    results = [tuple(oracle.counts(fresh.make()).items()) for _ in range(20)]
    assert len(set(results)) == 20
    totals = [sum(count for _, count in result) for result in results]
    assert len(set(totals)) > 10


def test_most_words_of_a_fresh_text_are_not_the_models() -> None:
    (case,) = load_cases("large")
    text = Fresh(case.text, "a").make()
    counted = oracle.counts(text)
    assert len(counted.keys() - case.expected.keys()) > 0.6 * len(counted)


def test_fresh_texts_repeat_words_and_have_anagrams_and_words_of_no_dictionary() -> None:
    (case,) = load_cases("large")
    text = Fresh(case.text, "a").make()
    counted = oracle.counts(text)
    assert max(counted.values()) > 5
    tokens = set(re.findall("[a-z]+", text.lower()))
    assert any(token not in oracle.words() and oracle.counts(token) for token in tokens)
    assert any(not oracle.counts(token) for token in tokens)


def test_equal_seeds_give_equal_texts() -> None:
    (case,) = load_cases("medium")
    first, second = Fresh(case.text, "x"), Fresh(case.text, "x")
    assert [first.make(), first.make()] == [second.make(), second.make()]
    assert Fresh(case.text, "y").make() != Fresh(case.text, "x").make()


def test_a_large_model_keeps_its_words_but_not_its_order() -> None:
    model = "".join(f"Naïve line {number}, with a cat and a hat.\n" for number in range(40_000))
    text = Fresh(model, "a").make()
    assert len(model.encode()) - 3 <= len(text.encode()) <= len(model.encode())
    assert text[:1000] != model[:1000]
    changed, before = oracle.counts(text), oracle.counts(model)
    assert 0.9 < changed["cat"] / before["cat"] < 1
    assert changed.keys() > before.keys()


def shape(text: str) -> str:
    """A text whose letters are all the same."""
    return re.sub("[a-z]", "x", text)


@pytest.mark.parametrize("name", CASE_NAMES)
def test_the_texts_of_a_round_are_equal_work(name: str) -> None:
    """The same lines, words of the same lengths in the same places; only their letters differ."""
    (case,) = load_cases(name)
    texts = [Fresh(case.text, "a", reader).make() for reader in ("x", "y", "z")]
    assert len(set(texts)) == 3
    assert len(set(map(shape, map(str.lower, texts)))) == 1
    assert len({oracle.tally(text).words for text in texts}) == 1


def test_large_texts_of_a_round_are_of_the_same_size_and_character() -> None:
    """In a large text most words stay, so other lines must make it another text."""
    model = "".join(f"Line {number % 977} with a cat, a hat.\n" for number in range(40_000))
    texts = [Fresh(model, "a", reader).make() for reader in ("x", "y", "z")]
    assert len({len(text) for text in texts}) == 1
    assert len({shape(text[:5000]) for text in texts}) == 3
    tallies = [oracle.tally(text) for text in texts]
    assert len({tuple(tally.counts.items()) for tally in tallies}) == 3
    for figure in ([tally.words for tally in tallies], [tally.counts["cat"] for tally in tallies]):
        assert max(figure) / min(figure) < 1.01


def test_no_model_no_text() -> None:
    assert Fresh("", "a").make() == ""


def test_a_probe_has_what_normalization_is_about() -> None:
    text = probe("a")
    assert text != unicodedata.normalize("NFC", text)
    assert text != unicodedata.normalize("NFKC", text)
    for char in ("–", "—", "\x1f", "\u0085", "İ", "ß", "’", "_", "\ufeff", "\u00b4"):
        assert char in text
    counts = oracle.counts(text)
    assert max(counts.values()) > 2
    assert probe("a") == text != probe("b")


@pytest.mark.slow
def test_the_words_of_a_probe_are_short_enough_to_be_permuted() -> None:
    for seed in range(15):
        words = oracle._between_separators().findall(probe(str(seed)))
        assert max(len(oracle.word_of(piece)) for piece in words) <= 9


CARELESS: dict[str, Callable[[str], list[str]]] = {
    "word characters": lambda text: re.findall(r"\w+", text.lower()),
    "white space": lambda text: text.lower().split(),
    "ASCII": lambda text: re.sub("[^a-z0-9\\s-]", "", text.lower()).replace("-", " ").split(),
    "marks dropped": lambda text: _kept("NFKD", text.casefold(), "L"),
    "no folding": lambda text: _kept("NFC", text.lower(), "LMN"),
    "folding first": lambda text: _kept(
        "NFC", unicodedata.normalize("NFKC", text).casefold(), "LMN"
    ),
}


def _kept(form: Literal["NFC", "NFKD"], text: str, categories: str) -> list[str]:
    spaced = re.sub("[-‐–—]", " ", unicodedata.normalize(form, text))
    return "".join(
        char for char in spaced if char.isspace() or unicodedata.category(char)[0] in categories
    ).split()


@pytest.mark.parametrize("name", CARELESS)
@pytest.mark.parametrize("seed", ["a", "b", "c"])
def test_a_probe_tells_careless_normalization(name: str, seed: str) -> None:
    text = probe(seed)
    occurrences = Counter("".join(sorted(word)) for word in CARELESS[name](text))
    counted = {
        member: count
        for letters, count in occurrences.items()
        for member in oracle._classes().get(letters, ())
    }
    assert counted != oracle.counts(text)
