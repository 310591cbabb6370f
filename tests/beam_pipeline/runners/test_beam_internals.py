"""What this program assumes of Beam's internals still holds in the installed Beam.

When one of these tests fails after an upgrade of Beam, the function of that name in
`beam_pipeline.runners.beam_internals` must be changed. They run Beam itself; what is assumed is
never repeated here.
"""

import ast
import contextlib
import importlib.util
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import apache_beam as beam
import psutil
import pytest
from apache_beam.coders import VarIntCoder
from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import PipelineOptions, S3Options
from apache_beam.options.value_provider import RuntimeValueProvider
from apache_beam.runners.portability import job_server, prism_runner
from apache_beam.runners.runner import create_runner
from apache_beam.runners.worker import (
    sdk_worker,
    sdk_worker_main,
    statesampler,
    worker_pool_main,
)
from apache_beam.testing.util import assert_that, equal_to
from apache_beam.transforms import core
from apache_beam.transforms.environments import SubprocessSDKEnvironment
from apache_beam.transforms.userstate import ReadModifyWriteStateSpec
from apache_beam.utils.subprocess_server import JavaJarServer

from beam_pipeline.runners import beam_internals, worker
from tests.support import programs, worker_pool
from tests.support.beam import pipeline
from tests.support.cli import GIVE_UP, assert_one_line_error, environment, run
from tests.support.worker_pool import LOOPBACK_ADDRESSES


class WrongValueError(Exception):
    """What the parser of these tests raises."""


def fail(message: str) -> NoReturn:
    raise WrongValueError(message)


def test_options_parser() -> None:
    parser = beam_internals.options_parser(fail)
    _, unknown = parser.parse_known_args(["--flink_master=[local]", "--misspelled=1"])
    assert unknown == ["--misspelled=1"]
    with pytest.raises(WrongValueError, match="direct_num_workers"):
        parser.parse_known_args(["--direct_num_workers=two"])
    ours, _ = parser.parse_known_args([])
    assert vars(ours).keys() == PipelineOptions([]).get_all_options().keys()


def test_known_runners() -> None:
    known = beam_internals.known_runners()
    used = ("FnApiRunner", "DirectRunner", "BundleBasedDirectRunner", "PrismRunner")
    for runner in (*used, "FlinkRunner", "SparkRunner", "PortableRunner"):
        assert runner in known
        assert type(create_runner(runner)).__name__ in (runner, "SwitchingDirectRunner")
    assert "DataflowRunner" in known  # it can only be made with the gcp extra


def test_has_dataflow_client() -> None:
    module = "apache_beam.runners.dataflow.internal.apiclient"
    assert importlib.util.find_spec(module) is not None
    try:
        importlib.import_module("google.cloud.dataflow_v1beta3")
    except ImportError:
        assert not beam_internals.has_dataflow_client()
    else:
        assert beam_internals.has_dataflow_client()


def test_jar_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert beam_internals.jar_cache().name == "jars"
    monkeypatch.setattr(JavaJarServer, "JAR_CACHE", str(tmp_path))
    cached = beam_internals.jar_cache() / "server.jar"
    cached.touch()
    assert JavaJarServer.local_jar("https://example.invalid/server.jar") == str(cached)


