"""A command that is ended early leaves its scopes, each context once, whatever it is doing."""

import contextlib
import io
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from apache_beam.runners.runner import PipelineResult

from beam_pipeline import interruption
from beam_pipeline.interruption import Command
from beam_pipeline.runners.cancelling import cancelled_if_given_up
from tests.support.cli import GIVE_UP, environment

Body = Callable[[threading.Event], None]


def compute(reached: threading.Event) -> None:
    reached.set()
    while True:
        pass


def block(reached: threading.Event) -> None:
    reached.set()
    threading.Event().wait()


def run_another_command(reached: threading.Event) -> None:
    Command(lambda: compute(reached)).run()


def wrap_errors(reached: threading.Event) -> None:
    """As Beam does: an error that is raised within becomes another one, which is caught."""
    try:
        compute(reached)
    except BaseException:
        with contextlib.suppress(RuntimeError):
            raise RuntimeError("wrapped") from None
        block(reached)


def end_when_reached(body: Body, error: BaseException, log: list[str]) -> "Command[None]":
    """Returns a command that executes `body` within two scopes, and is ended with `error` there."""
    reached = threading.Event()

    @contextlib.contextmanager
    def context(name: str) -> Iterator[None]:
        log.append(f"{name} entered")
        try:
            yield
        except BaseException as raised:
            log.append(f"{name} left: {raised!r}")
            raise

    def function() -> None:
        with interruption.scope() as outer:
            outer.enter_context(context("outer"))
            with interruption.scope() as inner:
                inner.callback(log.append, "callback")
                inner.enter_context(context("inner"))
                body(reached)

    command = Command(function, grace=0.1)

    def end() -> None:
        reached.wait()
        command.end(error)

    threading.Thread(target=end, daemon=True).start()
    return command


@pytest.mark.parametrize("body", [compute, block, run_another_command, wrap_errors])
def test_whatever_a_command_does_its_scopes_are_left_innermost_first(body: Body) -> None:
    log: list[str] = []
    error = ValueError("ended")
    with pytest.raises(ValueError, match="ended") as raised:
        end_when_reached(body, error, log).run()
    assert raised.value is error
    assert log == [
        *("outer entered", "inner entered", "inner left: ValueError('ended')", "callback"),
        "outer left: ValueError('ended')",
    ]


def test_a_command_that_has_been_ended_stops_and_says_nothing(
    capfd: pytest.CaptureFixture[str],
) -> None:
    command = end_when_reached(compute, ValueError("ended"), [])
    with pytest.raises(ValueError, match="ended"):
        command.run()
    command._thread.join(60)
    assert not command._thread.is_alive()
    assert capfd.readouterr() == ("", "")


def test_a_command_that_wakes_up_later_does_nothing_within_scopes() -> None:
    wake_up, log = threading.Event(), list[str]()

    def sleep(reached: threading.Event) -> None:
        reached.set()
        wake_up.wait()
        with interruption.scope() as late:
            late.callback(log.append, "late")

    command = end_when_reached(sleep, KeyboardInterrupt(), log)
    with pytest.raises(KeyboardInterrupt):
        command.run()
    before = list(log)
    wake_up.set()
    command._thread.join(60)
    assert not command._thread.is_alive()
    assert log == before


def test_the_error_that_a_context_raises_replaces_the_one_that_has_ended_the_command() -> None:
    @contextlib.contextmanager
    def translate() -> Iterator[None]:
        try:
            yield
        except ValueError as error:
            raise KeyError("translated") from error

    def translating(reached: threading.Event) -> None:
        with interruption.scope() as stack:
            stack.enter_context(translate())
            block(reached)

    log: list[str] = []
    with pytest.raises(KeyError, match="translated"):
        end_when_reached(translating, ValueError("ended"), log).run()
    assert log[2:] == [
        *("inner left: KeyError('translated')", "callback", "outer left: KeyError('translated')"),
    ]


