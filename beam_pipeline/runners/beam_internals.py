"""Every use of Beam's runners and options beyond their documentation, in one place.

An upgrade of Beam may change any of this without notice. Each docstring says what is used, why, and
in which version of Beam it was seen. For each function, a test of the same name in
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
from types import FunctionType, MethodType, SimpleNamespace
from typing import Any, NoReturn

from beam_pipeline.runners.loopback import listen_on_loopback

Undo = Callable[[], None]

_SAMPLING_PERIOD_MS = 2

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


# What Beam does while it makes and runs a job


def remember_arguments() -> Undo:
    """Makes Beam cache the arguments of functions.

    For each step Beam inspects all methods of the DoFn many times for state and timer parameters,
    which takes a noticeable time in a short job.

    Replaces ``get_function_args_defaults`` of the module `core`, which returns names of arguments
    and their defaults. Seen in Beam 2.77.
    """
    from apache_beam.transforms import core

    names = vars(core)
    before = names["get_function_args_defaults"]
    known: dict[tuple[Any, bool], tuple[list[str], list[Any]]] = {}

    def remembered(function: Any) -> tuple[list[str], list[Any]]:
        is_bound = isinstance(function, MethodType)
        if not is_bound and not isinstance(function, FunctionType):
            found: tuple[list[str], list[Any]] = before(function)
            return found
        key = function.__func__ if is_bound else function, is_bound
        if key not in known:
            known[key] = before(function)
        arguments, defaults = known[key]
        return [*arguments], [*defaults]

    names["get_function_args_defaults"] = remembered

    def undo() -> None:
        names["get_function_args_defaults"] = before

    return undo


def sample_states_often() -> Undo:
    """Lets bundles of a worker in this process end sooner.

    After each bundle the worker waits for the next wake-up of the thread that samples which step is
    being executed. Its period grows to 200 ms, which is long for a run of few, short bundles.

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
    """Stops job servers that Beam starts from now on when this is undone, not earlier.

    Beam would stop them when this process exits, or in its own handler of SIGINT. It can set that
    handler only in the main thread, and never restores the previous one.

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


def kill_servers_with_this_process(
    on_start: "Callable[[subprocess.Popen[bytes]], None]" = lambda server: None,
) -> Undo:
    """Ends the servers that Beam starts from now on, in Java or Go, even if this process is killed.

    Beam stops them when this process ends by itself, but not if it is killed (SIGKILL). Therefore a
    shell beside each server waits for its standard input to end and then kills the server. Undo
    this when the servers have been stopped.

    Shadows the module `subprocess` in the module `subprocess_server`, which uses its `Popen`.
    Seen in Beam 2.77.

    Args:
      on_start: called with each server, before Beam reads lines from its standard output.
    """
    from apache_beam.utils import subprocess_server

    names = vars(subprocess_server)
    before = names["subprocess"]
    guards: list[subprocess.Popen[bytes]] = []

    def start(*args: Any, **kwargs: Any) -> "subprocess.Popen[bytes]":
        server: subprocess.Popen[bytes] = before.Popen(*args, **kwargs)
        on_start(server)
        guards.append(
            subprocess.Popen(
                ["sh", "-c", f"read -r stopped || kill -9 {server.pid}"],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # so that Ctrl-C does not end it
            )
        )
        return server

    names["subprocess"] = SimpleNamespace(**{**vars(before), "Popen": start})

    def undo() -> None:
        names["subprocess"] = before
        for guard in guards:
            guard.communicate(b"stopped\n")

    return undo


def serve_this_machine_only(*, worker_processes: bool) -> Undo:
    """Makes Beam's servers in this process listen on the loopback interface.

    They serve only processes on this machine, but by default listen on all interfaces.

    Shadows the module `grpc` in the modules `worker_handlers`, `local_job_service` and
    `worker_pool_main`, whose servers get the address ``[::]:PORT``. Seen in Beam 2.77.

    Args:
      worker_processes: which servers to change: those for the worker processes of Beam's local
        runner, or else the one from which a runner requests workers in this process (LOOPBACK).
    """
    import grpc

    modules = ["worker.worker_pool_main"]
    if worker_processes:
        modules = ["portability.fn_api_runner.worker_handlers", "portability.local_job_service"]
    changed = [vars(importlib.import_module(f"apache_beam.runners.{name}")) for name in modules]

    def server(*args: Any, **kwargs: Any) -> grpc.Server:
        made = grpc.server(*args, **kwargs)
        listen = made.add_insecure_port
        made.add_insecure_port = lambda at: listen_on_loopback(listen, int(at.rpartition(":")[2]))
        return made

    for names in changed:
        names["grpc"] = SimpleNamespace(**{**vars(grpc), "server": server})

    def undo() -> None:
        for names in changed:
            names["grpc"] = grpc

    return undo


def silence_worker_tracebacks() -> Undo:
    """Stops a worker in this process (LOOPBACK) from printing the traceback of each error.

    The worker also reports the error to the runner, which raises it.

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

    The log level does not prevent it: Beam changes the level of records after the logger has
    accepted them.

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
    """Stops a worker from logging its options, some of which may be secrets.

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

    Such a thread ends with an error when the process fails; the runner ignores that and waits for
    the worker's results forever.

    Relies on the name that `SubprocessSdkWorkerHandler` gives its threads. Seen in Beam 2.77.
    """
    return thread.name == "run_worker"


# What Beam raises, and writes into error messages


def is_lost_connection(error: BaseException) -> bool:
    """Returns whether `error` means that the job server has ended.

    Beam raises gRPC's own error, whose code is UNAVAILABLE. Seen in Beam 2.77.
    """
    import grpc

    return (
        isinstance(error, grpc.RpcError)
        and isinstance(error, grpc.Call)
        and error.code() == grpc.StatusCode.UNAVAILABLE
    )


def without_step(message: str) -> str:
    """Returns the message of an error without the step in which it was raised.

    Beam raises the error again with `` [while running 'STEP']`` appended to its message.
    Seen in Beam 2.77.
    """
    return re.sub(r" \[while running .*\]$", "", message)


def is_missing_worker(message: str) -> bool:
    """Returns whether a job failed on Prism because its worker did not connect.

    Prism waits for a minute. The message contains ``didn't get control connection``.
    Seen in Beam 2.77.
    """
    return "didn't get control connection" in message


def job_failure(message: str) -> str | None:
    """Returns why a job has failed, from the message of a portable runner; None if it is another.

    The message is ``Pipeline ID failed in state STATE: REASON``. Seen in Beam 2.77.
    """
    found = re.fullmatch(r"Pipeline \S+ failed in state \w+: (.*)", message)
    return found and found[1]
