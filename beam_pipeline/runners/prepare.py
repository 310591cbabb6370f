"""Checks and completes the options of a runner, and finds its programs, before a job is submitted.

A runner reports a missing program by a stack trace, often minutes later. Here each program is
searched first, and if it is missing, a one-line error says how to get it.
"""

import os
import shutil
import uuid
import zipfile
from pathlib import Path
from typing import Any

from apache_beam.options.pipeline_options import (
    FlinkRunnerOptions,
    GoogleCloudOptions,
    JobServerOptions,
    PipelineOptions,
    PortableOptions,
    PrismRunnerOptions,
    SparkRunnerOptions,
)
from apache_beam.version import __version__ as beam_version

from beam_pipeline.errors import UsageError
from beam_pipeline.io.inputs import STDIN
from beam_pipeline.options import AnagramOptions, is_streaming
from beam_pipeline.runners import beam_internals
from beam_pipeline.runners.dataflow import check_dataflow
from beam_pipeline.runners.environments import check_environment, host_and_port, unreachable
from beam_pipeline.runners.flink_streams import prepare_stream
from beam_pipeline.runners.names import is_local, runner_name
from beam_pipeline.runners.staging import stage
from transforms.dictionary import NO_DICTIONARY, WORD_LISTS
from transforms.files.schemes import is_local as is_local_path

_PRISM = f"github.com/apache/beam/sdks/v2/go/cmd/prism@v{beam_version}"


def prepare(options: AnagramOptions, folder: str) -> None:
    """Checks that the runner has what it needs, and completes `options` for it.

    Where workers run in other folders, paths become absolute and this package is staged for them
    (see `beam_pipeline.runners.staging`).

    Args:
      options: the options of the job, changed in place.
      folder: the folder for staged files. It must exist as long as the job runs.

    Raises:
      UsageError: an option is wrong, or a program is missing; the message says how to get it.
      AnagramError: this package cannot be staged.
    """
    runner = runner_name(options)
    _check_utf8(options, runner)
    if runner == "DataflowRunner":
        check_dataflow(options)
    elif runner == "PrismRunner":
        _find_prism(options.view_as(PrismRunnerOptions))
    elif runner in ("FlinkRunner", "SparkRunner"):
        _check_job_server(options, runner)
    elif runner == "PortableRunner" and not options.view_as(PortableOptions).job_endpoint:
        raise UsageError(
            "PortableRunner needs the HOST:PORT of its job server", setting="job_endpoint"
        )
    # The job server of a `PortableRunner` may be Flink's; others ignore its options.
    if runner in ("FlinkRunner", "PortableRunner") and is_streaming(options):
        prepare_stream(options)
    if runner in ("FlinkRunner", "SparkRunner", "PortableRunner"):
        names = options.view_as(GoogleCloudOptions)
        names.job_name = names.job_name or f"anagrams-{uuid.uuid4().hex[:12]}"
    if runner in ("PrismRunner", "FlinkRunner", "SparkRunner", "PortableRunner"):
        check_environment(options, runner, is_runner_here=_is_runner_here(options))
    if not is_local(runner) and STDIN in (options.input or ()):
        raise UsageError(
            f"the workers of {runner} cannot read standard input", setting="input", value=STDIN
        )
    _check_master(options, runner)
    if not _are_workers_here(options):
        _use_absolute_paths(options)
        stage(options, folder)


def _check_utf8(options: PipelineOptions, runner: str) -> None:
    """Checks that all values are valid UTF-8, because runners accept nothing else."""
    for name, value in options.get_all_options(drop_default=True).items():
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str) and not text.isascii():
                try:
                    text.encode()
                except UnicodeEncodeError:
                    message = f"is not UTF-8, and {runner} accepts nothing else"
                    raise UsageError(message, setting=name, value=text) from None


def _is_runner_here(options: PipelineOptions) -> bool:
    """Returns whether the runner's own processes are started by and on this machine."""
    runner = runner_name(options)
    if options.view_as(PortableOptions).job_endpoint:
        return False
    if runner == "FlinkRunner":
        return options.view_as(FlinkRunnerOptions).flink_master in ("[local]", "[auto]")
    if runner == "SparkRunner":
        return str(options.view_as(SparkRunnerOptions).spark_master_url).startswith("local")
    return is_local(runner)


def _are_workers_here(options: PipelineOptions) -> bool:
    """Returns whether workers run in this process or copies of it, and so need no staging."""
    kind = options.view_as(PortableOptions).environment_type
    if runner_name(options) in ("FnApiRunner", "BundleBasedDirectRunner"):
        return True
    return kind == "LOOPBACK" or (kind is None and _is_runner_here(options))


