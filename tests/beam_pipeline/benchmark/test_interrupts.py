"""Signals end a command in order, and wait while processes are being stopped."""

import os
import signal

import pytest

from beam_pipeline.benchmark.interrupts import Interrupted, signals_raise, signals_wait
from tests.support.cli import interruptible


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_is_an_exception_with_its_exit_code(number: signal.Signals, code: int) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with interruptible(), pytest.raises(Interrupted) as caught, signals_raise():
        signal.raise_signal(number)
    assert caught.value.exit_code == code
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_signal_waits_for_what_must_not_be_interrupted() -> None:
    done = []
    with pytest.raises(Interrupted), signals_raise():
        with signals_wait():
            os.kill(os.getpid(), signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGINT)
            with signals_wait():
                done.append("inner")
            done.append("outer")
        done.append("never")
    assert done == ["inner", "outer"]
