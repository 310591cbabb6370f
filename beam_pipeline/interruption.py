"""Ends a command early, at any moment and whatever it is doing, so that nothing is left behind.

Python raises `KeyboardInterrupt` at whatever instruction the main thread executes: within Beam,
which wraps it into an error of its own; within an import, which is then incomplete; or between the
creation of a file and the line that would remove it. Therefore a command runs in a thread of its
own, and the thread that has called it only waits: for its end, for an interrupt, or for the report
that a worker process has died.

To end it early, the waiting thread exits the command's scopes (see `scope`) itself, innermost
first, as if the error had been raised in the command. The command is abandoned: it is stopped if
possible, and can no longer enter or leave a scope.

Uses the standard library only, as `__main__` loads it before anything else.
"""

import contextlib
import ctypes
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, Generic, TypeVar

T = TypeVar("T")

#: What the user is told when a command is interrupted; a command begins with the first. See
#: `Command.outcome`.
NOTHING_PUBLISHED = "nothing was published"
PRINTING = "a part of the result may have been written to standard output"
PUBLISHED = "the result had been published"


# For how many seconds at most a signal that the system delivers to another thread is not noticed.
_SIGNAL_LATENCY = 0.1


class Command(Generic[T]):
    """Calls a function in a thread of its own, and can end it early.

    Args:
      function: the command. Whatever it must undo, it does within a `scope`.
      grace: for how many seconds to wait for a command that is ended early to stop. A command that
        is blocked, for example because it reads from a pipe, does not stop.

    Attributes:
      outcome: what the user is told if the command is interrupted now: whether a result has been
        published.
    """

    def __init__(self, function: Callable[[], T], *, grace: float = 0.5):
        self._function = function
        self._grace = grace
        self._thread = threading.Thread(target=self._call, name="command", daemon=True)
        self._events: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()
        self._gate = threading.RLock()  # held by a thread that enters or leaves a scope
        self._turns = 0  # how many times the gate is held, nested
        self._scopes: list[_Scope] = []
        self._inner: Command[Any] | None = None
        self._returned: list[T] = []
        self._error: BaseException | None = None
        self._has_stopped = threading.Event()
        self._is_decided = threading.Event()  # whether it was ended early, if that was tried
        self._is_ending = False
        self._is_over = self._is_abandoned = False
        self.outcome = NOTHING_PUBLISHED

    def run(self) -> T:
        """Runs the command to its end.

        Within another command, the thread of that command waits, and passes on errors that end it
        early.

        Returns:
          What the function returns.

        Raises:
          BaseException: the error that the function raises, or that has ended it early; in the
            latter case all its scopes have been left. The message of a `KeyboardInterrupt` says
            whether anything was published.
        """
        outer = current()
        if outer is not None:
            outer._set_inner(self)
        self._thread.start()
        try:
            early = self._next_event()
        except KeyboardInterrupt as interrupt:  # in a program that has left SIGINT to Python
            early = interrupt
        is_early = early is not None and self._end_early(early)
        if outer is not None:
            outer._set_inner(None)
        elif is_early and isinstance(self._error, KeyboardInterrupt):
            self._error.args = (f"interrupted; {self.outcome}",)
        if self._error is not None:
            raise self._error
        return self._returned[0]

    def end(self, error: BaseException) -> None:
        """Ends the command with `error`, if it is not over. Any thread or handler may call this."""
        self._events.put(error)

    def finish(self) -> None:
        """Makes the result final: from now on the command only prints and cannot be ended early."""
        with self._in_turn():
            self._is_over = True

    def _call(self) -> None:
        _local.command = self
        try:
            self._returned.append(self._function())
        except BaseException as error:
            if not self._is_abandoned:
                self._error = error
        finally:
            self._has_stopped.set()
            self._events.put(None)

    def _next_event(self) -> BaseException | None:
        """Waits for an error that ends the command early; returns None if it ended by itself."""
        while True:
            # The system may deliver a signal to another thread, but only this one can handle it.
            with contextlib.suppress(queue.Empty):
                return self._events.get(timeout=_SIGNAL_LATENCY)

    def _set_inner(self, inner: "Command[Any] | None") -> None:
        with self._in_turn():
            self._inner = inner

    def _end_early(self, error: BaseException) -> bool:
        """Ends the command with `error`; returns False if it was over before."""
        self._is_ending = True
        with self._gate:
            self._is_decided.set()
            self._is_abandoned = not self._is_over
            if self._is_abandoned:
                self._leave_scopes(error)
        while not self._is_abandoned and self._next_event() is not None:
            pass
        return self._is_abandoned

    def _leave_scopes(self, error: BaseException) -> None:
        self._stop()
        outer, _local.command = current(), self
        try:
            for scope in reversed(self._scopes):
                try:
                    scope.leave(error)
                except BaseException as raised:
                    error = raised
        finally:
            _local.command = outer
        self._error = error

    def _stop(self) -> None:
        """Stops the function, unless it is blocked for longer than the grace period."""
        if self._inner is not None:
            self._inner.end(SystemExit())
            self._has_stopped.wait(self._inner._grace)
        _raise_in(self._thread, SystemExit)
        self._has_stopped.wait(self._grace)

    @contextlib.contextmanager
    def _in_turn(self) -> Iterator[None]:
        """Lets the command enter or leave a scope; stops it if it has been abandoned."""
        is_command = threading.current_thread() is self._thread
        if is_command and self._is_ending and not self._turns:
            # With the lock alone, this thread could enter again and again before the other.
            self._has_stopped.set()
            self._is_decided.wait()
        with self._gate:
            if is_command and self._is_abandoned:
                raise SystemExit  # ends a thread silently
            self._turns += 1
            try:
                yield
            finally:
                self._turns -= 1