def test_prism_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beam builds Prism with Go if it is itself a development version, and leaves it there."""
    monkeypatch.setattr(prism_runner.PrismJobServer, "BIN_CACHE", str(tmp_path / "cache"))
    go = tmp_path / "go"
    go.write_text('#!/bin/sh\nmkdir -p "$GOBIN" && echo built > "$GOBIN/prism"\n')
    go.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    options = PipelineOptions(["--prism_beam_version_override=v9.9.9.dev"])
    built = prism_runner.PrismJobServer(options).path_to_binary()
    assert built == str(beam_internals.prism_cache() / "prism")
    assert Path(built).read_text() == "built\n"


@pytest.mark.cluster
def test_is_prism() -> None:
    assert beam_internals.is_prism(str(programs.prism()))
    assert not beam_internals.is_prism("/bin/sh")
    assert not beam_internals.is_prism("no such program")


def sampling_period(_: int) -> int:
    """Returns how long the worker that calls this may sleep between two samples."""
    return int(statesampler.get_current_tracker().sampling_period_ms)


def test_sample_states_often() -> None:
    undo = beam_internals.sample_states_often()
    try:
        with pipeline() as p:
            periods = p | beam.Create([0]) | beam.Map(sampling_period)
            assert_that(periods, equal_to([2]))
    finally:
        undo()
    with pipeline() as p:
        periods = p | beam.Create([0]) | beam.Map(sampling_period)
        assert_that(periods, equal_to([statesampler.DEFAULT_SAMPLING_PERIOD_MS]))
    assert statesampler.DEFAULT_SAMPLING_PERIOD_MS > 2


class StatefulFn(beam.DoFn):
    """Yields each value with the one before it, of the same key."""

    BEFORE = ReadModifyWriteStateSpec("before", VarIntCoder())

    def process(
        self,
        pair: tuple[str, int],
        before: Any = beam.DoFn.StateParam(BEFORE),  # noqa: B008
    ) -> Iterator[tuple[int | None, int]]:
        yield before.read(), pair[1]
        before.write(pair[1])


def test_remember_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    signature = vars(core)["get_signature"]

    def counted(function: Any) -> Any:
        asked.append(getattr(function, "__func__", function))
        return signature(function)

    def arguments(owner: Any) -> list[str]:
        found: tuple[list[str], list[Any]] = vars(core)["get_function_arguments"](owner, "process")
        return found[0]

    stateful: Any = StatefulFn
    monkeypatch.setattr(core, "get_signature", counted)
    undo = beam_internals.remember_arguments()
    try:
        with pipeline() as p:
            pairs = p | beam.Create([("a", 1)]) | beam.ParDo(stateful())
            scaled = pairs | beam.MapTuple(lambda one, other, times=1: other * times, times=3)
            assert_that(scaled, equal_to([3]))
        assert arguments(stateful()) == ["pair", "before"]
        assert arguments(stateful) == ["self", "pair", "before"]
    finally:
        undo()
    assert asked.count(StatefulFn.process) == 2  # of an object, and of the class
    assert arguments(stateful()) == ["pair", "before"]
    assert asked.count(StatefulFn.process) == 3


#: The job server of Beam for Python and its worker, both in this process.
LOOPBACK = ("--runner=PortableRunner", "--job_endpoint=embed", "--environment_type=LOOPBACK")


def broken(_: int) -> NoReturn:
    raise ValueError("this is broken")


def run_broken(*flags: str) -> str:
    """Returns the message of the error that Beam raises for a job whose only step is broken."""
    with pytest.raises(Exception, match="this is broken") as raised:  # noqa: SIM117
        with beam.Pipeline(options=PipelineOptions(flags)) as p:
            p | beam.Create([0]) | "Broken" >> beam.Map(broken)
    return str(raised.value)


def test_silence_worker_tracebacks(capfd: pytest.CaptureFixture[str]) -> None:
    logging.disable()  # the traceback is logged too
    undo = beam_internals.silence_worker_tracebacks()
    try:
        run_broken(*LOOPBACK)
        silent = capfd.readouterr().err
        undo()
        run_broken(*LOOPBACK)
        shown = capfd.readouterr().err
    finally:
        undo()
        logging.disable(logging.NOTSET)
    assert "Traceback" not in silent
    assert "Traceback" in shown
    assert "print" not in vars(sdk_worker)


@pytest.mark.cluster
@pytest.mark.parametrize("silent", [True, False])
def test_silence_prism_log(silent: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prism prints a line as soon as it starts."""
    logged = threading.Event()

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.name in ("PrismJobServer", "PrismRunner"):
                logged.set()

    handler = Handler()
    logging.getLogger().addHandler(handler)
    undo = beam_internals.silence_prism_log() if silent else None
    options = PipelineOptions([f"--prism_location={programs.prism()}"])
    server = prism_runner.PrismJobServer(options)
    try:
        server.start()
        if not silent:
            assert logged.wait(600)
    finally:
        server.stop()
        logging.getLogger().removeHandler(handler)
        if undo:
            undo()
    assert logged.is_set() != silent
    assert not logging.getLogger("PrismJobServer").disabled


