"""What README says of an orchestrator is enough to write one that is right."""

import re
from pathlib import Path

import pytest
from english_words import get_english_words_set

from beam_pipeline.benchmark.compare import oracle
from beam_pipeline.benchmark.compare.orchestrator import Orchestrator
from beam_pipeline.benchmark.compare.texts import FreshTexts, probe
from beam_pipeline.cases import load_cases

README = Path(__file__).parents[2] / "benchmark_orchestrators" / "README.md"


@pytest.fixture(scope="module")
def entry(tmp_path_factory: pytest.TempPathFactory) -> Orchestrator:
    """The example of README in a file of its own."""
    (code,) = re.findall(r'```python\n(""".*?)```', README.read_text("utf-8"), re.DOTALL)
    path = tmp_path_factory.mktemp("mine") / "entry.py"
    path.write_text(code, "utf-8")
    return Orchestrator(path)


@pytest.mark.parametrize("seed", range(5))
def test_its_example_passes_every_probe(entry: Orchestrator, seed: int) -> None:
    text = probe(str(seed))
    assert entry.process_text(text)["anagram_counts"] == oracle.counts(text)


def test_its_example_is_right_about_texts(entry: Orchestrator) -> None:
    assert entry.handling_of_other_types() == ""
    for case in load_cases():
        text = FreshTexts(case.text.encode(), "readme").make(0, "entry").decode()
        for each in (case.text, text):
            assert entry.process_text(each)["anagram_counts"] == oracle.counts(each)


def test_its_figures_are_those_of_the_dictionary(gcide: frozenset[str]) -> None:
    text = README.read_text("utf-8")
    entries = get_english_words_set(["gcide"])
    assert f"{len(entries):,} entries" in " ".join(text.split())
    assert f"{len(gcide):,} words" in text
