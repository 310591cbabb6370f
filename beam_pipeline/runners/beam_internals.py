"""Every use of Beam that goes beyond its documentation, in one place.

An upgrade of Beam may change any of this without notice. Each function says what it touches, why,
and in which version of Beam that was seen. For each, a test of the same name in
tests/beam_pipeline/runners/test_beam_internals.py runs the installed Beam and fails when the
assumption no longer holds.

Functions that change Beam for the whole process return a function that undoes the change.
"""

import argparse
import importlib
import logging
import re
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

Undo = Callable[[], None]

_SAMPLING_PERIOD_MS = 10

#: The environment variable with the path of a file of JSON, from which a worker process of Beam
#: takes its options, ``{"options": {"name": value}}``. Beam's local runner starts its workers in
#: the environment of this process, and gives them no options. Read by ``create_harness`` of the
#: module `sdk_worker_main`. Seen in Beam 2.77.
WORKER_OPTIONS_FILE = "PIPELINE_OPTIONS_FILE"


# Options


def options_parser(
    fail: Callable[[str], NoReturn],
    actions: Mapping[str | None, type[argparse.Action]] | None = None,
) -> argparse.ArgumentParser:
    """Returns a parser of all options that Beam or this program has declared.

    `PipelineOptions` itself ignores options that it does not know, and ends the process when a
    value is wrong.

    Touches `_BeamArgumentParser`, whose methods Beam's own options call to declare themselves, and
    finds the classes of options as Beam does, by ``PipelineOptions.__subclasses__()``.
    Seen in Beam 2.77.

    Args:
      fail: called with a message when a value is wrong.
      actions: what to use instead of argparse's own actions, by the names with which options are
        declared, such as ``store_true``.
    """
    from apache_beam.options.pipeline_options import PipelineOptions, _BeamArgumentParser

    class Parser(_BeamArgumentParser):
        def error(self, message: str) -> NoReturn:
            fail(message)

    parser = Parser(allow_abbrev=False, add_help=False)
    for name, action in (actions or {}).items():
        parser.register("action", name, action)
    for options_class in PipelineOptions.__subclasses__():
        options_class._add_argparse_args(parser)
    return parser


def known_runners() -> tuple[str, ...]:
    """Returns the class names of Beam's runners.

    Touches the constant ``StandardOptions.ALL_KNOWN_RUNNERS``, a tuple of dotted paths. Beam
    resolves runners with it, and would download something or fail late for some of the names.
    Seen in Beam 2.77.
    """
    from apache_beam.options.pipeline_options import StandardOptions

    return tuple(path.rpartition(".")[2] for path in StandardOptions.ALL_KNOWN_RUNNERS)


# What other runners need


def has_dataflow_client() -> bool:
    """Returns whether the libraries for Dataflow are installed.

    Touches the internal module `apiclient`, which cannot be imported without them.
    `DataflowRunner` can, and fails when it submits a job. Seen in Beam 2.77.
    """
    try:
        importlib.import_module("apache_beam.runners.dataflow.internal.apiclient")
    except ImportError:
        return False
    return True


def jar_cache() -> Path:
    """Returns the folder where Beam keeps the jars that it has downloaded.

    Touches the constant ``JavaJarServer.JAR_CACHE``. Seen in Beam 2.77.
    """
    from apache_beam.utils.subprocess_server import JavaJarServer

    return Path(JavaJarServer.JAR_CACHE)


def prism_cache() -> Path:
    """Returns the folder where Beam keeps the program of Prism if it has built it.

    Touches the constant ``PrismJobServer.BIN_CACHE``. Seen in Beam 2.77.
    """
    from apache_beam.runners.portability.prism_runner import PrismJobServer

    return Path(PrismJobServer.BIN_CACHE)


def is_prism(program: str) -> bool:
    """Returns whether `program` is Prism; Beam would wait for an answer of any other forever.

    Relies on the help text of Prism, printed on standard error, in which the option ``job_port``
    occurs. Seen in Beam 2.77.
    """
    try:
        asked = subprocess.run([program, "-h"], capture_output=True, timeout=30)
    except (OSError, subprocess.SubprocessError):
        return False
    return b"job_port" in asked.stderr


# What Beam does while it runs a job


def sample_states_often() -> Undo:
    """Lets bundles of a worker in this process end sooner.

    Behind each bundle the worker waits until a thread wakes up that samples which step is being
    executed. Its period grows to 200 ms, which a run of few, short bundles has to wait for.

    Replaces the default of an argument of ``StateSampler.__init__``. Seen in Beam 2.77.
    """
    from apache_beam.runners.worker.statesampler import StateSampler

    constructor = StateSampler.__init__
    defaults = constructor.__defaults__
    constructor.__defaults__ = (_SAMPLING_PERIOD_MS,)

    def undo() -> None:
        constructor.__defaults__ = defaults

    return undo


