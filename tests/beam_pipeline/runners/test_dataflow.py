"""The job that Dataflow would get, built and checked without Google Cloud.

Beam's own client builds it, up to where it would be sent; the client is internal to Beam and may
change with it. That the service accepts the job cannot be shown here.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import apache_beam as beam
import pytest
from apache_beam.version import __version__ as beam_version

from beam_pipeline import __version__
from beam_pipeline.cli.parsing import parse
from beam_pipeline.errors import UsageError
from beam_pipeline.io.sinks import WriteResults
from beam_pipeline.io.sources import ReadFiles
from beam_pipeline.options import AnagramOptions
from beam_pipeline.pipeline import ENGINES, build
from beam_pipeline.runners.dataflow import check_dataflow
from beam_pipeline.runners.prepare import prepare
from beam_pipeline.runners.run import run_to_end
from tests.support.beam import of_newest_beam
from tests.support.cli import environment
from tests.support.dockerfile import Dockerfile
from tests.support.flex_template import LEFT_OUT, metadata
from tests.support.packages import without

RESOURCES = Path(__file__).parents[3] / "resources" / "dataflow"
ARGUMENTS = [
    "--input=gs://my-bucket/books/**",
    "--output=gs://my-bucket/out/counts.json",
    "--runner=DataflowRunner",
    "--project=my-project",
    "--region=europe-west1",
    "--temp_location=gs://my-bucket/temp",
    "--dry_run=True",
    "--no_auth",
]


@pytest.fixture
def apiclient() -> Any:
    """Beam's client of the Dataflow service."""
    pytest.importorskip("google.cloud.dataflow_v1beta3", reason="needs the gcp extra")
    from apache_beam.runners.dataflow.internal import apiclient

    return apiclient


def pipeline_of(options: AnagramOptions) -> beam.Pipeline:
    """Returns the pipeline of a job."""
    pipeline = beam.Pipeline(options=options)
    counted = build(pipeline, ReadFiles(tuple(options.input)), engine=options.engine)
    counted | "WriteResults" >> WriteResults(options.output)
    return pipeline


def submitted(apiclient: Any, engine: str, folder: Path) -> tuple[Any, list[str], Any]:
    """Returns the job's description, the names of its staged files, and the pipeline's graph."""
    options = parse([*ARGUMENTS, f"--engine={engine}"])
    prepare(options, str(folder))
    pipeline = pipeline_of(options)
    result: Any = pipeline.run()
    runner: Any = pipeline.runner
    staged: list[str] = []

    class Client(apiclient.DataflowApplicationClient):  # type: ignore[misc]
        """Beam's client, without the network."""

        def stage_file_with_retry(self, _folder: str, name: str, *_: Any, **__: Any) -> None:
            staged.append(name)

        def submit_job_description(self, job: Any) -> None:
            self.job = job

    client = Client(options)
    client.create_job(result.job)
    return client.job.proto, staged, runner.proto_pipeline


@pytest.mark.parametrize("engine", ENGINES)
def test_the_job_has_all_that_its_workers_need(engine: str, apiclient: Any, tmp_path: Path) -> None:
    job, staged, graph = submitted(apiclient, engine, tmp_path)
    assert job.type_.name == "JOB_TYPE_BATCH"
    (pool,) = job.environment.worker_pools
    packages = {package.name for package in pool.packages}
    assert f"beam_anagrams-{__version__}-py3-none-any.whl" in packages
    for requirement in ("english_words", "numba", "llvmlite"):
        assert [name for name in packages if name.startswith(f"{requirement}-")]
    assert "requirements.txt" in packages
    assert packages <= set(staged)
    assert all(p.location.startswith("storage.googleapis.com/my-bucket/") for p in pool.packages)
    check_graph(graph, engine)


