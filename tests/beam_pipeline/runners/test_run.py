"""A pipeline that fails is explained in one error; one that runs changes nothing of its host."""

import gc
import importlib
import logging
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, cast

import apache_beam as beam
import pytest
from apache_beam.runners.portability import job_server
from apache_beam.runners.worker import sdk_worker
from apache_beam.runners.worker.statesampler import StateSampler

from beam_pipeline import run
from beam_pipeline.cli.parsing import parse
from beam_pipeline.errors import OutputError
from beam_pipeline.runners.explaining import explain
from beam_pipeline.runners.run import run_to_end
from tests.support import programs
from transforms.errors import (
    AnagramError,
    DictionaryError,
    InputError,
    UndecodableTextError,
)

TRACEBACK = """Traceback (most recent call last):
  File "worker.py", line 1, in process
{inner}

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "worker.py", line 2, in process
{outer} [while running 'ReadText/ReadBlocks-ptransform-7']
"""


@pytest.mark.parametrize(
    "error_type", [AnagramError, InputError, UndecodableTextError, DictionaryError, OutputError]
)
def test_an_error_of_a_worker_keeps_its_type(error_type: type[AnagramError]) -> None:
    name = f"{error_type.__module__}.{error_type.__name__}"
    text = TRACEBACK.format(inner="OSError: no space", outer=f"{name}: a.txt: cannot be used")
    explained = explain(RuntimeError(text))
    assert type(explained) is error_type
    assert str(explained) == "a.txt: cannot be used"


def test_of_two_errors_for_the_user_the_one_raised_last_counts() -> None:
    text = TRACEBACK.format(
        inner="transforms.errors.AnagramError: line 3: no number",
        outer="transforms.errors.InputError: a.txt: line 3: no number",
    )
    explained = explain(RuntimeError(text))
    assert (type(explained), str(explained)) == (InputError, "a.txt: line 3: no number")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("bundle inst001 failed: transforms.errors.InputError: a: b", (InputError, "a: b")),
        (
            "Pipeline job-1 failed in state FAILED: java.lang.RuntimeException: Error received\n"
            "transforms.errors.UndecodableTextError: a: byte 1 [while running 'x']\n\n"
            "\tat java.base/java.lang.Thread.run(Thread.java:829)\n"
            "Caused by: java.util.concurrent.ExecutionException: it failed",
            (UndecodableTextError, "a: byte 1"),
        ),
        (
            "Pipeline job-1 failed in state FAILED: Docker is missing",
            (AnagramError, "the job has failed: Docker is missing"),
        ),
        (
            TRACEBACK.format(
                inner="KeyError: 1", outer="ModuleNotFoundError: No module named 'x.y'"
            ),
            (
                AnagramError,
                "workers lack a package (No module named 'x.y'); install what they need, or let "
                "the job bring it",
            ),
        ),
        (
            "job failed: Traceback (most recent call last):\n"
            '  File "/opt/lib/python2.7/site-packages/x.py", line 1, in dumps\n'
            "IndexError: tuple index out of range [while running 'x']",
            (
                AnagramError,
                "workers have Python 2.7, and this program has {}.{}; they must have the same "
                "(IndexError: tuple index out of range)".format(*sys.version_info),
            ),
        ),
        (
            "Pipeline job-1 failed in state FAILED: prism worker[x] didn't get control connection "
            "to localhost:1 after 1m0s",
            (
                AnagramError,
                "no Python worker has come to Prism within a minute; see what the worker pool "
                "prints (environment_config)",
            ),
        ),
        (
            TRACEBACK.format(inner="KeyError: 1", outer="zlib.error: bad\nEOFError: it ends"),
            (AnagramError, "EOFError: it ends [while running 'ReadText/ReadBlocks-ptransform-7']"),
        ),
    ],
)
def test_the_error_is_found_in_what_runners_write_around_it(
    text: str, expected: tuple[type[AnagramError], str]
) -> None:
    explained = explain(RuntimeError(text))
    assert (type(explained), str(explained)) == expected


