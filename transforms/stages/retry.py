"""Retries transient errors, with exponential backoff; other errors are final."""

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
    """How stages handle errors.

    Attributes:
      max_attempts: the maximum number of attempts at an element, including the first one.
      on_error: what happens when all attempts have failed: ``fail`` ends the run, ``dead_letter``
        writes the element to the dead letters and goes on.
      chaos: the faults to inject.
      initial_backoff, max_backoff: bounds of the pauses, in seconds. The pause between two attempts
        is random; its upper bound begins with the first and doubles up to the second.
      max_retry_after: the longest pause that a server can ask for (``Retry-After``), in seconds.
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
        """Returns a copy without injected faults, for steps that a run depends on."""
        return replace(self, chaos=Chaos())

    def of_thread(self, thread: int) -> "Resilience":
        """Returns a copy for one of several threads, with faults that are independent of others."""
        return replace(self, chaos=replace(self.chaos, seed=self.chaos.seed + thread))


_DEFAULT = Resilience()
_APPLIED = contextvars.ContextVar("resilience", default=_DEFAULT)


@contextlib.contextmanager
def applying(resilience: Resilience) -> Iterator[None]:
    """Inside, code without its own `Resilience` uses this one, without injected faults.

    Such code is the many small requests of filesystems. Each `Retrier` applies its settings.
    """
    before = _APPLIED.get()
    _APPLIED.set(resilience.without_chaos())
    try:
        yield
    finally:
        _APPLIED.set(before)  # not a token: an interrupted run is unwound in another context


def applied_resilience() -> Resilience:
    """Returns the settings for code that has none of its own; see `applying`."""
    return _APPLIED.get()


class RetriesExhaustedError(Exception):
    """All attempts have failed; the error of the last one is chained.

    Attributes:
      stage: the name of the stage.
      cause: the error of the last attempt.
      attempts: the number of attempts.
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
    name = type(error).__name__
    message = message.removeprefix(f"{name}: ")  # some libraries begin their messages with it
    return f"{name}: {message}" if message and message != name else name


class Retrier:
    """Calls functions of one stage, and retries them if they fail.

    A function must have no effect unless it succeeds, so that a failed attempt leaves no trace, and
    must be repeatable, because a fault may occur after it.

    Args:
      stage: one of `transforms.stages.chaos.STAGES`, or an alias of one.
      resilience: the number of attempts, the pauses between them, and the faults to inject.

    Attributes:
      injects_faults: whether faults are injected into this stage.
    """

    def __init__(self, stage: str, resilience: Resilience):
        self._stage = stage_named(stage)
        self.injects_faults = self._stage in resilience.chaos.faults
        # The state of its random numbers takes 2.5 KB, and every step has several retriers.
        self._injector = (
            FaultInjector(resilience.chaos, self._stage) if self.injects_faults else None
        )
        self._resilience, self._plain = resilience, resilience.without_chaos()
        self._retries = 0

    def __call__(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Calls `work` until it succeeds, and returns its result.

        Raises:
          RetriesExhaustedError: the error is permanent, or every attempt has failed.
          AnagramError: raised by the function, which is then not retried.
        """
        outer = _APPLIED.get()
        _APPLIED.set(self._plain)
        try:
            # Most calls succeed at once, so the machinery for retries is not set up before.
            return self.call_once(work, *args, **kwargs)
        except (RetriesExhaustedError, AnagramError):  # a stage within this one has given up
            raise
        except Exception as error:
            return self.retry(error, work, *args, **kwargs)
        finally:
            _APPLIED.set(outer)

    def call_once(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Makes a single attempt, and raises its error."""
        if self._injector is not None:
            return self._injector.attempt(work, *args, **kwargs)
        return work(*args, **kwargs)

    def retry(self, error: Exception, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Makes the attempts after the first one, which the caller made and which raised it."""
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

    def applied(self) -> contextlib.AbstractContextManager[None]:
        """Inside, requests of filesystems are retried with the settings of this stage."""
        return applying(self._plain)

    def drain_counts(self) -> tuple[int, int]:
        """Returns the number of retries and of injected faults since the last call."""
        retries, self._retries = self._retries, 0
        if self._injector is None:
            return retries, 0
        injected, self._injector.injected = self._injector.injected, 0
        return retries, injected

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
