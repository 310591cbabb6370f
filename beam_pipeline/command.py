"""The command line as a function: arguments in, exit code out."""

import json
import logging
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from beam_pipeline.arguments import help_text, parse
from beam_pipeline.cases import load_cases
from beam_pipeline.job import run_job
from beam_pipeline.options import AnagramOptions, UsageError
from beam_pipeline.replay import replay_arguments
from transforms.errors import AnagramError

REPLAY = "replay"
DONE, FAILED, WRONG_USAGE = 0, 1, 2


def run(argv: Sequence[str]) -> int:
    """Command-line arguments -> exit code: 0 done, 1 the run failed, 2 wrong usage."""
    if "--help" in argv or "-h" in argv:
        print(help_text(), end="")
        return DONE
    try:
        if argv[:1] == [REPLAY]:
            argv = replay_arguments(argv[1:])
        options = parse(argv)
        logging.getLogger().setLevel(logging.INFO if options.verbose else logging.CRITICAL)
        if options.test_case:
            return _run_cases(argv, options.test_case)
        summary = run_job(options)
    except AnagramError as error:
        if "--verbose" in argv:
            logging.exception("The run failed")
        print("error:", " ".join(str(error).splitlines()), file=sys.stderr)
        return WRONG_USAGE if isinstance(error, UsageError) else FAILED
    print(f"done in {summary.seconds:.1f} s on {summary.runner}", file=sys.stderr)
    if put_aside := summary.totals.get("dead_letters", 0):
        letters = f"{put_aside} dead letter{'s' * (put_aside > 1)}"
        print(f"{letters} in {options.dead_letters}", file=sys.stderr)
    return DONE


def _run_cases(argv: Sequence[str], name: str) -> int:
    """Runs the built-in cases, prints their results as one JSON object, and compares them."""
    results: dict[str, dict[str, int]] = {}
    failed = 0
    for case in load_cases(name):
        with tempfile.TemporaryDirectory() as folder:
            options = _case_options(argv, case.text, f"{folder}/result.json")
            run_job(options)
            results[case.name] = json.loads(Path(folder, "result.json").read_text("utf-8"))
        missing = case.expected.keys() - results[case.name].keys()
        extra = results[case.name].keys() - case.expected.keys()
        wrong = {
            word
            for word in case.expected.keys() & results[case.name].keys()
            if case.expected[word] != results[case.name][word]
        }
        verdict = "as expected"
        if missing or extra or wrong:
            failed += 1
            verdict = f"missing {sorted(missing)}, extra {sorted(extra)}, wrong {sorted(wrong)}"
        print(f"{case.name}: {len(case.expected)} words expected: {verdict}", file=sys.stderr)
    print(json.dumps(results, ensure_ascii=False, indent=2))
    return FAILED if failed else DONE


def _case_options(argv: Sequence[str], text: str, output: str) -> AnagramOptions:
    options = parse(argv)
    options.test_case, options.text = None, text
    options.output, options.output_format = output, "json"
    return options