def test_a_pool_that_flink_cannot_reach_is_named() -> None:
    """Beam passes on the last cause only."""
    at_flink = (
        "org.apache.flink.runtime.JobException: Recovery is suppressed\n"
        "Caused by: io.grpc.StatusRuntimeException: UNAVAILABLE: io\n"
        "\tat org.apache.beam.x.ExternalEnvironmentFactory.createEnvironment(X.java:111)\n"
        "Caused by: java.net.ConnectException: Connection refused"
    )
    explained = explain(RuntimeError("java.net.ConnectException: Connection refused"), at_flink)
    assert str(explained).startswith(
        "no worker pool answers where the runner looks for it (java.net.ConnectException: "
        "Connection refused)"
    )
    mine = InputError("a.txt: no file matches")
    assert str(explain(mine, at_flink)) == str(mine)


def test_the_error_is_found_among_causes() -> None:
    cause = InputError("a.txt: no file matches")
    error = RuntimeError("a bundle has failed")
    error.__cause__ = cause
    cause.__context__ = error  # a ring
    explained = explain(error)
    assert (type(explained), str(explained)) == (InputError, "a.txt: no file matches")


def test_an_error_without_a_message_is_named() -> None:
    class Lost(BaseException):
        pass

    assert str(explain(Lost())) == "Lost"
    assert str(explain(Lost("two\nlines"))) == "Lost: two lines"


def undecodable(_: int) -> NoReturn:
    raise UndecodableTextError("a.txt: byte 1: not valid utf-8")


def broken(_: int) -> NoReturn:
    raise ValueError("this is broken")


def fail_in_beam(work: Callable[[int], Any], *arguments: str) -> AnagramError:
    """Returns the error of a job with one step, `work`, which fails."""
    options = parse(["--text=cat", "--output=unused.json", *arguments])
    pipeline = beam.Pipeline(options=options)
    pipeline | beam.Create([0]) | "Step" >> beam.Map(work)
    with pytest.raises(AnagramError) as raised:
        run_to_end(pipeline, options)
    return raised.value


LOCAL = [
    ["--runner=FnApiRunner"],
    pytest.param(
        ["--direct_running_mode=multi_processing", "--direct_num_workers=2"],
        marks=pytest.mark.slow,
    ),
    ["--runner=BundleBasedDirectRunner"],
    ["--runner=PortableRunner", "--job_endpoint=embed", "--environment_type=LOOPBACK"],
]


@pytest.mark.parametrize("arguments", LOCAL, ids=" ".join)
def test_the_type_of_an_error_survives_beam(arguments: list[str]) -> None:
    error = fail_in_beam(undecodable, *arguments)
    assert type(error) is UndecodableTextError
    assert str(error) == "a.txt: byte 1: not valid utf-8"
    assert "this is broken" in str(fail_in_beam(broken, *arguments))


@pytest.mark.cluster
def test_the_type_of_an_error_survives_prism() -> None:
    prism = f"--prism_location={programs.prism()}"
    error = fail_in_beam(undecodable, "--runner=PrismRunner", prism)
    assert type(error) is UndecodableTextError
    assert str(error) == "a.txt: byte 1: not valid utf-8"


