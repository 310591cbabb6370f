"""Attempts are counted exactly, pauses grow to a bound, permanent errors end them at once."""

import errno
from typing import Any

import pytest
from apache_beam.io.filesystem import BeamIOError

from transforms.errors import AnagramError
from transforms.stages.chaos import Chaos, Fault, InjectedError
from transforms.stages.faults import is_transient
from transforms.stages.retry import Resilience, Retrier, RetriesExhaustedError


class Work:
    """Raises `errors`, one a call, and gives its argument once they are over."""

    def __init__(self, *errors: BaseException):
        self._errors = list(errors)
        self.calls = 0

    def __call__(self, value: str = "done") -> str:
        self.calls += 1
        if self._errors:
            raise self._errors.pop(0)
        return value


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that were waited between attempts; nobody waits for them."""
    waited: list[float] = []
    monkeypatch.setattr("tenacity.nap.time.sleep", waited.append)
    return waited


@pytest.mark.parametrize(
    ("error", "transient"),
    [
        (OSError(errno.EIO, "input/output error"), True),
        (OSError(errno.ESTALE, "stale file handle"), True),
        (OSError("of a filesystem without numbers"), True),
        (ConnectionResetError(), True),
        (TimeoutError(), True),
        (InterruptedError(), True),
        (InjectedError("injected"), True),
        (FileNotFoundError(errno.ENOENT, "no such file"), False),
        (PermissionError(errno.EACCES, "permission denied"), False),
        (IsADirectoryError(errno.EISDIR, "is a directory"), False),
        (OSError(errno.ENOSPC, "no space left"), False),
        (OSError(errno.EROFS, "read-only file system"), False),
        (EOFError("truncated"), False),
        (ValueError("no number"), False),
        (KeyError("x"), False),
        (MemoryError(), False),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid"), False),
        (BeamIOError("Match", {"a": OSError(errno.EIO, "x"), "b": TimeoutError()}), True),
        (
            BeamIOError("Match", {"a": OSError(errno.EIO, "x"), "b": FileNotFoundError(2, "")}),
            False,
        ),
        (BeamIOError("Match", {"a": ValueError("x")}), False),
        (BeamIOError("Match"), True),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_faults_of_systems_may_pass_and_those_of_data_will_not(
    error: BaseException, transient: bool, waits: list[float]
) -> None:
    assert is_transient(error) == transient
    retrier, work = Retrier("read", Resilience()), Work(error)
    if transient:
        assert retrier(work) == "done"
        assert work.calls == 2
    else:
        with pytest.raises(RetriesExhaustedError) as caught:
            retrier(work)
        assert (caught.value.cause, caught.value.attempts) == (error, 1)
        assert (work.calls, waits) == (1, [])
    assert retrier.drain_counts() == (int(transient), 0)


@pytest.mark.parametrize("failures", range(7))
@pytest.mark.parametrize("most", [1, 2, 5])
def test_there_are_as_many_attempts_as_are_needed_and_allowed(
    failures: int, most: int, waits: list[float]
) -> None:
    retrier = Retrier("extract", Resilience(max_attempts=most))
    errors = [OSError(f"fault {number}") for number in range(failures)]
    work = Work(*errors)
    if failures < most:
        assert retrier(work, "value") == "value"
        retries = failures
    else:
        with pytest.raises(RetriesExhaustedError) as caught:
            retrier(work)
        spent = caught.value
        assert (spent.stage, spent.cause, spent.attempts) == ("extract", errors[most - 1], most)
        assert spent.__cause__ is spent.cause
        after = f" after {most} attempts" if most > 1 else ""
        assert str(spent) == f"stage extract failed{after} (OSError: fault {most - 1})"
        retries = most - 1
    assert work.calls == retries + 1
    assert retrier.drain_counts() == (retries, 0)
    assert retrier.drain_counts() == (0, 0)
    assert len(waits) == retries


def test_waits_are_random_and_grow_up_to_a_bound(waits: list[float]) -> None:
    resilience = Resilience(max_attempts=12, initial_backoff=0.1, max_backoff=3.0)
    by_turn: list[list[float]] = [[] for _ in range(11)]
    for _ in range(300):
        waits.clear()
        with pytest.raises(RetriesExhaustedError):
            Retrier("read", resilience)(Work(*[TimeoutError()] * 12))
        assert len(waits) == 11
        for turn, wait in enumerate(waits):
            by_turn[turn].append(wait)
    for turn, seen in enumerate(by_turn):
        bound = min(0.1 * 2**turn, 3.0)
        assert 0 <= min(seen) < 0.1 * bound
        assert 0.9 * bound < max(seen) <= bound
        assert len(set(seen)) > 250


def test_latency_scales_the_waits_after_injected_faults_only(waits: list[float]) -> None:
    retrier = Retrier("read", Resilience(chaos=Chaos(latency=0)))
    retrier(Work(*[InjectedError("injected")] * 5))
    assert waits == [0] * 5
    waits.clear()
    retrier(Work(*[OSError("real")] * 5))
    assert len(waits) == 5
    assert min(waits) > 0


@pytest.mark.parametrize("rate", [0.5, 1.0])
def test_each_injected_fault_is_counted_and_answered_by_an_attempt(
    rate: float, waits: list[float]
) -> None:
    chaos = Chaos({"extract": Fault(rate)}, latency=0)
    retrier, work = Retrier("extract", Resilience(max_attempts=50, chaos=chaos)), Work()
    done = spent = 0
    for _ in range(40):
        try:
            retrier(work)
            done += 1
        except RetriesExhaustedError as error:
            assert (error.attempts, rate) == (50, 1.0)
            spent += 1
    retries, faults = retrier.drain_counts()
    assert faults == retries + spent > 0
    assert done == (40 if rate < 1 else 0)
    # Half of the faults strike behind the work, which is then done in vain.
    assert 0.3 * faults < work.calls - done < 0.7 * faults


def test_a_stage_without_a_fault_of_its_own_is_left_alone() -> None:
    retrier = Retrier("read", Resilience(chaos=Chaos({"extract": Fault(1.0)})))
    assert [retrier(Work()) for _ in range(100)] == ["done"] * 100
    assert retrier.drain_counts() == (0, 0)


@pytest.mark.parametrize(
    "error", [AnagramError("mend it"), RetriesExhaustedError("key", OSError(), 7)]
)
@pytest.mark.parametrize("before", [0, 2])
def test_what_is_final_within_is_not_attempted_again(
    error: Exception, before: int, waits: list[float]
) -> None:
    retrier, work = Retrier("extract", Resilience()), Work(*[OSError("fault")] * before, error)
    with pytest.raises(type(error)) as caught:
        retrier(work)
    assert caught.value is error
    assert work.calls == before + 1


def test_nested_attempts_multiply_and_the_inner_one_is_named(waits: list[float]) -> None:
    resilience = Resilience(max_attempts=3)
    outer, inner = Retrier("extract", resilience), Retrier("key", resilience)
    work = Work(*[OSError("fault")] * 2)
    assert outer(inner, work, "value") == "value"
    assert (outer.drain_counts(), inner.drain_counts()) == ((0, 0), (2, 0))
    with pytest.raises(RetriesExhaustedError, match="stage key failed after 3 attempts"):
        outer(inner, Work(*[OSError("fault")] * 3))
    assert (outer.drain_counts(), inner.drain_counts()) == ((0, 0), (2, 0))


def test_an_interrupt_is_no_fault() -> None:
    for before in (0, 1):
        work = Work(*[InjectedError("injected")] * before, KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            Retrier("extract", Resilience(chaos=Chaos(latency=0)))(work)
        assert work.calls == before + 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_attempts": 0}, r"max_attempts=0.*1 or more"),
        ({"on_error": "ignore"}, r"on_error='ignore'.*fail.*dead_letter"),
    ],
)
def test_invalid_settings_are_refused_by_name_and_value(
    settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Resilience(**settings)
