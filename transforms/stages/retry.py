"""Retries: faults that may pass are tried again, with growing pauses; others are final."""

import contextlib
import contextvars
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import ParamSpec, TypeVar

import tenacity

from transforms.checks import check_one_of, check_positive, check_type
from transforms.errors import AnagramError
from transforms.stages.chaos import Chaos, FaultInjector, InjectedError, stage_named
from transforms.stages.faults import is_transient, retry_after, root_causes

#: What to do with an element at which all attempts have failed.
FAULT_POLICIES = ("fail", "dead_letter")

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class Resilience:
    """How stages deal with faults.

    Attributes:
      max_attempts: at one piece of work, the first one included.
      on_error: what happens when all have failed: ``fail`` ends the run, ``dead_letter`` writes
        the element to the dead letters and goes on.
      chaos: faults to inject.
      initial_backoff, max_backoff: in seconds. The pause between two attempts is random; its
        upper bound doubles from the first to the second of these.
      max_retry_after: in seconds. A server that asks for a pause (``Retry-After``) gets it, but
        no longer one.
    """

    max_attempts: int = 10
    on_error: str = "fail"
    chaos: Chaos = field(default_factory=Chaos)
    initial_backoff: float = 0.1
    max_backoff: float = 10.0
    max_retry_after: float = 60.0

    def __post_init__(self) -> None:
        check_positive(max_attempts=self.max_attempts)
        check_type(Chaos, chaos=self.chaos)
        check_type(int, float, initial_backoff=self.initial_backoff, max_backoff=self.max_backoff)
        check_type(int, float, max_retry_after=self.max_retry_after)
        check_one_of(FAULT_POLICIES, on_error=self.on_error)

    def without_chaos(self) -> "Resilience":
        """Returns the same without injected faults, for what a run cannot do without."""
        return replace(self, chaos=Chaos())

    def of_thread(self, thread: int) -> "Resilience":
        """Returns the same for one of several threads, so that faults strike independently."""
        return replace(self, chaos=replace(self.chaos, seed=self.chaos.seed + thread))


_DEFAULT = Resilience()
_APPLIED = contextvars.ContextVar("resilience", default=_DEFAULT)


@contextlib.contextmanager
def applying(resilience: Resilience) -> Iterator[None]:
    """Inside, whatever has no setting of its own deals with faults like this. Injects none.

    That are the many small requests that filesystems make; so it is inside each `Retrier`.
    """
    before = _APPLIED.get()
    _APPLIED.set(resilience.without_chaos())
    try:
        yield
    finally:
        _APPLIED.set(before)  # an interrupted run is unwound in another context than it was in


def applied_resilience() -> Resilience:
    """Returns how whatever has no setting of its own deals with faults; see `applying`."""
    return _APPLIED.get()


class RetriesExhaustedError(Exception):
    """All attempts have failed; the error of the last one is chained.

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
    """Returns the type and message of an exception, or of the one that it wraps, in one line."""
    error = next(root_causes(error))
    message = " ".join(str(error).split())
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


class Retrier:
    """Does the work of one stage, as often as it takes.

    The work must change nothing before it is done, so that a failed attempt leaves no trace, and
    must bear being done again, since a fault may strike after it.

    Args:
      stage: one of `transforms.stages.chaos.STAGES`, or an alias of one.
      resilience: how often, with which pauses, and which faults to inject.

    Attributes:
      injects_faults: whether chaos strikes at this stage.
    """

    def __init__(self, stage: str, resilience: Resilience):
        self._stage = stage_named(stage)
        self._injector = FaultInjector(resilience.chaos, self._stage)
        self.injects_faults = self._stage in resilience.chaos.faults
        self._resilience, self._plain = resilience, resilience.without_chaos()
        self._retries = 0

    def __call__(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Calls `work` until it succeeds, and returns its result.

        Raises:
          RetriesExhaustedError: the error is permanent, or every attempt has failed.
          AnagramError: raised by the work, which is then not tried again.
        """
        outer = _APPLIED.get()
        _APPLIED.set(self._plain)
        try:
            # Most work succeeds at once, and then costs less than what retries need.
            return self.call_once(work, *args, **kwargs)
        except (RetriesExhaustedError, AnagramError):  # a stage within this one has given up
            raise
        except Exception as error:
            return self.retry(error, work, *args, **kwargs)
        finally:
            _APPLIED.set(outer)

    def call_once(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Makes a single attempt, and raises what it raises."""
        if self.injects_faults:
            return self._injector.attempt(work, *args, **kwargs)
        return work(*args, **kwargs)

    def retry(self, error: Exception, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Goes on after a first attempt, made by the caller, that has raised `error`.

        This is a call without its first attempt, for callers who make that one themselves.
        """
        first_error = [error]

        def attempt() -> T:
            if first_error:
                raise first_error.pop()
            return self.call_once(work, *args, **kwargs)

        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(is_transient),
            stop=tenacity.stop_after_attempt(self._resilience.max_attempts),
            wait=self._backoff,
            before_sleep=self._count_retry,
            reraise=True,
        )
        try:
            return retrying(attempt)
        except (RetriesExhaustedError, AnagramError):  # a stage within this one has given up
            raise
        except Exception as last_error:
            attempts = retrying.statistics["attempt_number"]
            raise RetriesExhaustedError(self._stage, last_error, attempts) from last_error

    def drain_counts(self) -> tuple[int, int]:
        """Returns the number of retries and of injected faults since the last call."""
        counts = self._retries, self._injector.injected
        self._retries = self._injector.injected = 0
        return counts

    def _backoff(self, state: tenacity.RetryCallState) -> float:
        assert state.outcome is not None
        error = state.outcome.exception()
        assert error is not None
        pause = tenacity.wait_random_exponential(
            self._resilience.initial_backoff, self._resilience.max_backoff
        )(state)
        if isinstance(error, InjectedError):
            return self._resilience.chaos.latency * pause
        return max(pause, min(retry_after(error), self._resilience.max_retry_after))

    def _count_retry(self, _: tenacity.RetryCallState) -> None:
        self._retries += 1
