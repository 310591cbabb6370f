"""A runner's missing program or wrong option is one line of error, before anything is submitted."""

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import FlinkRunnerOptions

from beam_pipeline.cli.parsing import parse
from beam_pipeline.errors import UsageError
from beam_pipeline.options import AnagramOptions
from beam_pipeline.runners import beam_internals
from beam_pipeline.runners.environments import not_grpc
from beam_pipeline.runners.prepare import prepare
from tests.support.cli import Here, assert_one_line_error
from tests.support.worker_pool import free_port, silent_pool

WRONG_USAGE = 2
FLINK_SERVER = f"beam-runners-flink-{FlinkRunnerOptions.PUBLISHED_FLINK_VERSIONS[-1]}-job-server"
OUTPUT = "--output=out.json"
CLUSTER = ("--runner=FlinkRunner", "--flink_master=flink:8081", OUTPUT)
DATAFLOW = (
    "--runner=DataflowRunner",
    "--project=p",
    "--region=r",
    "--temp_location=gs://bucket/temp",
    "--output=gs://bucket/out.json",
)


@pytest.fixture
def here(
    capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Here:
    """Runs the command line in this process, on a machine that has no program of any runner."""
    empty = str(tmp_path / "empty")
    for name in ("HOME", "GOBIN", "GOPATH", "PATH"):
        monkeypatch.setenv(name, empty)
    for cache in ("prism_cache", "jar_cache"):
        monkeypatch.setattr(beam_internals, cache, lambda: Path(empty))
    monkeypatch.chdir(tmp_path)
    return Here(capfdbinary)


@pytest.fixture
def prism(tmp_path: Path) -> str:
    """A program that passes for prism until it is started."""
    path = tmp_path / "prism"
    path.write_text("#!/bin/sh\necho -job_port >&2\n")
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def jar(tmp_path: Path) -> str:
    """A file that passes for a job server until it is started."""
    path = tmp_path / "server.jar"
    path.touch()
    return str(path)


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["--runner=Prism"], ["PrismRunner", "go install", "cmd/prism@v2.", "Go is not"]),
        (["--runner=PrismRunner", "--prism_location=no"], ["--prism_location=no", "go install"]),
        (
            ["--runner=PrismRunner", "--prism_location=/bin/sh"],
            ["--prism_location=/bin/sh", "is not", "go install"],
        ),
        (
            ["--runner=FlinkRunner", OUTPUT],
            ["flink_job_server_jar", "mvn dependency:get", f"{FLINK_SERVER}:2."],
        ),
        (
            ["--runner=FlinkRunner", "--flink_version=1.20", OUTPUT],
            ["beam-runners-flink-1.20-job-server"],
        ),
        (
            ["--runner=FlinkRunner", "--flink_job_server_jar=no.jar", OUTPUT],
            ["--flink_job_server_jar=no.jar", "no such file", "mvn dependency:get"],
        ),
        (
            ["--runner=FlinkRunner", "--flink_job_server_jar=server.jar", OUTPUT],
            ["FlinkRunner", "Java 17", "apt-get install"],
        ),
        (
            ["--runner=SparkRunner", OUTPUT],
            ["spark_job_server_jar", "mvn dependency:get", "beam-runners-spark-3-job-server:2."],
        ),
        (["--runner=PortableRunner", OUTPUT], ["PortableRunner", "--job_endpoint", "HOST:PORT"]),
        ([*CLUSTER, "--job_endpoint=h:1"], ["--environment_type", "Docker", "EXTERNAL"]),
        (
            [*CLUSTER, "--job_endpoint=h:1", "--environment_type=EXTERNAL"],
            ["--environment_config", "HOST:PORT"],
        ),
        (
            [*CLUSTER, "--job_endpoint=h:1", "--environment_type=PROCESS"],
            ["--environment_config", "command", "python/container@v2."],
        ),
        (
            ["--runner=PrismRunner", "--prism_location=prism", "--environment_type=PROCESS"],
            ["--environment_type=PROCESS", "EXTERNAL"],
        ),
        (
            [*CLUSTER, "--job_endpoint=h:1", "--environment_type=DOCKER", "--input=-"],
            ["--input=-", "FlinkRunner", "standard input"],
        ),
        (["--runner=FlinkRunner", "--flink_mater=[local]", OUTPUT], ["flink_mater", "_master"]),
        (["--runner=FlinkRunner", "--paralelism=2", OUTPUT], ["--paralelism", "--parallelism"]),
        (
            ["--runner=FlinkRunner", "--number_of_execution_retry=3", OUTPUT],
            ["--number_of_execution_retry", "--number_of_execution_retries"],
        ),
        (
            ["--runner=FlinkRunner", "--execution_retry_delay=long", OUTPUT],
            ["--execution_retry_delay", "long"],
        ),
        (["--runner=SparkRunner", "--spark_master=local", OUTPUT], ["--spark_master_url"]),
    ],
    ids=lambda value: " ".join(value),
)
@pytest.mark.usefixtures("jar", "prism")
def test_what_is_missing_is_one_line_that_says_how_to_get_it(
    arguments: list[str], names: list[str], here: Here
) -> None:
    text = [] if "--input=-" in arguments else ["--text=cat"]
    assert_one_line_error(here(*text, *arguments), *names, code=WRONG_USAGE)


