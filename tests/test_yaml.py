"""Pipelines in YAML: the example as its README shows it, each step, and mistakes."""

import shutil
import sys
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.pvalue import Row
from apache_beam.testing.util import assert_that, equal_to
from apache_beam.transforms.external import (
    ExpansionAndArtifactRetrievalStub,
    ExternalTransform,
    ImplicitSchemaPayloadBuilder,
)
from apache_beam.transforms.fully_qualified_named_transform import FullyQualifiedNamedTransform
from apache_beam.utils.subprocess_server import SubprocessServer

from beam_pipeline import yaml
from beam_pipeline.pipeline import ENGINES
from tests.support.beam import assert_gives, pipeline
from tests.support.cli import ROOT
from tests.support.python_environment import PythonEnvironment
from tests.support.sessions import sessions
from transforms.expand import AnagramCount, GroupedCount
from transforms.text.blocks import Block

FOLDER = ROOT / "resources" / "yaml"
LINES = [Row(line="The cat sat."), Row(line="tac")]
STEPS = ("ExtractWords", "AddSignature", "CountAnagrams", "TopWords", "WriteResults")
ACT = AnagramCount("act", 2, "act")


@pytest.fixture(scope="module")
def with_yaml(tmp_path_factory: pytest.TempPathFactory) -> PythonEnvironment:
    made = PythonEnvironment(tmp_path_factory.mktemp("yaml"))
    made.install("apache-beam[yaml]")
    shutil.copy(FOLDER / "anagrams.yaml", made.folder)
    return made


@pytest.mark.slow
def test_the_example_runs_as_its_readme_shows(with_yaml: PythonEnvironment) -> None:
    if shutil.which("jq") is None:
        pytest.skip("needs jq")
    (session,) = sessions(FOLDER / "README.md")
    for command, printed in session.steps:
        assert with_yaml.shell(command) == printed, command


@pytest.mark.slow
def test_steps_chain_and_their_settings_are_documented(with_yaml: PythonEnvironment) -> None:
    (with_yaml.folder / "chain.yaml").write_text(
        """
pipeline:
  type: chain
  transforms:
    - type: Create
      config: {elements: [{line: "Cat, act!", id: "a"}, {line: "dog", id: "b"}]}
    - type: ExtractWords
      config: {field: line}
    - type: AddSignature
    - type: Filter
      config: {language: python, keep: "signature == 'act'"}
    - type: CountAnagrams
      config: {field: word, dictionary: [act, tac]}
    - type: TopWords
      config: {number: 1}
    - type: WriteResults
      config: {path: counts.csv}
providers:
  - type: python
    config: {}
    transforms:
"""
        + "".join(
            f"      {step}: beam_pipeline.yaml.{step}\n"
            for step in (
                "ExtractWords",
                "AddSignature",
                "CountAnagrams",
                "TopWords",
                "WriteResults",
            )
        )
    )
    with_yaml.python(
        *("-m", "apache_beam.yaml.main", "--yaml_pipeline_file=chain.yaml"),
        "--runner=FnApiRunner",
    )
    assert (with_yaml.folder / "counts.csv").read_text() == "word,count,signature\nact,2,act\n"
    program = (
        "from apache_beam.yaml.yaml_provider import InlineProvider\n"
        "from beam_pipeline import yaml\n"
        "step = yaml.CountAnagrams\n"
        "assert InlineProvider.description_from_callable(step).startswith('Counts anagrams: ')\n"
        "for field in InlineProvider.config_schema_from_callable(step).fields:\n"
        "    assert field.description, field.name\n"
    )
    with_yaml.python("-c", program)


@pytest.mark.slow
def test_windows_of_a_pipeline_in_yaml_are_counted_by_themselves(
    with_yaml: PythonEnvironment,
) -> None:
    (with_yaml.folder / "windows.yaml").write_text(
        """
pipeline:
  type: chain
  transforms:
    - type: Create
      config:
        elements:
          - {line: "The cat sat.", book: a, second: 5}
          - {line: "tac", book: a, second: 10}
          - {line: "act", book: b, second: 10}
          - {line: "Act, cat!", book: a, second: 70}
    - type: AssignTimestamps
      config: {language: python, timestamp: second}
    - type: CountAnagrams
      windowing: {type: fixed, size: 60s}
      config: {field: line, group: book, dictionary: [act, sat]}
    - type: ExtractWindowingInfo
      config: {fields: [window_start]}
    - type: MapToFields
      config:
        language: python
        append: true
        drop: [window_start, signature]
        fields: {start: {callable: "lambda row: str(row.window_start)", output_type: string}}
    - type: AssertEqual
      config:
        elements:
          - {group: a, word: act, count: 2, start: "Timestamp(0)"}
          - {group: a, word: sat, count: 1, start: "Timestamp(0)"}
          - {group: b, word: act, count: 1, start: "Timestamp(0)"}
          - {group: a, word: act, count: 2, start: "Timestamp(60)"}
providers:
  - type: python
    config: {}
    transforms:
      CountAnagrams: beam_pipeline.yaml.CountAnagrams
"""
    )
    with_yaml.python(
        *("-m", "apache_beam.yaml.main", "--yaml_pipeline_file=windows.yaml"),
        "--runner=FnApiRunner",
    )


