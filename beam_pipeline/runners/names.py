"""Which runner a job is for, and what that means for this machine."""

import importlib
import os

from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions, StandardOptions
from apache_beam.runners.runner import PipelineRunner

from beam_pipeline.errors import UsageError
from beam_pipeline.options import AnagramOptions
from beam_pipeline.runners import beam_internals

#: Beam's in-process runner. `DirectRunner` would first try to download another one.
LOCAL_RUNNER = "FnApiRunner"
_LOCAL_RUNNERS = (LOCAL_RUNNER, "BundleBasedDirectRunner", "PrismRunner")
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
