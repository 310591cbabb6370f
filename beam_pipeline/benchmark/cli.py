"""The commands ``benchmark`` (one orchestrator) and ``compare-benchmarks`` (a folder of them)."""

import argparse
import importlib.util
import secrets
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from beam_pipeline.benchmark.arguments import (
    Parser,
    check_known,
    exit_code,
    names,
    writable_path,
)
from beam_pipeline.benchmark.compare import export, table
from beam_pipeline.benchmark.compare.comparison import Comparison
from beam_pipeline.benchmark.compare.metrics import LEGEND
from beam_pipeline.benchmark.compare.orchestrator import (
    CLASS_NAME,
    EXPECTED,
    find_orchestrators,
)
from beam_pipeline.benchmark.compare.results import SubjectResult
from beam_pipeline.benchmark.compare.subjects import Subject, built_in_subjects, file_subjects
from beam_pipeline.benchmark.compare.summary import summarize
from beam_pipeline.benchmark.machine import Machine
from beam_pipeline.benchmark.presenting import Screen, measure_and_show, progress
from beam_pipeline.benchmark.saving import FOLDER, SavedResults
from beam_pipeline.cases import CASE_NAMES
from beam_pipeline.errors import ExitCode, UsageError
from beam_pipeline.flags import seconds, whole_number
from beam_pipeline.standard_streams import printable
from transforms.stages.chaos import Chaos

_FOLDER = "benchmark_orchestrators"
_DEFAULT = "beam_vectorized.py"
# Wide enough for all columns if the output is not a terminal.
_WIDTH = 200


def benchmark(argv: Sequence[str] | None = None) -> int:
    """Measures one orchestrator.

    Args:
      argv: the arguments; by default those of this process.

    Returns:
      The exit code: 0, 1 if an answer was wrong or missing, 2 for wrong usage.
    """
    parser = Parser("benchmark", f"Measures one file with a class {CLASS_NAME}.")
    parser.add_argument(
        "--orchestrator",
        type=Path,
        metavar="FILE",
        help=f"the file (default: {_FOLDER}/{_DEFAULT})",
    )
    _add_common(parser)

    def command() -> int:
        options = parser.read(argv)
        outcome = _compare("benchmark", options, [_orchestrator(options.orchestrator)])
        is_right = all(map(_is_right, outcome.results))
        return outcome.code or (ExitCode.DONE if is_right else ExitCode.FAILED)

    return exit_code(command)


def compare(argv: Sequence[str] | None = None) -> int:
    """Measures all orchestrators of a folder.

    Args:
      argv: the arguments; by default those of this process.

    Returns:
      The exit code: 0, or 2 for wrong usage.
    """
    parser = Parser(
        "compare-benchmarks", f"Compares all files of a folder that have a class {CLASS_NAME}."
    )
    parser.add_argument(
        "--compare-dir", type=Path, metavar="FOLDER", help=f"the folder (default: {_FOLDER})"
    )
    parser.add_argument("--only", type=names, metavar="NAME,...", help="no others than these")
    parser.add_argument("--skip", type=names, default=[], metavar="NAME,...", help="all but these")
    _add_common(parser)

    def command() -> int:
        options = parser.read(argv)
        paths, remarks = _selected(options)
        return _compare("compare", options, paths, remarks).code

    return exit_code(command)


def _add_common(parser: Parser) -> None:
    add = parser.add_argument
    add(
        "--test-case",
        choices=(*CASE_NAMES, "all"),
        help="the built-in texts to compare on (default: all)",
    )
    add(
        "--input",
        type=Path,
        action="append",
        metavar="FILE",
        help="compare on this text (UTF-8) instead; may be repeated",
    )
    add(
        "--iterations",
        type=whole_number(1),
        default=5,
        metavar="N",
        help="measured runs, each on a fresh text (default: 5)",
    )
    add(
        "--warm-up",
        type=whole_number(0),
        default=1,
        metavar="N",
        help="runs before them that are not measured (default: 1)",
    )
    add(
        "--timeout",
        type=seconds,
        default=60.0,
        metavar="SECONDS",
        help="stop a run after this time (default: 60)",
    )
    add(
        "--seed",
        metavar="SEED",
        help="of the fresh texts; by default one that nobody can know before, printed at the end",
    )
    add(
        "--chaos",
        type=_chaos,
        default="",
        metavar="SPEC",
        help="inject faults, for example take-home,seed=7,latency=0",
    )
    add("--detailed", action="store_true", help="more figures")
    add("--markdown", action="store_true", help="print the tables in Markdown")
    add(
        "--chart",
        type=_chart_path,
        metavar="PATH",
        help="draw charts: .png is an image, .html a page with the tables too",
    )
    add(
        "--json",
        type=writable_path,
        metavar="PATH",
        help=f"where all figures and runs are saved (default: a new file in {FOLDER}/)",
    )


class _Outcome(NamedTuple):
    """The results of finished rounds, and the exit code if something went wrong, otherwise 0."""

    results: list[SubjectResult]
    code: int