@pytest.mark.slow
def test_steps_of_another_environment_pass_on_what_they_read(tmp_path: Path) -> None:
    """As Beam YAML runs the steps of a provider with packages: by an expansion service."""
    (tmp_path / "a.txt").write_bytes(b"cat\n\xff\ntac\n")
    command = [
        *(sys.executable, "-m", "apache_beam.runners.portability.expansion_service_main"),
        *("--port={{PORT}}", "--fully_qualified_name_glob=*", "--serve_loopback_worker"),
    ]
    errors = {"encoding_errors": "quarantine", "error_handling": {"output": "errors"}}
    service = SubprocessServer(ExpansionAndArtifactRetrievalStub, command)

    def step(name: str, **settings: Any) -> Any:
        payload = {"constructor": f"beam_pipeline.yaml.{name}", "kwargs": {**errors, **settings}}
        urn = "beam:transforms:python:fully_qualified_named"
        called = ExternalTransform(urn, ImplicitSchemaPayloadBuilder(payload).payload(), service)
        return name >> called

    with service, pipeline() as p:
        read = p | step("ReadFiles", patterns=[str(tmp_path / "a.txt")])
        counted = read[yaml.RESULTS] | step("CountAnagrams", dictionary=["act"], group="source")
        words = counted[yaml.RESULTS] | beam.Map(lambda row: (row.group, row.word, row.count))
        assert_that(words, equal_to([(str(tmp_path / "a.txt"), "act", 2)]), "CheckCounts")
        offsets = counted["errors"] | beam.Map(lambda row: row.offset)
        assert_that(offsets, equal_to([4]), "CheckErrors")


def test_rows_are_counted() -> None:
    assert_gives(LINES, yaml.CountAnagrams(dictionary=["act"]), [ACT])
    assert_gives([Block.of_text("cat tac")], yaml.CountAnagrams(dictionary=["act"]), [ACT])
    assert_gives(LINES, yaml.ExtractWords(min_length=4), [])
    assert_gives([Row(word="cat")], yaml.AddSignature(), [yaml.SignedWord("cat", "act")])
    rows = [Row(word="act", count=2, signature="act"), Row(word="b", count=1, signature="b")]
    assert_gives(rows, yaml.TopWords(1), [ACT])


@pytest.mark.parametrize("engine", ENGINES)
def test_rows_are_counted_by_group(engine: str, tmp_path: Path) -> None:
    rows = [Row(book="x", line="The cat sat."), Row(book="y", line="tac act")]
    counted = [GroupedCount(group, "act", n, "act") for group, n in (("x", 1), ("y", 2))]
    count = yaml.CountAnagrams("line", "book", ["act"], engine)
    assert_gives(rows, count, counted)
    more = Row(group="x", word="tac", count=1, signature="act")
    assert_gives(
        [Row(**record._asdict()) for record in counted] + [more], yaml.TopWords(1), counted
    )
    with pipeline() as p:
        _ = p | beam.Create([more]) | yaml.WriteResults(str(tmp_path / "counts.csv"))
    assert (tmp_path / "counts.csv").read_text() == "group,word,count,signature\nx,tac,1,act\n"


@pytest.mark.parametrize(
    "name", ["beam_pipeline.CountAnagrams", "beam_pipeline.yaml.CountAnagrams"]
)
def test_other_languages_find_the_transform_by_its_name(name: str) -> None:
    elements = LINES if "yaml" in name else ["The cat sat.", "tac"]
    with FullyQualifiedNamedTransform.with_filter(name):
        counted = FullyQualifiedNamedTransform(name, (), {"dictionary": ["act"]})
        assert_gives(elements, counted, [ACT])


def test_errors_are_a_second_output(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"cat\n\xff\ntac\n")
    with pipeline() as p:
        blocks = p | yaml.ReadFiles(str(tmp_path / "a.txt"))
        outputs = blocks | yaml.CountAnagrams(
            dictionary=["act"],
            encoding_errors="quarantine",
            error_handling={"output": "errors"},
        )
        assert set(outputs) == {yaml.RESULTS, "errors"}
        assert_that(outputs[yaml.RESULTS], equal_to([ACT]), "CheckCounts")
        offsets = outputs["errors"] | beam.Map(lambda row: row.offset)
        assert_that(offsets, equal_to([4]), "CheckErrors")


def test_mistakes_are_errors_when_the_pipeline_is_built() -> None:
    with pytest.raises(ValueError, match=r"error_handling=.*: give output, and nothing else"):
        yaml.CountAnagrams(error_handling={"threshold": "0.1"})
    with pytest.raises(ValueError, match="min_count"):
        yaml.CountAnagrams(min_count=0)
    with (
        pytest.raises(ValueError, match="TopWords: rows must have count, signature"),
        pipeline() as p,
    ):
        p | beam.Create([Row(word="a")]) | yaml.TopWords(1)
