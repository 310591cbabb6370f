"""What a runner needs before a job can be submitted to it: its pieces, and fit options.

A runner tells of a missing piece by a stack trace, often minutes later. Here each is looked for
first, and its absence is one line that says how to get it.
"""

import logging
import os
import shutil
import subprocess
import uuid
import zipfile
from pathlib import Path
from typing import Any

from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import (
    FlinkRunnerOptions,
    GoogleCloudOptions,
    JobServerOptions,
    PipelineOptions,
    PortableOptions,
    PrismRunnerOptions,
    SparkRunnerOptions,
    StandardOptions,
)
from apache_beam.runners.portability.prism_runner import PrismJobServer
from apache_beam.utils.subprocess_server import JavaJarServer
from apache_beam.version import __version__ as beam_version

from beam_pipeline.cli.parsing import is_local
from beam_pipeline.errors import UsageError
from beam_pipeline.io.inputs import STDIN
from beam_pipeline.options import AnagramOptions
from beam_pipeline.runners.dataflow import check_dataflow
from beam_pipeline.runners.environments import check_environment, host_and_port, unreachable
from beam_pipeline.runners.staging import stage
from transforms.dictionary import NO_DICTIONARY, WORD_LISTS

_PRISM = f"github.com/apache/beam/sdks/v2/go/cmd/prism@v{beam_version}"


def prepare(options: AnagramOptions, folder: str) -> None:
    """Checks that the runner's pieces are here and makes `options` fit for it.

    On a remote runner local paths become absolute, and this package is staged for its workers
    (see `beam_pipeline.runners.staging`); `folder` holds what is staged while the job runs.

    Raises:
      UsageError: naming the option, or the missing piece and how to get it.
      AnagramError: this package cannot be staged.
    """
    runner = _runner(options)
    if runner == "DataflowRunner":
        check_dataflow(options)
    elif runner == "PrismRunner":
        _find_prism(options.view_as(PrismRunnerOptions))
        # Beam lets prism's log through whatever level is set.
        logging.getLogger(PrismJobServer.__name__).disabled = not options.verbose
    elif runner in ("FlinkRunner", "SparkRunner"):
        _check_job_server(options, runner)
        names = options.view_as(GoogleCloudOptions)
        names.job_name = names.job_name or f"anagrams-{uuid.uuid4().hex[:12]}"
    elif runner == "PortableRunner" and not options.view_as(PortableOptions).job_endpoint:
        raise UsageError("--runner=PortableRunner: give its job server, --job_endpoint=HOST:PORT")
    if runner in ("PrismRunner", "FlinkRunner", "SparkRunner", "PortableRunner"):
        check_environment(options, runner, here=_master_is_here(options))
    if not is_local(runner) and STDIN in (options.input or ()):
        raise UsageError(f"--input=-: the workers of {runner} cannot read standard input")
    _check_master(options, runner)
    if not _workers_are_here(options):
        _use_absolute_paths(options)
        stage(options, folder)


def _runner(options: PipelineOptions) -> str:
    return str(options.view_as(StandardOptions).runner).rsplit(".", maxsplit=1)[-1]


def _master_is_here(options: PipelineOptions) -> bool:
    """Whether the runner's own processes are started by and on this machine."""
    runner = _runner(options)
    if options.view_as(PortableOptions).job_endpoint:
        return False
    if runner == "FlinkRunner":
        return options.view_as(FlinkRunnerOptions).flink_master in ("[local]", "[auto]")
    if runner == "SparkRunner":
        return str(options.view_as(SparkRunnerOptions).spark_master_url).startswith("local")
    return is_local(runner)


def _check_master(options: PipelineOptions, runner: str) -> None:
    """The one that the job is sent to answers; runners would try it for a minute or more."""
    endpoint = options.view_as(PortableOptions).job_endpoint
    if endpoint:
        option, master = "job_endpoint", str(endpoint)
    elif runner == "FlinkRunner":
        option, master = "flink_master", options.view_as(FlinkRunnerOptions).flink_master
    elif runner == "SparkRunner":
        option, master = "spark_master_url", options.view_as(SparkRunnerOptions).spark_master_url
    else:
        return
    where = host_and_port(master)
    if where and (fault := unreachable(where)):
        raise UsageError(f"--{option}={master}: nobody answers there ({fault})")