def check_graph(graph: Any, engine: str) -> None:
    """Checks that the graph of a pipeline has all stages, and spreads the reading."""
    named = {transform.unique_name: transform for transform in graph.components.transforms.values()}
    first = "TallyBlocks" if engine == "vectorized" else "ExtractWords"
    each = "" if engine == "vectorized" else "CountEach/"
    counting = (first, f"{each}CountSignatures", f"{each}ExpandSignatures")
    assert {"ReadText", "WriteResults"} <= named.keys()
    assert {f"CountAnagrams/CountWords/{stage}" for stage in counting} <= named.keys()
    # A shuffle stands between listing the shards and reading them.
    (spread,) = named["ReadText/SpreadShards"].outputs.values()
    assert spread in named["ReadText/ReadBlocks"].inputs.values()
    assert spread not in named["ReadText/PlanShards"].outputs.values()


def test_libraries_that_are_missing_are_named_with_their_extra() -> None:
    hidden = without("apitools", "apache_beam.runners.dataflow.internal.apiclient")
    with hidden, pytest.raises(UsageError, match=r"missing.*beam-anagrams\[gcp\]") as raised:
        check_dataflow(parse(ARGUMENTS))
    assert (raised.value.setting, raised.value.value) == ("runner", "DataflowRunner")


@pytest.mark.parametrize("engine", ENGINES)
def test_the_graph_is_the_same_without_the_client(engine: str) -> None:
    pipeline = pipeline_of(parse([*ARGUMENTS, f"--engine={engine}"]))
    check_graph(pipeline.to_runner_api(), engine)


def test_a_template_is_written_down_and_not_waited_for() -> None:
    class NeverRuns:
        """The launcher's pipeline, whose result is not a running job."""

        def run(self) -> Any:
            return object()

    options = parse([*ARGUMENTS, "--template_location=gs://my-bucket/template"])
    run_to_end(cast(beam.Pipeline, NeverRuns()), options)


@of_newest_beam  # others have no streams
def test_parameters_of_the_flex_template_are_the_real_options() -> None:
    listed = json.loads((RESOURCES / "metadata.json").read_text())
    remedy = "python -m tests.support.flex_template > resources/dataflow/metadata.json"
    assert listed == metadata(), remedy
    names = {parameter["name"] for parameter in listed["parameters"]}
    assert {"input", "output", "dictionary", "engine"} <= names
    assert not names & set(LEFT_OUT)
    values = {"input": "gs://b/x", "output": "gs://b/y.json", "encoding": "latin-1"}
    values["dictionary_encoding"] = "latin-1"
    values |= {"merge": "gs://b/old.json", "dead_letters": "gs://b/d.jsonl", "chaos": "take-home"}
    needed = {
        "dead_letters": ["--on_error=dead_letter"],
        "watch": ["--window=60"],
        "window": ["--watch=5"],
        "allowed_lateness": ["--watch=5", "--window=60"],
    }
    values["window"] = "sliding:60:10"
    for parameter in listed["parameters"]:
        if parameter["name"] == "text":
            continue  # instead of the input
        choices = [option["value"] for option in parameter.get("enumOptions", ())]
        value = values.get(parameter["name"], choices[0] if choices else "1")
        name = parameter["name"]
        others = [given for given in ARGUMENTS if not given.startswith(f"--{name}=")]
        parse([*others, *needed.get(name, ()), f"--{name}={value}"])


def test_the_launchers_program_is_the_command_line(tmp_path: Path) -> None:
    finished = subprocess.run(
        [sys.executable, str(RESOURCES / "main.py"), "--txet=cat"],
        cwd=tmp_path,
        env=environment(),
        stderr=subprocess.PIPE,
        text=True,
    )
    assert finished.returncode == 2
    assert "did you mean --text?" in finished.stderr


@of_newest_beam
def test_the_dockerfile_copies_and_runs_what_there_is() -> None:
    dockerfile = Dockerfile(RESOURCES / "Dockerfile")
    dockerfile.check()
    program = dockerfile.variables["FLEX_TEMPLATE_PYTHON_PY_FILE"]
    assert dockerfile.copied["resources/dataflow/main.py"] == program
    assert dockerfile.images[-1] == f"apache/beam_python3.11_sdk:{beam_version}"
    launcher = "/opt/google/dataflow/python_template_launcher"
    assert f"COPY --from=launcher {launcher} {launcher}" in dockerfile.text
