"""Retrier at a stage's work: faults that may pass are retried, others told at once."""

import errno
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import NoReturn, ParamSpec, TypeVar

import tenacity
from apache_beam.io.filesystem import BeamIOError

from transforms.checks import check_one_of, check_positive
from transforms.errors import AnagramError
from transforms.stages.chaos import Chaos, FaultInjector, InjectedError

#: What to do with a record whose attempts are spent.
FAULT_POLICIES = ("fail", "dead_letter")

# Errors of the operating system that will be the same the next time.
_PERMANENT_ERRNOS = {
    errno.EACCES,
    errno.EEXIST,
    errno.EISDIR,
    errno.ENAMETOOLONG,
    errno.ENOENT,
    errno.ENOSPC,
    errno.ENOTDIR,
    errno.EPERM,
    errno.EROFS,
}

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class Resilience:
    """How stages bucket_words with faults.

    Attributes:
      max_attempts: at one piece of work, the first included.
      on_error: ``fail`` ends the run when they are spent, ``dead_letter`` puts the record aside.
      chaos: faults to inject.
      initial_backoff, max_backoff: the wait between two attempts is random; its upper bound doubles
        from the first to the longest, in seconds.
    """

    max_attempts: int = 10
    on_error: str = "fail"
    chaos: Chaos = field(default_factory=Chaos)
    initial_backoff: float = 0.1
    max_backoff: float = 10.0

    def __post_init__(self) -> None:
        check_positive(max_attempts=self.max_attempts)
        check_one_of(FAULT_POLICIES, on_error=self.on_error)

    def without_chaos(self) -> "Resilience":
        """For what a run cannot do without: chaos is for what is put aside one by one."""
        return replace(self, chaos=Chaos())


def is_transient(error: BaseException) -> bool:
    """Whether another attempt may go well: faults of filesystems and networks, and injected ones.

    What depends on the data alone (it cannot be decompressed, decoded, parsed) stays as it is.
    """
    if isinstance(error, BeamIOError):
        return all(map(is_transient, (error.exception_details or {}).values()))
    if isinstance(error, OSError):
        return error.errno not in _PERMANENT_ERRNOS
    return isinstance(error, InjectedError)


class RetriesExhaustedError(Exception):
    """All attempts have failed; the cause of the last one is chained.

    Attributes:
      stage: whose work it was.
      cause: the error of the last attempt.
      attempts: how many there were.
    """

    def __init__(self, stage: str, cause: BaseException, attempts: int):
        super().__init__(stage, cause, attempts)
        self.stage, self.cause, self.attempts = stage, cause, attempts

    def __str__(self) -> str:
        after = f" after {self.attempts} attempts" if self.attempts > 1 else ""
        return f"stage {self.stage} failed{after} ({describe(self.cause)})"


def describe(error: BaseException) -> str:
    """An exception -> its type and message in one line."""
    message = " ".join(str(error).split())
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


# A stage within this one has made its attempts; the user must mend it.
_FINAL = (RetriesExhaustedError, AnagramError)


class Retrier:
    """Does the work of one stage, as often as it takes.

    The work must change nothing before it is done, so that an attempt that fails leaves no
    trace, and must bear being done again, since a fault may strike behind it.

    Attributes:
      is_chaotic: whether faults are injected.
    """

    def __init__(self, stage: str, resilience: Resilience):
        self._stage = stage
        self._injector = FaultInjector(resilience.chaos, stage)
        self.is_chaotic = stage in resilience.chaos.faults
        self._resilience = resilience
        self._retries = 0

    def __call__(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """-> what `work` gives.

        Raises:
          RetriesExhaustedError: the error will not pass, or has come in every attempt.
          AnagramError: the work has raised it.
        """
        try:
            return self.call_once(work, *args, **kwargs)
        except Exception as error:
            return self.retry(error, work, *args, **kwargs)

    def call_once(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """-> what `work` gives in a single attempt, which raises what it raises."""
        if self.is_chaotic:
            return self._injector.attempt(work, *args, **kwargs)
        return work(*args, **kwargs)

    def retry(self, error: Exception, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What a call does after its first attempt, which has raised `error`."""
        if isinstance(error, _FINAL):
            raise error
        failed = [error]

        def attempt() -> T:
            if failed:
                raise failed.pop()
            self._retries += 1
            return self.call_once(work, *args, **kwargs)

        retrying = tenacity.Retrying(
            stop=self._is_enough, wait=self._wait, retry_error_callback=self._give_up
        )
        return retrying(attempt)

    def drain_counts(self) -> tuple[int, int]:
        """-> how many retries there were since the last call, and how many injected faults."""
        taken = self._retries, self._injector.injected
        self._retries = self._injector.injected = 0
        return taken

    def _is_enough(self, state: tenacity.RetryCallState) -> bool:
        if not is_transient(_error(state)):
            return True
        return state.attempt_number >= self._resilience.max_attempts

    def _wait(self, state: tenacity.RetryCallState) -> float:
        injected = isinstance(_error(state), InjectedError)
        factor = self._resilience.chaos.latency if injected else 1.0
        longest = self._resilience.max_backoff
        wait = tenacity.wait_random_exponential(self._resilience.initial_backoff, longest)
        return factor * wait(state)

    def _give_up(self, state: tenacity.RetryCallState) -> NoReturn:
        error = _error(state)
        if isinstance(error, _FINAL):
            raise error
        raise RetriesExhaustedError(self._stage, error, state.attempt_number) from error


def _error(state: tenacity.RetryCallState) -> BaseException:
    error = state.outcome.exception() if state.outcome else None
    assert error is not None
    return error