LOSE_A_WORKER = """
import os, sys, threading
import apache_beam as beam
from beam_pipeline.runners import beam_internals

def end(_):
    import os, signal
    os.kill(os.getpid(), signal.SIGKILL)

def notice(failure):
    if "exited with return code" not in str(failure.exc_value):
        return  # a thread that has lost its connection to the worker
    threads = (failure.thread, threading.main_thread())
    print([beam_internals.is_worker_thread(thread) for thread in threads], flush=True)
    os._exit(0)

threading.excepthook = notice
with beam.Pipeline("FnApiRunner", argv=["--direct_running_mode=multi_processing"]) as p:
    p | beam.Create([0]) | beam.Map(end)
"""


def test_is_worker_thread(tmp_path: Path) -> None:
    """The thread that waits for a worker fails when the worker is killed; nothing else ends."""
    finished = subprocess.run(
        [sys.executable, "-c", LOSE_A_WORKER],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        timeout=GIVE_UP,
    )
    assert finished.stdout == b"[True, False]\n"


def arguments_of_worker(_: int) -> list[str]:
    return sys.orig_argv


def test_use_own_worker_program_and_run_worker() -> None:
    undo = beam_internals.use_own_worker_program(worker.command())
    options = PipelineOptions(["--direct_running_mode=multi_processing"])
    try:
        with beam.Pipeline("FnApiRunner", options=options) as p:
            arguments = p | beam.Create([0]) | beam.Map(arguments_of_worker)
            expected = [sys.executable, worker.__file__, str(os.getpid())]
            assert_that(arguments, equal_to([expected]))
    finally:
        undo()
    assert worker.is_worker(expected)
    assert not worker.is_worker(sys.orig_argv)
    usual = SubprocessSDKEnvironment.from_command_string("usual").command_string
    assert usual == "usual"


@pytest.mark.parametrize("runner", ["FnApiRunner", "BundleBasedDirectRunner"])
def test_without_step(runner: str) -> None:
    lines = [line for line in run_broken(f"--runner={runner}").splitlines() if "Broken" in line]
    assert lines
    message = lines[-1].removeprefix("ValueError: ")
    assert message != "this is broken"
    assert beam_internals.without_step(message) == "this is broken"
    assert beam_internals.without_step("as it is") == "as it is"


def test_worker_options_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    undo = beam_internals.hide_worker_options()
    file = tmp_path / "options.json"
    file.write_text('{"options": {"s3_endpoint_url": "http://here"}}')
    monkeypatch.setattr(FileSystems, "_pipeline_options", None)
    monkeypatch.setattr(RuntimeValueProvider, "runtime_options", None)
    level = logging.getLogger().level
    try:
        # Beam's own runner gives its workers no options in this variable.
        variables = {beam_internals.WORKER_OPTIONS_FILE: str(file), "PIPELINE_OPTIONS": "{}"}
        with pytest.raises(KeyError, match="SERVICE_DESCRIPTOR"):  # of its runner, behind that
            sdk_worker_main.create_harness(variables, dry_run=True)
    finally:
        logging.getLogger().setLevel(level)
        undo()
    assert caplog.text
    assert "here" not in caplog.text
    assert FileSystems._pipeline_options is not None
    assert FileSystems._pipeline_options.view_as(S3Options).s3_endpoint_url == "http://here"


@pytest.mark.cluster
def test_is_missing_worker(tmp_path: Path) -> None:
    """The whole command, whose line says so: Prism gives a pool a minute."""
    with worker_pool.silent_pool() as port:
        pool = ("--environment_type=EXTERNAL", f"--environment_config=localhost:{port}")
        prism = ("--runner=PrismRunner", f"--prism_location={programs.prism()}")
        options = ("--text=cat", "--output=r.json", "--staging=none")
        finished = run(*options, *prism, *pool, cwd=tmp_path)
    assert_one_line_error(finished, "no Python worker has come to Prism", code=1)
    assert os.listdir(tmp_path) == []
    assert not beam_internals.is_missing_worker("another message")


def test_job_failure() -> None:
    first, *_ = run_broken(*LOOPBACK).splitlines()
    reason = beam_internals.job_failure(first)
    assert reason is not None
    assert first.endswith(f": {reason}")
    assert "FAILED" in first and "FAILED" not in reason
    assert beam_internals.job_failure("another message") is None