class _Scope(contextlib.ExitStack):
    """The contexts of a command, left by its own thread or by the waiting one."""

    def __init__(self, command: Command[Any]):
        super().__init__()
        self._command = command

    def __enter__(self) -> "_Scope":
        with self._command._in_turn():
            self._command._scopes.append(self)
        return self

    def enter_context(self, cm: AbstractContextManager[T, Any]) -> T:
        with self._command._in_turn():
            return super().enter_context(cm)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        with self._command._in_turn():
            try:
                return bool(super().__exit__(kind, error, traceback))
            finally:
                self._command._scopes.remove(self)

    def leave(self, error: BaseException) -> None:
        """Leaves all contexts, in the waiting thread, as if `error` had been raised within."""
        super().__exit__(type(error), error, error.__traceback__)


_local = threading.local()


def current() -> Command[Any] | None:
    """Returns the command that this thread runs, or None."""
    return getattr(_local, "command", None)


def run(function: Callable[[], T]) -> T:
    """Runs a function as a `Command`; within a command this is a plain call."""
    return function() if current() else Command(function).run()


def scope() -> contextlib.ExitStack:
    """Returns a stack of contexts, all of which are left even if the command is ended early.

    Example:
      >>> with scope() as stack:
      ...     _ = stack.callback(print, "removed")
      ...     print("created")
      created
      removed
    """
    command = current()
    return contextlib.ExitStack() if command is None else _Scope(command)


def outcome() -> str:
    """Returns what the user must know should the current command be interrupted now."""
    command = current()
    return NOTHING_PUBLISHED if command is None else command.outcome


def set_outcome(outcome: str) -> None:
    """Sets what the user is told if the current command is interrupted from now on."""
    if command := current():
        command.outcome = outcome


def finish() -> None:
    """Makes the result of the current command final; see `Command.finish`."""
    if command := current():
        command.finish()


def _raise_in(thread: threading.Thread, error: type[BaseException]) -> None:
    """Raises an error in another thread as soon as that executes Python code again."""
    assert thread.ident is not None
    ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(thread.ident), ctypes.py_object(error)
    )