@pytest.mark.parametrize(
    ("changed", "names"),
    [
        ("--project=", ["--project", "DataflowRunner"]),
        ("--region=", ["--region"]),
        ("--temp_location=", ["--temp_location", "gs://"]),
        ("--temp_location=/tmp/x", ["--temp_location=/tmp/x", "gs://"]),
        ("--temp_location=gs://B", ["--temp_location=gs://B", "gs://BUCKET/NAME"]),
        ("--staging_location=gs://-/x", ["--staging_location=gs://-/x"]),
        ("--output=here.json", ["--output=here.json", "no file of this machine"]),
        ("--dictionary=words.txt", ["--dictionary=words.txt", "no file of this machine"]),
    ],
)
def test_dataflow_options_are_checked_before_submission(
    changed: str, names: list[str], here: Here
) -> None:
    pytest.importorskip("google.cloud.dataflow_v1beta3", reason="needs the gcp extra")
    option = changed.partition("=")[0] + "="
    others = [argument for argument in DATAFLOW if not argument.startswith(option)]
    assert_one_line_error(here("--text=cat", *others, changed), *names, code=WRONG_USAGE)


def test_dataflow_reads_no_local_input(here: Here, tmp_path: Path) -> None:
    pytest.importorskip("google.cloud.dataflow_v1beta3", reason="needs the gcp extra")
    (tmp_path / "a.txt").write_text("cat")
    assert_one_line_error(
        here("--input=a.txt", *DATAFLOW), "--input=a.txt", "gs://", code=WRONG_USAGE
    )