def _compare(
    name: str, options: argparse.Namespace, paths: Sequence[Path], remarks: Sequence[str] = ()
) -> _Outcome:
    """Runs the comparison that the options describe. Its results are saved, then printed.

    Args:
      name: the name of the command.
      options: the options of the command line.
      paths: the paths of the orchestrators.
      remarks: further remarks to print, each in one line.
    """
    subjects = _subjects(options)
    seed = options.seed or secrets.token_hex(8)
    before = Machine.now()
    settings = _settings(options, seed, before)
    saved: SavedResults[SubjectResult] = SavedResults(options.json, name)

    def keep(results: list[SubjectResult], *, is_complete: bool = False) -> None:
        text = export.to_json(results, settings, remarks, is_complete=is_complete)
        saved.keep(results, text + "\n", is_complete=is_complete)

    def measure() -> None:
        with progress("starting") as on_progress:
            comparison = Comparison(
                iterations=options.iterations,
                warm_ups=options.warm_up,
                timeout=options.timeout,
                seed=seed,
                chaos=options.chaos,
                on_progress=on_progress,
                on_round=keep,
            )
            keep(comparison.run(paths, subjects), is_complete=True)

    def show(results: list[SubjectResult]) -> str:
        conditions = (
            f"seed {seed}; {before.describe_load(Machine.now())}; measured runs: "
            f"{options.iterations}, to warm up: {options.warm_up}"
            + (f"; chaos {options.chaos}" if options.chaos else "")
            + ("" if saved.is_complete else "; interrupted, of finished rounds only")
        )
        if options.chart:
            from beam_pipeline.benchmark.compare.page import chart  # charts take time to load

            saved.write(
                options.chart,
                lambda: chart(
                    options.chart, results, conditions, remarks, detailed=options.detailed
                ),
            )
        return f"{_shown(results, remarks, options)}{conditions}\n"

    code = measure_and_show(saved, measure, show)
    return _Outcome(saved.results, code)


def _settings(options: argparse.Namespace, seed: str, machine: Machine) -> dict[str, Any]:
    kept = ("iterations", "warm_up", "timeout", "chaos")
    return {"seed": seed, **asdict(machine), **{name: getattr(options, name) for name in kept}}


def _shown(
    results: Sequence[SubjectResult], remarks: Sequence[str], options: argparse.Namespace
) -> str:
    """Returns the printed form of the results, without the conditions of the measurement."""
    screen = Screen(_WIDTH)
    for result in results:
        mistakes = table.mistakes_tables(result)
        if options.markdown:
            screen.add_raw(table.markdown_table(result, detailed=options.detailed))
            screen.add_raw(*map(table.in_markdown, mistakes))
        else:
            screen.add(table.terminal_table(result, detailed=options.detailed))
            for mistake in mistakes:
                screen.add(mistake.title, table.for_terminal(mistake))
        screen.add(*table.notes(result))
    screen.add(LEGEND, *remarks)
    return screen.text()


def _is_right(result: SubjectResult) -> bool:
    return all(summary.is_right for summary in summarize(result))


def _orchestrator(path: Path | None) -> Path:
    if path is None:
        path = _folder(None) / _DEFAULT
    if not path.is_file():
        raise UsageError("no such file", setting="orchestrator", value=path)
    if path not in find_orchestrators(path.parent).orchestrators:
        raise UsageError(f"does not have {EXPECTED}", setting="orchestrator", value=path)
    return path


def _selected(options: argparse.Namespace) -> tuple[list[Path], list[str]]:
    """Returns the orchestrators to compare, and a remark on each file that is not one."""
    folder = _folder(options.compare_dir)
    found, others = find_orchestrators(folder)
    if not found:
        message = f"no Python file in it has {EXPECTED}"
        raise UsageError(message, setting="compare_dir", value=folder)
    remarks = [printable(f"not compared: {path.name} does not have {EXPECTED}") for path in others]
    known = [path.stem for path in found]
    check_known("only", options.only or [], known)
    check_known("skip", options.skip, known)
    wanted = set(options.only or known) - set(options.skip)
    if not wanted:
        raise UsageError("leaves none to compare", setting="skip", value=",".join(options.skip))
    return [path for path in found if path.stem in wanted], remarks


def _folder(given: Path | None) -> Path:
    """Returns the given folder, else the one in the current folder, else the installed one."""
    folder = given or Path(_FOLDER)
    if folder.is_dir():
        return folder
    installed = importlib.util.find_spec(_FOLDER) if given is None else None
    if installed is None or installed.origin is None:
        raise UsageError("no such folder", setting="compare_dir", value=folder)
    return Path(installed.origin).parent


def _subjects(options: argparse.Namespace) -> list[Subject]:
    if options.input is None:
        return built_in_subjects(options.test_case or "all")
    if options.test_case:
        raise UsageError("--input and --test-case: give only one of them")
    return file_subjects(options.input)


def _chaos(text: str) -> str:
    try:
        Chaos.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def _chart_path(text: str) -> Path:
    from beam_pipeline.benchmark.compare.page import FORMATS
    from beam_pipeline.pages.image import why_unavailable

    path = writable_path(text)
    extension = path.suffix.lower()
    if extension not in FORMATS:
        raise argparse.ArgumentTypeError(f"{text!r} ends in none of {', '.join(FORMATS)}")
    if extension == ".png" and (reason := why_unavailable()):
        raise argparse.ArgumentTypeError(reason)
    return path
