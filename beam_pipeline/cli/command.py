"""The command line as a function: arguments in, exit code out."""

import contextlib
import json
import logging
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from beam_pipeline.cases import difference, load_cases
from beam_pipeline.cli.messages import (
    JsonFormatter,
    message_of,
    print_error,
    print_verdict,
    wants_json,
)
from beam_pipeline.cli.parsing import help_text, parse
from beam_pipeline.cli.replay import COMMAND as REPLAY
from beam_pipeline.cli.replay import replay_arguments
from beam_pipeline.cli.summary import print_summary
from beam_pipeline.errors import ExitCode, UsageError
from beam_pipeline.job import run_job
from beam_pipeline.options import AnagramOptions
from transforms.errors import AnagramError


def run(argv: Sequence[str]) -> int:
    """Command-line arguments -> exit code: 0 done, 1 the run failed, 2 wrong usage."""
    if "--help" in argv or "-h" in argv:
        print(help_text(), end="")
        return ExitCode.DONE
    with contextlib.ExitStack() as stack:
        try:
            if argv[:1] == [REPLAY]:
                argv = replay_arguments(argv[1:])
            options = parse(argv)
            stack.enter_context(_logging(options))
            if options.test_case:
                return _run_cases(argv, options.test_case)
            report = run_job(options)
        except AnagramError as error:
            if "--verbose" in argv:
                logging.exception("The run failed")
            code = ExitCode.WRONG_USAGE if isinstance(error, UsageError) else ExitCode.FAILED
            print_error(message_of(error), code, as_json=wants_json(argv))
            return code
    print_summary(report, as_json=options.log_format == "json")
    return ExitCode.DONE


@contextlib.contextmanager
def _logging(options: AnagramOptions) -> Iterator[None]:
    """Within, the root logger has the level and the format that the options say."""
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


def _run_cases(argv: Sequence[str], name: str) -> int:
    """Runs the built-in cases, prints their results as one JSON object, and compares them."""
    results: dict[str, dict[str, int]] = {}
    failed = 0
    for case in load_cases(name):
        with tempfile.TemporaryDirectory() as folder:
            options = _case_options(argv, case.text, f"{folder}/result.json")
            run_job(options)
            results[case.name] = json.loads(Path(folder, "result.json").read_text("utf-8"))
        differs = difference(case.expected, results[case.name])
        verdict = "as expected"
        if differs:
            failed += 1
            verdict = (
                f"missing {list(differs.missing)}, extra {list(differs.extra)}, "
                f"wrong {list(differs.wrong)}"
            )
        as_json = options.log_format == "json"
        print_verdict(case.name, len(case.expected), verdict, as_json=as_json)
    print(json.dumps(results, ensure_ascii=False, indent=2))
    return ExitCode.FAILED if failed else ExitCode.DONE


def _case_options(argv: Sequence[str], text: str, output: str) -> AnagramOptions:
    options = parse(argv)
    options.test_case, options.text = None, text
    options.output, options.output_format = output, "json"
    return options