def state() -> dict[str, Any]:
    """What this program changes of a process that it runs in, or might change."""
    root = logging.getLogger()
    return {
        "environment": dict(os.environ),
        "folder": os.getcwd(),
        "garbage collection": (gc.get_threshold(), gc.get_freeze_count()),
        "hook of threads": threading.excepthook,
        "job servers": (vars(job_server)["atexit"], vars(job_server)["signal"]),
        "log": (root.level, [(id(h), h.level, h.formatter) for h in root.handlers]),
        "log of Prism": logging.getLogger("PrismJobServer").disabled,
        "print": vars(sdk_worker).get("print"),
        "sampling": StateSampler.__init__.__defaults__,
        "signals": {number: signal.getsignal(number) for number in signal.valid_signals()},
        "standard error": os.fstat(2)[:3],
        "streams": (sys.stdin, sys.stdout, sys.stderr),
        "temporary files": tempfile.tempdir,
    }


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ([], 0),
        (["--verbose"], 0),
        (["--log_format=json", "--report=report.json", "--progress"], 0),
        pytest.param(
            ["--direct_running_mode=multi_processing", "--direct_num_workers=2"],
            0,
            marks=pytest.mark.slow,
        ),
        (["--encoding_errors=strict"], 1),
        (["--encoding_errors=strict", "--verbose", "--log_format=json"], 1),
        (["--runner=NoSuchRunner"], 2),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else str(value),
)
def test_the_command_line_as_a_function_leaves_its_host_as_it_was(
    arguments: list[str], code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("text.txt").write_bytes(b"c\xffat")
    before = state()
    assert run(["--input=text.txt", "--output=result.json", *arguments]) == code
    assert state() == before


class Observed:
    """A pipeline that looks at the process while it runs, and its result."""

    def run(self) -> "Observed":
        self.seen = state()
        return self

    def wait_until_finish(self) -> None:
        pass


@pytest.mark.parametrize("verbose", [True, False])
@pytest.mark.parametrize("runner", ["FnApiRunner", "BundleBasedDirectRunner"])
def test_a_run_changes_its_process_only_while_it_runs(runner: str, verbose: bool) -> None:
    before, observed = state(), Observed()
    arguments = ["--text=cat", f"--runner={runner}", *(["--verbose"] * verbose)]
    run_to_end(cast(beam.Pipeline, observed), parse(arguments))
    changed = {name for name, value in before.items() if observed.seen[name] != value}
    assert observed.seen["sampling"] == (2,)  # milliseconds: no bundle waits long at its end
    silenced = set() if verbose else {"log of Prism", "print", "standard error"}
    # `sys.stderr` is replaced where it writes to the descriptor 2, which pytest may prevent.
    others = set() if runner == "FnApiRunner" else {"job servers"}
    assert changed - {"streams"} == {"hook of threads", "sampling"} | others | silenced
    assert state() == before


def test_an_interrupted_run_leaves_its_process_as_it_was() -> None:
    class Interrupted(Observed):
        def wait_until_finish(self) -> None:
            raise KeyboardInterrupt

        def cancel(self) -> None:
            pass

    before = state()
    with pytest.raises(KeyboardInterrupt):
        run_to_end(cast(beam.Pipeline, Interrupted()), parse(["--text=cat"]))
    assert state() == before


def test_importing_the_program_changes_nothing() -> None:
    before = state()
    sys.modules.pop("beam_pipeline.__main__", None)
    importlib.import_module("beam_pipeline.__main__")
    assert state() == before


def test_two_runs_at_once_in_one_process_are_one_and_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """And the process is as it was before."""
    reached, goes_on = threading.Event(), threading.Event()
    original = run_to_end

    def wait(*arguments: Any) -> Any:
        reached.set()
        goes_on.wait()
        return original(*arguments)

    codes: list[int] = []
    monkeypatch.setattr("beam_pipeline.job.run_to_end", wait)
    arguments = ["--text=cat", f"--output={tmp_path}/first.json"]
    first = threading.Thread(target=lambda: codes.append(run(arguments)))
    first.start()
    reached.wait()
    assert run(["--text=cat", f"--output={tmp_path}/second.json"]) == 1
    assert b"error: another run is going on in this process" in capfdbinary.readouterr().err
    goes_on.set()
    first.join()
    assert codes == [0]
    assert os.listdir(tmp_path) == ["first.json"]
    assert run(["--text=cat", f"--output={tmp_path}/second.json"]) == 0
