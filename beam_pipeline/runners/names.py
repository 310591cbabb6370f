"""Which runner a job is for, and what that means for this machine."""

import importlib
import os

from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions, StandardOptions
from apache_beam.runners.runner import PipelineRunner

from beam_pipeline.errors import UsageError
from beam_pipeline.io.streams import scheme_of
from beam_pipeline.options import AnagramOptions, is_streaming
from beam_pipeline.runners import beam_internals

#: Beam's in-process runner. `DirectRunner` would first try to download another one.
LOCAL_RUNNER = "FnApiRunner"
_LOCAL_RUNNERS = (LOCAL_RUNNER, "BundleBasedDirectRunner", "PrismRunner")
# Why runners cannot read streams; seen with Beam 2.77, and Flink's and Spark's job servers of 2.70.
_NO_STREAMS = {
    LOCAL_RUNNER: "publishes nothing before the end, and a stream has none",
    "BundleBasedDirectRunner": "cannot read sources that are made of functions",
    "FlinkRunner": "ends windows while such sources are still read, so that messages are lost",
    "SparkRunner": "runs what has an end, and a stream has none",
}
_ALIASES = ("DirectRunner", "SwitchingDirectRunner")


def resolve_runner(name: str) -> str:
    """Returns the runner that `name` means to Beam: the name of a class, without its package.

    Args:
      name: a class name in any case, with or without "Runner" at its end. What contains a dot is
        the path of a user's own class, and is returned as it is.

    Raises:
      UsageError: Beam has no such runner.

    Example:
      >>> resolve_runner("prism"), resolve_runner("DirectRunner")
      ('PrismRunner', 'FnApiRunner')
    """
    if "." in name:
        _check_runner_class(name)
        return name
    known = {runner.lower(): runner for runner in beam_internals.known_runners()}
    runner = known.get(name.lower()) or known.get(f"{name.lower()}runner")
    if runner is None:
        names = ", ".join(sorted(known.values()))
        raise UsageError(f"not one of {names}", setting="runner", value=name)
    return LOCAL_RUNNER if runner in _ALIASES else runner


def default_runner(options: AnagramOptions) -> str:
    """Returns the runner of jobs for which none is given.

    That is Beam's in-process runner, unless the input has no end. Then it is Prism, or for Pub/Sub
    the runner that has a reader for it.
    """
    if not is_streaming(options) or _has_end(options):
        return LOCAL_RUNNER
    return "BundleBasedDirectRunner" if _is_pubsub(options) else "PrismRunner"


def check_runs_streams(options: AnagramOptions, runner: str) -> None:
    """Checks that a runner can do what streams need, if the input is one.

    Raises:
      UsageError: it cannot.
    """
    if not is_streaming(options):
        return
    if _is_pubsub(options):
        if runner not in (LOCAL_RUNNER, "PrismRunner", "SparkRunner"):
            return
        reason = "has no reader for Pub/Sub; take BundleBasedDirectRunner, or DataflowRunner"
    elif runner not in _NO_STREAMS or (_has_end(options) and runner == LOCAL_RUNNER):
        return
    else:
        reason = f"{_NO_STREAMS[runner]}; take PrismRunner"
    raise UsageError(reason, setting="runner", value=runner)


def _has_end(options: AnagramOptions) -> bool:
    """Whether a stream is read up to where it is now."""
    return any("until=now" in url.partition("?")[2].split("&") for url in options.input or ())


def _is_pubsub(options: AnagramOptions) -> bool:
    return any(scheme_of(url) == "pubsub" for url in options.input or ())


def _check_runner_class(path: str) -> None:
    """Checks that `path` names a runner; Beam would import it when the pipeline is built."""
    module, _, name = path.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise UsageError(f"cannot be imported ({error})", setting="runner", value=path) from error
    if not (isinstance(found, type) and issubclass(found, PipelineRunner)):
        raise UsageError("is not a runner", setting="runner", value=path)


def is_local(runner: str) -> bool:
    """Returns whether `runner` works in this process or in children that share its files."""
    return runner.rpartition(".")[2] in _LOCAL_RUNNERS


def runner_name(options: PipelineOptions) -> str:
    """Returns the class name of the runner that `options` name, without its package."""
    return str(options.view_as(StandardOptions).runner).rpartition(".")[2]


def is_in_process(options: PipelineOptions) -> bool:
    """Returns whether Beam's in-process runner, with or without worker processes, runs the job."""
    return bool(options.view_as(StandardOptions).runner == LOCAL_RUNNER)


def threads_for(options: AnagramOptions) -> int:
    """Returns the number of threads that one worker may count with.

    That is the number of cores where this process is the only worker and counts in compiled code,
    which releases the interpreter's lock; otherwise 1.
    """
    direct = options.view_as(DirectOptions)
    is_only_worker = is_in_process(options) and direct.direct_running_mode == "in_memory"
    return _cores() if is_only_worker and options.engine == "vectorized" else 1


def describe_runner(options: AnagramOptions) -> str:
    """Returns the runner as a report shows it, in-process with its mode and its size.

    The size is the number of worker processes, or of threads where one process has several:
    ``FnApiRunner (in_memory, 2 threads)``.
    """
    if not is_in_process(options):
        return str(options.view_as(StandardOptions).runner)
    direct = options.view_as(DirectOptions)
    workers, threads = direct.direct_num_workers, threads_for(options)
    unit, number = ("thread", threads) if threads > 1 else ("worker", workers)
    size = f"{number} {unit}{'s' * (number > 1)}"
    return f"{LOCAL_RUNNER} ({direct.direct_running_mode}, {size})"


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):  # Linux: those this process may use
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