@pytest.fixture
def listening() -> Iterator[int]:
    """A port of this machine that answers."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


def test_a_pool_that_does_not_answer_is_found_before_submission(
    prism: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, listening: int
) -> None:
    monkeypatch.setattr("beam_pipeline.runners.prepare.stage", lambda options, folder: None)
    assert not_grpc(f"localhost:{listening}", patience=0.5) == "another program listens there"
    common = ["--text=cat", "--runner=PrismRunner", f"--prism_location={prism}"]
    common += ["--environment_type=EXTERNAL"]
    port = free_port()
    with pytest.raises(UsageError, match="no worker pool answers") as raised:
        prepare(parse([*common, f"--environment_config=localhost:{port}"]), str(tmp_path))
    error = raised.value
    assert (error.setting, error.value) == ("environment_config", f"localhost:{port}")
    assert f"--port={port}" in str(error)
    with silent_pool() as port:
        prepare(parse([*common, f"--environment_config=localhost:{port}"]), str(tmp_path))


@pytest.mark.parametrize(
    "master",
    [
        "--runner=PortableRunner --job_endpoint=localhost:{}",
        "--runner=FlinkRunner --flink_job_server_jar={jar} --flink_master=localhost:{}",
        "--runner=FlinkRunner --flink_job_server_jar={jar} --flink_master=http://[::1]:{}",
        "--runner=SparkRunner --spark_job_server_jar={jar} --spark_master_url=spark://localhost:{}",
    ],
)
def test_a_master_that_does_not_answer_is_found_before_submission(
    master: str, jar: str, here: Here
) -> None:
    options = master.format(free_port(), jar=jar).split()
    pool = ("--environment_type=EXTERNAL", "--environment_config=elsewhere:1")
    java = "--job_server_java_launcher=/bin/sh"  # passes for Java until it is started
    finished = here("--text=cat", OUTPUT, *options, *pool, java)
    assert_one_line_error(finished, options[-1], "nobody answers", code=WRONG_USAGE)


def test_a_jar_in_mavens_cache_is_used(
    here: Here, tmp_path: Path, jar: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from apache_beam.version import __version__ as version

    monkeypatch.setenv("PATH", os.defpath)
    name = FLINK_SERVER
    folder = tmp_path / "empty/.m2/repository/org/apache/beam" / name / version
    folder.mkdir(parents=True)
    fetched = Path(jar).rename(folder / f"{name}-{version}.jar")
    options = parse(["--text=cat", "--runner=FlinkRunner", "--flink_master=[local]", OUTPUT])
    monkeypatch.setattr("shutil.which", lambda program: program)
    prepare(options, str(tmp_path))
    assert options.view_as(FlinkRunnerOptions).flink_job_server_jar == str(fetched)


def test_paths_are_absolute_where_workers_run_in_other_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, listening: int
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("beam_pipeline.runners.prepare.stage", lambda options, folder: None)
    Path("words.txt").write_text("cat")
    paths = ["--text=cat", "--output=out.json", "--dictionary=words.txt", "--dictionary=web2"]
    process = json.dumps({"command": "/boot"})
    remote = ["--runner=PortableRunner", f"--job_endpoint=localhost:{listening}"]
    remote += ["--environment_type=PROCESS"]
    options = parse([*paths, *remote, f"--environment_config={process}"])
    prepare(options, str(tmp_path))
    assert options.output == str(tmp_path / "out.json")
    assert options.dictionary == [str(tmp_path / "words.txt"), "web2"]
    local = parse(paths)
    prepare(local, str(tmp_path))
    assert (local.output, local.dictionary) == ("out.json", ["words.txt", "web2"])


def test_names_that_are_not_utf8_are_refused_for_runners_that_are_sent_them(
    tmp_path: Path, here: Here
) -> None:
    name = os.fsdecode(bytes(tmp_path / "caf") + b"\xe9.txt")
    Path(name).write_text("cat")
    finished = here("--input", name, "--runner=PrismRunner")
    assert_one_line_error(finished, "--input=", "caf\\udce9.txt: is not UTF-8", code=2)


@pytest.mark.parametrize("old", [False, True], ids=["nothing there", "an old result there"])
def test_a_result_that_is_not_here_is_no_success(
    old: bool, tmp_path: Path, here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Workers on another machine may have written the result to a folder of that name there."""
    output = tmp_path / "out.json"
    if old:
        output.write_text("old")

    def elsewhere(pipeline: beam.Pipeline, options: AnagramOptions, notify: object) -> None:
        """Stands for a job that has succeeded and written nothing on this machine."""

    monkeypatch.setattr("beam_pipeline.job.run_to_end", elsewhere)
    finished = here("--text=cat", f"--output={output}")
    assert_one_line_error(finished, f"--output={output}", "another machine", code=1)
    assert output.exists() == old
