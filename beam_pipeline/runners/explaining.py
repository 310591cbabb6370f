"""Turns the error of a runner into the error for the user that is behind it."""

import re
from collections.abc import Iterator

from beam_pipeline.runners import beam_internals
from transforms.errors import AnagramError
from transforms.stages.retry import describe


def explain(error: BaseException) -> AnagramError:
    """Returns the error for the user that is behind an error of a runner.

    The error of a worker reaches this process as the text of a traceback, often inside an error of
    the runner's own. The name of its type is looked for in that text.

    Args:
      error: what the runner has raised.

    Returns:
      The error that a worker raised, of the same type (`AnagramError` or derived from it) and with
      the same message. Where there is none, an `AnagramError` that names the last cause.
    """
    causes: list[str] = []
    for link in _chain(error):
        if beam_internals.is_lost_connection(link):
            return AnagramError("the runner's job server has ended, or cannot be reached any more")
        text = f"{_full_name(type(link))}: {link}"
        if (of_user := user_error(text)) is not None:
            return of_user
        causes += [line for line in text.splitlines() if _CAUSE.match(line)]
    return AnagramError(_shortened(causes[-1]) if causes else describe(error))


def user_error(text: str) -> AnagramError | None:
    """Returns the error for the user that a worker has raised last, or that it lacks a package.

    Either would occur again in every attempt. None if there is no such error.

    Args:
      text: tracebacks, of Python within those of Java maybe.
    """
    types = _user_errors()
    of_user = re.compile(rf"({'|'.join(map(re.escape, types))}): (.*)")
    if found := [match for line in text.splitlines() if (match := of_user.search(line))]:
        name, message = found[-1].groups()  # raised last: it knows more than what caused it
        return types[name](beam_internals.without_step(message))
    raised = [line for line in text.splitlines() if _CAUSE.match(line)]
    if raised and raised[-1].startswith(_MISSING):
        reason = beam_internals.without_step(raised[-1].removeprefix(_MISSING))
        return AnagramError(
            f"workers lack a package ({reason}); install what they need, or let the job bring it"
        )
    return None


def root_cause(text: str) -> str:
    """Returns the last cause that a traceback of Java names, in one line.

    Example:
      >>> root_cause("a.B: it failed\\n\\tat x.Y(Z.java:1)\\nCaused by: c.D: no disk")
      'c.D: no disk'
    """
    first, *others = text.splitlines() or ["unknown"]
    prefix = "Caused by: "
    causes = [line.removeprefix(prefix) for line in others if line.startswith(prefix)]
    return causes[-1] if causes else first


_MISSING = "ModuleNotFoundError: "
_CAUSE = re.compile(r"[A-Za-z_][\w.]*(Error|Exception)\b: .")


def _shortened(cause: str) -> str:
    """Returns the line of a traceback that names a cause, without a job's number and state."""
    reason = beam_internals.job_failure(cause.partition(": ")[2])
    return cause if reason is None else f"the job has failed: {reason}"


def _user_errors() -> dict[str, type[AnagramError]]:
    """Returns the types of errors for the user, by their names in a traceback."""
    found: dict[str, type[AnagramError]] = {}
    pending = [AnagramError]
    while pending:
        error_type = pending.pop()
        found[_full_name(error_type)] = error_type
        pending += error_type.__subclasses__()
    return found


def _full_name(error_type: type[BaseException]) -> str:
    return f"{error_type.__module__}.{error_type.__qualname__}"


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yields `error`, its cause, the cause of that, and so on."""
    link: BaseException | None = error
    seen: set[int] = set()
    while link is not None and id(link) not in seen:  # a chain of causes may be a ring
        seen.add(id(link))
        yield link
        link = link.__cause__ or link.__context__