def test_is_lost_connection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step of the pipeline kills the job server that runs it."""
    port = worker_pool.free_port()
    service = "apache_beam.runners.portability.local_job_service_main"
    with (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", service, "-p", str(port)], cwd=tmp_path, stdout=log, stderr=log
        )
    worker_pool.wait_for(port, server)
    options = [f"--job_endpoint=localhost:{port}", "--environment_type=LOOPBACK"]
    monkeypatch.setattr(threading, "excepthook", lambda failure: None)
    p = beam.Pipeline("PortableRunner", PipelineOptions(options))
    p | beam.Create([server.pid]) | beam.Map(os.kill, signal.SIGKILL)
    with pytest.raises(Exception) as caught:
        p.run().wait_until_finish()
    server.wait()
    for thread in threading.enumerate():
        if thread.name.startswith(("run_worker", "wait_until_finish")):  # they fail too
            thread.join()
    assert beam_internals.is_lost_connection(caught.value)
    assert not beam_internals.is_lost_connection(OSError("another"))


def test_stop_job_servers() -> None:
    """Beam replaces the handler of SIGINT, which fails in a thread, and waits for the exit."""

    class Server(job_server.JobServer):
        is_stopped = False

        def start(self) -> str:
            return "localhost:1"

        def stop(self) -> None:
            self.is_stopped = True

    before = signal.getsignal(signal.SIGINT)
    server = Server()
    undo = beam_internals.stop_job_servers()
    thread = threading.Thread(target=job_server.StopOnExitJobServer(server).start)
    thread.start()
    thread.join()
    assert signal.getsignal(signal.SIGINT) is before
    assert not server.is_stopped
    undo()
    assert server.is_stopped
    other = job_server.StopOnExitJobServer(Server())
    other.start()
    replaced = signal.signal(signal.SIGINT, before)
    other.stop()
    assert replaced is not before  # Beam does it still: what is tested is needed


START_A_SERVER = """
import logging, os, sys
from apache_beam.utils.subprocess_server import SubprocessServer
from beam_pipeline.runners import beam_internals

undo = beam_internals.kill_servers_with_this_process()
logging.disable()
made = SubprocessServer._really_start_process(["sleep", "600"], 1, logging.getLogger())
print(made[0].pid, flush=True)
if "stop" in sys.argv:
    SubprocessServer._really_stop_process(made)
    made[0].wait()  # Beam may have killed it, where interrupts are ignored
    undo()
    import psutil
    print(len(psutil.Process().children()))
else:
    os.kill(os.getpid(), 9)
"""


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_kill_servers_with_this_process(end: str) -> None:
    finished = subprocess.run(
        [sys.executable, "-c", START_A_SERVER, end],
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
        timeout=GIVE_UP,
    )
    server, *left = finished.stdout.splitlines()
    assert left == (["0"] if end == "stop" else [])
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(int(server))
        while process.status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.05)


def listening(process_id: int) -> set[str]:
    """Returns the addresses at which a process listens."""
    connections = psutil.Process(process_id).net_connections("tcp")
    return {one.laddr.ip for one in connections if one.status == psutil.CONN_LISTEN}


IN_A_WORKER = """
import os, psutil, sys
import apache_beam as beam
from beam_pipeline.runners import beam_internals, worker

def addresses(_):
    found = psutil.Process(os.getppid()).net_connections("tcp")
    print({one.laddr.ip for one in found if one.status == "LISTEN"}, flush=True)

beam_internals.use_own_worker_program(worker.command())  # a child of this process, without a shell
beam_internals.serve_this_machine_only(worker_processes=True)
with beam.Pipeline("FnApiRunner", argv=["--direct_running_mode=multi_processing"]) as p:
    p | beam.Create([0]) | beam.Map(addresses)
"""


def test_serve_this_machine_only() -> None:
    undo = beam_internals.serve_this_machine_only(worker_processes=False)
    others = listening(os.getpid())
    try:
        _, server = worker_pool_main.BeamFnExternalWorkerPoolServicer.start()
    finally:
        undo()
    assert listening(os.getpid()) - others <= LOOPBACK_ADDRESSES
    server.stop(None)
    finished = subprocess.run(
        [sys.executable, "-c", IN_A_WORKER],
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
        timeout=GIVE_UP,
    )
    found = ast.literal_eval(finished.stdout)
    assert found and found <= LOOPBACK_ADDRESSES
