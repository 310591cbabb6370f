"""Nothing is lost, whatever fails and whoever is killed: `tests.support.durability`, few runs."""

import json
import random
from collections.abc import Iterator
from pathlib import Path

import apache_beam as beam
import pytest

from beam_pipeline import ReadFiles, WriteResults, build
from tests.support import durability
from tests.support.cli import Finished, Here, assert_one_line_error
from tests.support.durability import OLD, Proof, write_texts
from transforms.stages.chaos import STAGES

pytestmark = pytest.mark.slow

ENGINES = ("vectorized", "elementwise")
DICTIONARIES = ("gcide", "none")
#: Every attempt at the stage fails, and there are three.
HOPELESS = ("--max_attempts=3", "--chaos={stage}=1,latency=0")


@pytest.fixture
def here(capfdbinary: pytest.CaptureFixture[bytes]) -> Here:
    """Runs the command line in this process."""
    return Here(capfdbinary)


@pytest.mark.parametrize("name", durability.PROOFS)
def test_a_few_runs_of_each_proof(name: str) -> None:
    runs = 1 if name == "worker" else 4
    assert durability.PROOFS[name](runs, random.Random(3))


def test_what_is_split_is_in_the_pipeline() -> None:
    pipeline = beam.Pipeline(runner="FnApiRunner")
    build(pipeline, ReadFiles(("*.txt",))) | "WriteResults" >> WriteResults("result.json")
    names = {one.unique_name for one in pipeline.to_runner_api().components.transforms.values()}
    assert set(durability.SPLIT) <= names


@pytest.fixture(params=[f"{engine} {name}" for engine in ENGINES for name in DICTIONARIES])
def proof(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Proof]:
    """Small texts, counted by either engine, with a dictionary or without."""
    write_texts(tmp_path, 100, files=3)
    engine, dictionary = request.param.split()
    options = (f"--engine={engine}", f"--dictionary={dictionary}")
    yield Proof(tmp_path, (f"--input={tmp_path}/text*", *options))


_CLEAN: dict[tuple[str, ...], bytes] = {}


def clean(proof: Proof) -> bytes:
    """The result when nothing fails; the texts are the same in every test."""
    how = proof.arguments[1:]
    if how not in _CLEAN:
        _CLEAN[how] = proof.result()[0]
    return _CLEAN[how]


def hopeless(stage: str) -> list[str]:
    return [argument.format(stage=stage) for argument in HOPELESS]


def strike(proof: Proof, here: Here, stage: str, *more: str) -> Finished:
    proof.output.write_bytes(OLD)
    return here(*proof.command(*hopeless(stage), *more))


@pytest.mark.parametrize("stage", STAGES)
def test_when_all_attempts_fail_one_line_names_stage_cause_and_attempts(
    stage: str, proof: Proof, here: Here
) -> None:
    finished = strike(proof, here, stage)
    names = (f"stage {stage} failed after 3 attempts", "InjectedError: injected")
    assert_one_line_error(finished, *names, code=1)
    assert proof.output.read_bytes() == OLD
    proof.assert_clean()


@pytest.mark.parametrize("stage", STAGES[:-1])
def test_what_is_to_dead_letters_is_replayed_and_merged_to_the_clean_result(
    stage: str, proof: Proof, here: Here
) -> None:
    expected = clean(proof)
    letters = proof.folder / "dead.jsonl"
    dead_letters = (f"--dead_letters={letters}", "--on_error=dead_letter")
    finished = strike(proof, here, stage, *dead_letters)
    assert finished.code == 0, finished.err
    lines = letters.read_text().splitlines()
    assert f"dead letters: {len(lines)} in" in finished.err
    assert lines
    assert {json.loads(line)["stage"] for line in lines} == {stage}
    assert {json.loads(line)["attempts"] for line in lines} == {3}
    assert proof.output.read_bytes() == b"{}\n"
    replay = ("replay", letters, f"--merge={proof.output}", f"--output={proof.output}")
    engine = proof.arguments[1]
    finished = here(*replay, engine)
    assert finished.code == 0, finished.err
    assert proof.output.read_bytes() == expected
    proof.assert_clean()


def test_when_some_attempts_are_spent_kept_and_replayed_make_the_clean_result(
    proof: Proof, here: Here
) -> None:
    expected = clean(proof)
    letters = proof.folder / "dead.jsonl"
    dead_letters = (f"--dead_letters={letters}", "--on_error=dead_letter", "--max_attempts=2")
    faults = "filter=0.4,words=0.4,anagrams=0.4,permutations=0.4"
    to_dead_letter = 0
    for seed in range(2):
        proof.output.write_bytes(OLD)
        finished = here(*proof.command(*dead_letters, f"--chaos={faults},seed={seed},latency=0"))
        assert finished.code == 0, finished.err
        to_dead_letter += len(letters.read_text().splitlines())
        replay = ("replay", letters, f"--merge={proof.output}", f"--output={proof.output}")
        finished = here(*replay, *proof.arguments[1:2])
        assert finished.code == 0, finished.err
        assert proof.output.read_bytes() == expected
    assert to_dead_letter