def test_an_interrupt_says_what_the_command_has_achieved() -> None:
    def publish(reached: threading.Event) -> None:
        interruption.set_outcome("all is published")
        block(reached)

    for body, message in ((publish, "all is published"), (block, "nothing was published")):
        with pytest.raises(KeyboardInterrupt, match=f"^interrupted; {message}$"):
            end_when_reached(body, KeyboardInterrupt(), []).run()


def test_what_is_final_is_not_ended_any_more() -> None:
    reached, ended = threading.Event(), threading.Event()

    def function() -> str:
        with interruption.scope() as stack:
            stack.callback(lambda: None)
            interruption.finish()
            reached.set()
            ended.wait()
        return "done"

    command = Command(function)

    def end() -> None:
        reached.wait()
        command.end(KeyboardInterrupt())
        ended.set()

    threading.Thread(target=end, daemon=True).start()
    assert command.run() == "done"


def test_without_an_end_a_command_is_a_call() -> None:
    def fail() -> None:
        raise ValueError("its own")

    assert Command(lambda: interruption.run(lambda: 5)).run() == 5
    with pytest.raises(ValueError, match="its own"):
        interruption.run(fail)
    assert interruption.current() is None
    with interruption.scope() as stack:
        stack.enter_context(contextlib.redirect_stdout(io.StringIO()))
    interruption.set_outcome("of no command")
    interruption.finish()


@pytest.mark.slow
def test_at_any_moment_each_context_that_was_entered_is_left_once() -> None:
    """Commands enter and leave scopes all the time, and are ended meanwhile."""
    for number in range(500):
        entered: list[int] = []
        left: list[int] = []

        def function(entered: list[int] = entered, left: list[int] = left) -> None:
            @contextlib.contextmanager
            def context(name: int) -> Iterator[None]:
                entered.append(name)
                try:
                    yield
                finally:
                    left.append(name)

            for name in range(0, 1_000_000, 2):
                with interruption.scope() as outer:
                    outer.enter_context(context(name))
                    with interruption.scope() as inner:
                        inner.enter_context(context(name + 1))

        command: Command[Any] = Command(function)
        threading.Timer(number / 250_000, command.end, [KeyboardInterrupt()]).start()
        with pytest.raises(KeyboardInterrupt):
            command.run()
        assert sorted(entered) == sorted(left)


IN_A_PROGRAM = """
import os, signal, sys, threading, time
from beam_pipeline import run
os.mkfifo("pipe")
signal.signal(signal.SIGINT, signal.default_int_handler)

def interrupt():
    with open("pipe", "wb"):  # opens when the run reads
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(60)

threading.Thread(target=interrupt, daemon=True).start()
try:
    run(["--input=pipe", "--output=result.json"])
except KeyboardInterrupt as error:
    print(error, os.listdir("."), os.listdir(os.environ["TMPDIR"]))
"""


def test_in_a_program_of_ones_own_an_interrupt_is_raised_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    (tmp_path / "work").mkdir()
    finished = subprocess.run(
        [sys.executable, "-c", IN_A_PROGRAM],
        cwd=tmp_path / "work",
        env=environment(TMPDIR=str(tmp_path / "tmp")),
        capture_output=True,
        timeout=GIVE_UP,
    )
    assert finished.stdout == b"interrupted; nothing was published ['pipe'] []\n", finished.stderr


def test_what_was_published_is_told_also_if_a_job_cannot_be_cancelled() -> None:
    class Lost(PipelineResult):
        def cancel(self) -> None:
            raise OSError("no answer")

    def interrupted() -> str:
        interruption.set_outcome("windows are in out")
        jobs = [Lost("RUNNING")]  # type: ignore[no-untyped-call]
        with pytest.raises(KeyboardInterrupt), cancelled_if_given_up(jobs, None):
            raise KeyboardInterrupt
        return interruption.outcome()

    assert Command(interrupted).run() == (
        "windows are in out; but its job cannot be cancelled and may go on: OSError: no answer"
    )
