"""Converts the error of a runner to an error for the user with the original cause."""

import itertools
import re
import sys
from collections.abc import Iterator

from beam_pipeline.runners import beam_internals
from beam_pipeline.runners.own_servers import OwnServers
from transforms.errors import AnagramError
from transforms.stages.retry import describe


def explain(
    error: BaseException, at_flink: str = "", servers: OwnServers | None = None
) -> AnagramError:
    """Returns the error for the user that has caused an error of a runner.

    The error of a worker reaches this process as the text of a traceback, often inside another
    error of the runner. The name of its type is searched in that text.

    Args:
      error: the error that the runner has raised.
      at_flink: the traceback of the last failure, if the job is on a Flink cluster; it has more
        details than Beam passes on.
      servers: the servers that Beam has started for the run.

    Returns:
      The error that a worker raised, of the same type (`AnagramError` or derived from it) and with
      the same message. If there is none, an `AnagramError` with the last cause.
    """
    causes: list[str] = []
    for link in _chain(error):
        if beam_internals.is_lost_connection(link):
            if servers is not None and (end := servers.end()):
                return AnagramError(f"the runner's job server has ended ({end})")
            return AnagramError("the runner's job server has ended, or cannot be reached any more")
        text = f"{_full_name(type(link))}: {link}"
        if (of_user := user_error(text)) is not None:
            return of_user
        causes += [line for line in text.splitlines() if _CAUSE.match(line)]
    if (of_pool := _unreachable_pool(at_flink)) is not None:
        return of_pool
    return AnagramError(_shortened(causes[-1]) if causes else describe(error))


def user_error(text: str) -> AnagramError | None:
    """Returns the last error for the user that a worker has raised; None if there is none.

    This may also be that workers lack a package, or have another version of Python. All of these
    errors would occur again in every attempt.

    Args:
      text: tracebacks of Python, possibly within tracebacks of Java.
    """
    types = _user_errors()
    of_user = re.compile(rf"({'|'.join(map(re.escape, types))}): (.*)")
    if found := [match for line in text.splitlines() if (match := of_user.search(line))]:
        name, message = found[-1].groups()  # the last one has more details than its causes
        return types[name](beam_internals.without_step(message))
    raised = [line for line in text.splitlines() if _CAUSE.match(line)]
    if raised and (other := {*_PYTHON_OF_FRAME.findall(text)} - {_PYTHON}):
        return AnagramError(
            f"workers have Python {', '.join(sorted(other))}, and this program has {_PYTHON}; they "
            f"must have the same ({beam_internals.without_step(raised[-1])})"
        )
    if raised and raised[-1].startswith(_MISSING):
        reason = beam_internals.without_step(raised[-1].removeprefix(_MISSING))
        return AnagramError(
            f"workers lack a package ({reason}); install what they need, or let the job bring it"
        )
    return None


def _unreachable_pool(text: str) -> AnagramError | None:
    """Returns the error for the user if a Java runner could not connect to its worker pool.

    Args:
      text: a Java traceback.
    """
    if "ExternalEnvironmentFactory.createEnvironment" in text and "UNAVAILABLE" in text:
        return AnagramError(
            f"no worker pool answers where the runner looks for it ({root_cause(text)}); it must "
            "run beside each of the runner's workers (environment_config)"
        )
    return None


def root_cause(text: str) -> str:
    """Returns the last cause in a Java traceback, in one line.

    If that is the failure of a Python worker, returns what was raised there.

    Example:
      >>> root_cause("a.B: it failed\\n\\tat x.Y(Z.java:1)\\nCaused by: c.D: no disk")
      'c.D: no disk'
      >>> root_cause("a.B: Traceback:\\n  File x\\nOSError: no disk\\n\\tat x.Y(Z.java:1)")
      'OSError: no disk'
    """
    prefix, lines = "Caused by: ", text.splitlines() or ["unknown"]
    last = max((n for n, line in enumerate(lines) if line.startswith(prefix)), default=0)
    message = itertools.takewhile(lambda line: not line.startswith("\tat "), lines[last + 1 :])
    if raised := [line for line in message if _CAUSE.match(line)]:
        return beam_internals.without_step(raised[-1])
    return lines[last].removeprefix(prefix)


_MISSING = "ModuleNotFoundError: "
_PYTHON = "{}.{}".format(*sys.version_info)
_PYTHON_OF_FRAME = re.compile(r'^ *File "[^"]*/python(\d+\.\d+)/', re.MULTILINE)
_CAUSE = re.compile(r"[A-Za-z_][\w.]*(Error|Exception)\b: .")


def _shortened(cause: str) -> str:
    """Returns the line with the cause of an error, without the id and state of the job."""
    reason = beam_internals.job_failure(cause.partition(": ")[2])
    if reason is not None and beam_internals.is_missing_worker(reason):
        return (
            "no Python worker has come to Prism within a minute; see what the worker pool prints "
            "(environment_config)"
        )
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
    while link is not None and id(link) not in seen:  # a chain of causes may be cyclic
        seen.add(id(link))
        yield link
        link = link.__cause__ or link.__context__
