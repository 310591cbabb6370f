"""The command line as a function: arguments in, exit code out."""

import contextlib
import functools
import json
import logging
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from beam_pipeline import interruption
from beam_pipeline.cases import difference, load_cases
from beam_pipeline.cli.completion import options_of_case
from beam_pipeline.cli.messages import (
    JsonFormatter,
    message_of,
    print_error,
    print_internal_error,
    print_notice,
    print_verdict,
    wants_json,
)
from beam_pipeline.cli.parsing import (
    COMPARE_REPORTS,
    help_text,
    parse,
    use_filesystem_options,
)
from beam_pipeline.cli.paths import has_current_folder
from beam_pipeline.cli.replay import COMMAND as REPLAY
from beam_pipeline.cli.replay import replay_arguments
from beam_pipeline.cli.stream_summary import print_stream_summary
from beam_pipeline.cli.summary import Summary, print_summary
from beam_pipeline.cli.version import is_version_wanted, version_text
from beam_pipeline.errors import ExitCode, UsageError
from beam_pipeline.io.inputs import reads_terminal
from beam_pipeline.io.scratch import scratch_folder
from beam_pipeline.job import run_job
from beam_pipeline.options import AnagramOptions, is_streaming
from beam_pipeline.standard_streams import print_result
from transforms.errors import AnagramError
from transforms.stages.retry import Resilience, applying


def run(argv: Sequence[str], began: float | None = None) -> int:
    """Runs the command line inside any process; all changes to the process are undone.

    Args:
      argv: the arguments, without the name of the program.
      began: when the program was started, in seconds since the epoch; by default now. Run times
        are measured from then.

    Returns:
      An `ExitCode`: 0 on success, 1 if the run has failed, 2 if the usage is wrong. Errors are
      printed, not raised.

    Raises:
      KeyboardInterrupt: the run was interrupted and has cleaned up; the message says whether the
        result was published.
    """
    began = time.time() if began is None else began
    return interruption.run(functools.partial(_run, list(argv), began))


def _run(argv: list[str], began: float) -> ExitCode:
    as_json = wants_json(argv)
    with interruption.scope() as stack:
        try:
            return _execute(argv, began, stack)
        except Exception as error:
            if "--verbose" in argv:
                logging.exception("The run failed")
            interruption.finish()
            if isinstance(error, FileNotFoundError) and not has_current_folder():
                error = AnagramError("the current folder has been deleted; change to another one")
            if not isinstance(error, AnagramError):
                return print_internal_error(error, as_json=as_json)
            code = ExitCode.WRONG_USAGE if isinstance(error, UsageError) else ExitCode.FAILED
            print_error(message_of(error), code, as_json=as_json)
            return code


def _execute(argv: list[str], began: float, stack: contextlib.ExitStack) -> ExitCode:
    if is_version_wanted(argv):
        print_result(version_text())
        return ExitCode.DONE
    if argv[:1] == [COMPARE_REPORTS]:
        # Imported only here, because a run does not need it.
        from beam_pipeline.cli.compare_reports import compare_reports

        return compare_reports(argv[1:])
    if "--help" in argv or "-h" in argv:
        print_result(help_text().rstrip("\n"))
        return ExitCode.DONE
    if argv[:1] == [REPLAY]:
        given = use_filesystem_options(argv[1:])
        with applying(Resilience(given.max_attempts)):
            argv = replay_arguments(argv[1:])
    options = parse(argv)
    stack.enter_context(_logging(options))
    if options.test_case:
        return _run_cases(options)
    as_json = options.log_format == "json"
    if reads_terminal(options.input or ()):
        notice = "reading standard input; end with Ctrl-D at the start of a line"
        print_notice(notice, as_json=as_json)
    if is_streaming(options):
        # Imported only here, because no other run needs it.
        from beam_pipeline.stream_job import run_stream

        notify = functools.partial(print_notice, as_json=as_json)
        report = run_stream(options, began, notify)
        interruption.finish()
        print_stream_summary(report, options.output, options.report, as_json=as_json)
        return ExitCode.DONE
    report = run_job(options, began, functools.partial(print_notice, as_json=as_json))
    interruption.finish()
    print_summary(Summary.of(report, options, seconds=time.time() - began), as_json=as_json)
    return ExitCode.DONE


@contextlib.contextmanager
def _logging(options: AnagramOptions) -> Iterator[None]:
    """Gives the root logger the level and the format of the options, inside the ``with`` block."""
    log = logging.getLogger()
    level, formatters = log.level, {handler: handler.formatter for handler in log.handlers}
    log.setLevel(logging.INFO if options.verbose else logging.CRITICAL)
    if options.log_format == "json":
        for handler in formatters:
            handler.setFormatter(JsonFormatter())
    try:
        yield
    finally:
        log.setLevel(level)
        for handler, formatter in formatters.items():
            handler.setFormatter(formatter)


def _run_cases(options: AnagramOptions) -> ExitCode:
    """Runs the built-in cases that the options ask for, and compares their results.

    Prints the results as one JSON object on standard output, and a verdict for each case.
    """
    results: dict[str, dict[str, int]] = {}
    code = ExitCode.DONE
    with interruption.scope() as stack:
        folder = stack.enter_context(scratch_folder())
        # Only this function reads the published results of the cases.
        stack.callback(interruption.set_outcome, interruption.NOTHING_PUBLISHED)
        for case in load_cases(options.test_case):
            output = Path(folder, f"{case.name}.json")
            run_job(options_of_case(options, case.text, str(output)))
            results[case.name] = json.loads(output.read_text("utf-8"))
            verdict = "as expected"
            if differs := difference(case.expected, results[case.name]):
                code = ExitCode.FAILED
                verdict = (
                    f"missing {list(differs.missing)}, extra {list(differs.extra)}, "
                    f"wrong {list(differs.wrong)}"
                )
            as_json = options.log_format == "json"
            print_verdict(case.name, len(case.expected), verdict, as_json=as_json)
    interruption.set_outcome(interruption.PRINTING)
    print_result(json.dumps(results, ensure_ascii=False, indent=2))
    interruption.set_outcome(interruption.PUBLISHED)
    interruption.finish()
    return code