def _check_master(options: PipelineOptions, runner: str) -> None:
    """Checks that the server of the job answers; runners would try for a minute or more."""
    endpoint = options.view_as(PortableOptions).job_endpoint
    if endpoint:
        setting, master = "job_endpoint", str(endpoint)
    elif runner == "FlinkRunner":
        setting, master = "flink_master", options.view_as(FlinkRunnerOptions).flink_master
    elif runner == "SparkRunner":
        setting, master = "spark_master_url", options.view_as(SparkRunnerOptions).spark_master_url
    else:
        return
    address = host_and_port(master)
    if address and (fault := unreachable(address)):
        raise UsageError(f"nobody answers there ({fault})", setting=setting, value=master)


def _use_absolute_paths(options: AnagramOptions) -> None:
    for name in ("output", "dead_letters", "merge", "replay"):
        path = getattr(options, name)
        if path and is_local_path(path):
            setattr(options, name, os.path.abspath(path))
    named = (*WORD_LISTS, NO_DICTIONARY)
    options.dictionary = [
        os.path.abspath(spec) if spec not in named and os.path.exists(spec) else spec
        for spec in options.dictionary
    ]


def _find_prism(options: PrismRunnerOptions) -> None:
    """Sets the path of Prism's program, or checks it; Beam would download a release."""
    given = options.prism_location
    remedy = f"get it with `go install {_PRISM}`"
    if given:
        if "://" in given:
            return
        if not os.path.isfile(given):
            raise UsageError(f"no such file; {remedy}", setting="prism_location", value=given)
        options.prism_location = os.path.abspath(given)  # a bare name would be looked up in PATH
        if zipfile.is_zipfile(given) or beam_internals.is_prism(options.prism_location):
            return
        raise UsageError(f"is not Beam's prism; {remedy}", setting="prism_location", value=given)
    installed = go_programs() / "prism"
    for program in (installed, beam_internals.prism_cache() / "prism"):
        if program.is_file():
            options.prism_location = str(program)
            return
    need = "" if shutil.which("go") else " (Go is not on PATH: install it from https://go.dev/dl)"
    raise UsageError(
        f"no prism in {installed.parent}; {remedy}{need}, or give its path as prism_location",
        setting="runner",
        value="PrismRunner",
    )


def go_programs() -> Path:
    """Returns the folder where ``go install`` puts programs; it need not exist."""
    go_path = os.environ.get("GOPATH", "").split(os.pathsep)[0] or "~/go"
    return Path(os.environ.get("GOBIN") or f"{go_path}/bin").expanduser()


def _check_job_server(options: PipelineOptions, runner: str) -> None:
    """Sets the path of the job server's jar, and checks for Java; Beam would download the jar."""
    if options.view_as(PortableOptions).job_endpoint:
        return  # it runs already
    flink, spark = options.view_as(FlinkRunnerOptions), options.view_as(SparkRunnerOptions)
    if runner == "FlinkRunner":
        artifact = f"beam-runners-flink-{flink.flink_version}-job-server"
        flink.flink_job_server_jar = _jar("flink_job_server_jar", flink, artifact)
    else:
        artifact = f"beam-runners-spark-{spark.spark_version}-job-server"
        spark.spark_job_server_jar = _jar("spark_job_server_jar", spark, artifact)
    java = options.view_as(JobServerOptions).job_server_java_launcher
    if shutil.which(java) is None:
        raise UsageError(
            f"its job server needs Java, and {java} is not on PATH; install Java 17 "
            "(Debian: apt-get install openjdk-17-jre-headless)",
            setting="runner",
            value=runner,
        )


def _jar(setting: str, options: Any, artifact: str) -> str:
    """Returns the path or URL of a job server: as given, or in the cache of Maven or Beam."""
    given: str | None = getattr(options, setting)
    remedy = (
        "get it with `mvn dependency:get -Dtransitive=false "
        f"-Dartifact=org.apache.beam:{artifact}:{beam_version}`"
    )
    if given:
        if "://" not in given and not os.path.isfile(given):
            raise UsageError(f"no such file; {remedy}", setting=setting, value=given)
        return given
    name = f"{artifact}-{beam_version}.jar"
    maven = Path("~/.m2/repository/org/apache/beam", artifact, beam_version).expanduser()
    cache = options.view_as(JobServerOptions).jar_cache_dir or beam_internals.jar_cache()
    for folder in (maven, Path(cache)):
        if (folder / name).is_file():
            return str(folder / name)
    raise UsageError(f"no {name} here; {remedy}, or give its path or URL", setting=setting)