def stop_job_servers() -> Undo:
    """Lets job servers that Beam starts from now on live until this is undone.

    Beam would stop them when this process exits, or when a handler of its own gets SIGINT. It can
    set that handler in the main thread only, and never restores the one that was there.

    Shadows the modules `atexit` and `signal` in the module `job_server`. Seen in Beam 2.77.
    """
    from apache_beam.runners.portability import job_server

    names = vars(job_server)
    before = {name: names[name] for name in ("atexit", "signal")}
    stops: list[Callable[[], None]] = []
    names["atexit"] = SimpleNamespace(register=stops.append, unregister=lambda stop: None)
    names["signal"] = SimpleNamespace(
        SIGINT=signal.SIGINT, getsignal=signal.getsignal, signal=lambda number, handler: None
    )

    def undo() -> None:
        while stops:
            stops.pop()()
        names.update(before)

    return undo


def silence_worker_tracebacks() -> Undo:
    """Stops a worker in this process (LOOPBACK) from printing the traceback of each error.

    It reports the error to the runner besides, which raises it.

    Shadows the built-in `print` in the module `sdk_worker`. Seen in Beam 2.77.
    """
    from apache_beam.runners.worker import sdk_worker

    names = vars(sdk_worker)
    shadowed = names.get("print")
    names["print"] = _print_nothing

    def undo() -> None:
        if shadowed is None:
            names.pop("print", None)
        else:
            names["print"] = shadowed

    return undo


def _print_nothing(*_: Any, **__: Any) -> None:
    pass


def silence_prism_log() -> Undo:
    """Stops Beam from logging what Prism prints.

    It would be logged at whatever level is set: Beam changes the level of records after the
    logger has let them pass.

    Disables the logger that `PrismJobServer` names after its class. Seen in Beam 2.77.
    """
    logger = logging.getLogger("PrismJobServer")
    was_disabled = logger.disabled
    logger.disabled = True

    def undo() -> None:
        logger.disabled = was_disabled

    return undo


def use_own_worker_program(command: str) -> Undo:
    """Makes Beam's local runner start worker processes with a command of our own.

    Args:
      command: for a shell. It must do what `run_worker` does.

    Replaces ``SubprocessSDKEnvironment.from_command_string``, which gets Beam's own command.
    Seen in Beam 2.77.
    """
    from apache_beam.transforms.environments import SubprocessSDKEnvironment

    before = vars(SubprocessSDKEnvironment)["from_command_string"]
    ours = SubprocessSDKEnvironment(command)

    def replaced(command_string: str) -> SubprocessSDKEnvironment:
        return ours

    setattr(SubprocessSDKEnvironment, "from_command_string", staticmethod(replaced))  # noqa: B010

    def undo() -> None:
        setattr(SubprocessSDKEnvironment, "from_command_string", before)  # noqa: B010

    return undo


def run_worker() -> None:
    """Does what a worker process of Beam's local runner does, until its runner ends it.

    Calls ``main`` of the module `sdk_worker_main`. Seen in Beam 2.77.
    """
    from apache_beam.runners.worker import sdk_worker_main

    hide_worker_options()
    sdk_worker_main.main([])


def hide_worker_options() -> Undo:
    """Stops a worker from logging its options, of which some are secrets.

    Relies on the message ``Pipeline_options: ...`` of the module `sdk_worker_main`.
    Seen in Beam 2.77.
    """
    logger = logging.getLogger("apache_beam.runners.worker.sdk_worker_main")

    def is_shown(record: logging.LogRecord) -> bool:
        return not str(record.msg).startswith("Pipeline_options")

    logger.addFilter(is_shown)
    return lambda: logger.removeFilter(is_shown)


def is_worker_thread(thread: threading.Thread) -> bool:
    """Returns whether `thread` waits for a worker process that Beam's local runner has started.

    Such a thread ends with an error when the process ends with one; the runner takes no notice
    and waits for the worker's results forever.

    Relies on the name that `SubprocessSdkWorkerHandler` gives its threads. Seen in Beam 2.77.
    """
    return thread.name == "run_worker"


# What Beam raises, and writes into error messages


def is_lost_connection(error: BaseException) -> bool:
    """Returns whether `error` says that the job server is gone.

    Beam lets gRPC's own error through, whose code is UNAVAILABLE. Seen in Beam 2.77.
    """
    import grpc

    return (
        isinstance(error, grpc.RpcError)
        and isinstance(error, grpc.Call)
        and error.code() == grpc.StatusCode.UNAVAILABLE
    )


def without_step(message: str) -> str:
    """Returns the message of an error without the step in which it was raised.

    Beam raises the error anew with `` [while running 'STEP']`` behind its message.
    Seen in Beam 2.77.
    """
    return re.sub(r" \[while running .*\]$", "", message)


def job_failure(message: str) -> str | None:
    """Returns why a job has failed, from the message of a portable runner; None if it is another.

    The message is ``Pipeline ID failed in state STATE: REASON``. Seen in Beam 2.77.
    """
    found = re.fullmatch(r"Pipeline \S+ failed in state \w+: (.*)", message)
    return found and found[1]
