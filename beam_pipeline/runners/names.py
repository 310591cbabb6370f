"""Resolves the runner of a job, and its properties: local or remote, threads, streams."""

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
    "SparkRunner": "runs what has an end, and a stream has none",
}
_ALIASES = ("DirectRunner", "SwitchingDirectRunner")


def resolve_runner(name: str) -> str:
    """Returns the class name of a runner, without its package.

    Args:
      name: a class name in any case, with or without "Runner" at its end. A name with a dot is the
        path of a user's own class, and is returned unchanged.

    Raises:
      UsageError: there is no such runner.

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
    """Returns the default runner.

    This is Beam's in-process runner, unless the input is unbounded. Then it is Prism, or for
    Pub/Sub the runner that has a reader for it.
    """
    if not is_streaming(options) or has_end(options):
        return LOCAL_RUNNER
    return "BundleBasedDirectRunner" if _is_pubsub(options) else "PrismRunner"


def check_runs_streams(options: AnagramOptions, runner: str) -> None:
    """Checks that a runner supports streams, if the input is one.

    Raises:
      UsageError: it does not.
    """
    if not is_streaming(options):
        return
    if _is_pubsub(options):
        if runner not in (LOCAL_RUNNER, "PrismRunner", "FlinkRunner", "SparkRunner"):
            return
        reason = "has no reader for Pub/Sub; take BundleBasedDirectRunner, or DataflowRunner"
    elif runner not in _NO_STREAMS or (has_end(options) and runner == LOCAL_RUNNER):
        return
    else:
        reason = f"{_NO_STREAMS[runner]}; take PrismRunner or FlinkRunner"
    raise UsageError(reason, setting="runner", value=runner)


def max_splits_for(options: PipelineOptions) -> int | None:
    """Returns the maximum number of splits of a stream; None for as many as it has partitions.

    Prism 2.77 uses the watermark of the bundle that was read last for all splits, even those that
    were not in it (`PersistBundle` of its elementmanager.go), and drops their remaining messages.
    The runners in this process read one split after the other.
    """
    return 1 if is_local(runner_name(options)) else None


def has_end(options: AnagramOptions) -> bool:
    """Returns whether a stream is read only up to its current end."""
    topics = [url for url in options.input or () if scheme_of(url) == "kafka"]
    if not topics:
        return False
    from beam_pipeline.io.streams.kafka_topic import is_until_now  # not where nothing needs it

    return any(map(is_until_now, topics))


def _is_pubsub(options: AnagramOptions) -> bool:
    return any(scheme_of(url) == "pubsub" for url in options.input or ())


def _check_runner_class(path: str) -> None:
    """Checks that `path` is that of a runner; Beam imports it only when the pipeline is built."""
    module, _, name = path.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise UsageError(f"cannot be imported ({error})", setting="runner", value=path) from error
    if not (isinstance(found, type) and issubclass(found, PipelineRunner)):
        raise UsageError("is not a runner", setting="runner", value=path)


def is_local(runner: str) -> bool:
    """Returns whether `runner` runs in this process or in children that share its files."""
    return runner.rpartition(".")[2] in _LOCAL_RUNNERS


def runner_name(options: PipelineOptions) -> str:
    """Returns the class name of the runner that `options` name, without its package."""
    return str(options.view_as(StandardOptions).runner).rpartition(".")[2]


def is_in_process(options: PipelineOptions) -> bool:
    """Returns whether Beam's in-process runner, with or without worker processes, runs the job."""
    return bool(options.view_as(StandardOptions).runner == LOCAL_RUNNER)


def threads_for(options: AnagramOptions) -> int:
    """Returns the number of threads that one worker may count with.

    This is the number of cores if this process is the only worker and counts in compiled code,
    which releases Python's global lock; otherwise 1.
    """
    has_cores = counts_in_this_process(options) and options.engine == "vectorized"
    return _cores() if has_cores else 1


def counts_in_this_process(options: AnagramOptions) -> bool:
    """Returns whether this process is the only worker."""
    mode: str = options.view_as(DirectOptions).direct_running_mode
    return is_in_process(options) and mode == "in_memory"


def receives_each_element_once(options: AnagramOptions) -> bool:
    """Returns whether this process is the only worker, and does not repeat bundles."""
    repeats: int = options.view_as(DirectOptions).direct_runner_bundle_repeat
    return counts_in_this_process(options) and not repeats


def describe_runner(options: AnagramOptions) -> str:
    """Returns the runner as shown in a report; the in-process runner with its mode and size.

    The size is the number of worker processes, or of threads if one process has several:
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