def _workers_are_here(options: PipelineOptions) -> bool:
    """Whether the code runs in this process or in copies of it, and so needs no staging."""
    kind = options.view_as(PortableOptions).environment_type
    if _runner(options) in ("FnApiRunner", "BundleBasedDirectRunner"):
        return True
    return kind == "LOOPBACK" or (kind is None and _master_is_here(options))


def _use_absolute_paths(options: AnagramOptions) -> None:
    """A worker's current folder is another one."""
    for name in ("output", "dead_letters", "merge", "replay"):
        path = getattr(options, name)
        if path and FileSystems.get_scheme(path) is None:
            setattr(options, name, os.path.abspath(path))
    spec = options.dictionary
    if spec not in (*WORD_LISTS, NO_DICTIONARY) and os.path.exists(spec):
        options.dictionary = os.path.abspath(spec)


def _find_prism(options: PrismRunnerOptions) -> None:
    """Fills in ``--prism_location`` where it is known; Beam would download a release."""
    given = options.prism_location
    how = f"get it with `go install {_PRISM}`"
    if given:
        if "://" in given:
            return
        if not os.path.isfile(given):
            raise UsageError(f"--prism_location={given}: no such file; {how}")
        options.prism_location = os.path.abspath(given)  # a bare name would be looked up in PATH
        if not zipfile.is_zipfile(given) and not _is_prism(options.prism_location):
            raise UsageError(f"--prism_location={given}: is not Beam's prism; {how}")
        return
    go_path = os.environ.get("GOPATH", "").split(os.pathsep)[0] or "~/go"
    candidates = (
        Path(os.environ.get("GOBIN") or f"{go_path}/bin", "prism").expanduser(),
        Path(PrismJobServer.BIN_CACHE, "prism"),
    )
    for candidate in candidates:
        if candidate.is_file():
            options.prism_location = str(candidate)
            return
    need = "" if shutil.which("go") else " (Go is not on PATH: install it from https://go.dev/dl)"
    raise UsageError(
        f"--runner=PrismRunner: no prism in {candidates[0].parent}; {how}{need}, "
        "or give --prism_location=PATH"
    )


def _is_prism(program: str) -> bool:
    """Whether `program` takes prism's options; any other leaves Beam waiting for an answer."""
    try:
        asked = subprocess.run([program, "-h"], capture_output=True, timeout=30)
    except (OSError, subprocess.SubprocessError):
        return False
    return bool(b"job_port" in asked.stderr)


def _check_job_server(options: PipelineOptions, runner: str) -> None:
    """A job server is a Java program in a jar of its own; Beam would download it."""
    flink, spark = options.view_as(FlinkRunnerOptions), options.view_as(SparkRunnerOptions)
    if options.view_as(PortableOptions).job_endpoint:
        return  # it runs already
    if runner == "FlinkRunner":
        artifact = f"beam-runners-flink-{flink.flink_version}-job-server"
        flink.flink_job_server_jar = _jar("flink_job_server_jar", flink, artifact)
    else:
        artifact = f"beam-runners-spark-{spark.spark_version}-job-server"
        spark.spark_job_server_jar = _jar("spark_job_server_jar", spark, artifact)
    java = options.view_as(JobServerOptions).job_server_java_launcher
    if shutil.which(java) is None:
        raise UsageError(
            f"--runner={runner}: its job server needs Java, and {java} is not on PATH; install "
            "Java 17 (Debian: apt-get install openjdk-17-jre-headless)"
        )


def _jar(option: str, options: Any, artifact: str) -> str:
    """The path or URL of the job server `artifact`: as given, or in Maven's or Beam's caches."""
    given: str | None = getattr(options, option)
    how = (
        "get it with `mvn dependency:get -Dtransitive=false "
        f"-Dartifact=org.apache.beam:{artifact}:{beam_version}`"
    )
    if given:
        if "://" not in given and not os.path.isfile(given):
            raise UsageError(f"--{option}={given}: no such file; {how}")
        return given
    name = f"{artifact}-{beam_version}.jar"
    cache = options.view_as(JobServerOptions).jar_cache_dir or JavaJarServer.JAR_CACHE
    maven = Path("~/.m2/repository/org/apache/beam", artifact, beam_version).expanduser()
    for folder in (maven, Path(cache)):
        if (folder / name).is_file():
            return str(folder / name)
    raise UsageError(f"--{option}: no {name} here; {how}, or give its path or URL")
