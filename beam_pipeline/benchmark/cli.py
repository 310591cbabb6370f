"""The commands ``benchmark`` (one orchestrator) and ``compare-benchmarks`` (a folder of them)."""

import argparse
import codecs
import importlib.util
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from beam_pipeline.benchmark.arguments import (
    DONE,
    FAILED,
    Parser,
    UsageError,
    duration,
    exit_code,
    names,
    whole_number,
    writable,
)
from beam_pipeline.benchmark.compare import chart, export, table
from beam_pipeline.benchmark.compare.comparison import Comparison, Contest, Subject
from beam_pipeline.benchmark.compare.orchestrator import CLASS_NAME, find
from beam_pipeline.benchmark.compare.summary import summarize
from beam_pipeline.cases import CASE_NAMES, load_cases
from transforms.stages.chaos import Chaos

_FOLDER = "benchmark_orchestrators"
_DEFAULT = "beam_vectorized.py"
# Wide enough for all columns where the output is no terminal.
_WIDTH = 200
_PART = 1 << 24


def benchmark(argv: Sequence[str] | None = None) -> int:
    """Measures one orchestrator. -> exit code: 0, 1 where it was wrong or failed, 2 wrong usage."""
    parser = Parser("benchmark", f"Measures one file with a class {CLASS_NAME}.")
    parser.add_argument(
        "--orchestrator",
        type=Path,
        metavar="FILE",
        help=f"the file (default: {_FOLDER}/{_DEFAULT})",
    )
    _add_common(parser)

    def command() -> int:
        options = parser.read(sys.argv[1:] if argv is None else argv)
        comparisons = _hold(options, [_orchestrator(options.orchestrator)])
        return DONE if all(map(_is_right, comparisons)) else FAILED

    return exit_code(command)


def compare(argv: Sequence[str] | None = None) -> int:
    """Measures all orchestrators of a folder. -> exit code: 0, or 2 wrong usage."""
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
        options = parser.read(sys.argv[1:] if argv is None else argv)
        _hold(options, _selected(options))
        return DONE

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
        type=duration,
        default=60.0,
        metavar="SECONDS",
        help="stop a run after so long (default: 60)",
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
    add("--chart", type=_chart, metavar="PATH", help="draw a chart: .png or .html")
    add("--json", type=writable, metavar="PATH", help="write all figures and runs there")


def _hold(
    options: argparse.Namespace,
    found: Sequence[Path],
) -> list[Comparison]:
    """Holds the contest that `options` describe, and prints and writes what came of it."""
    subjects = _subjects(options)
    seed = options.seed or secrets.token_hex(8)
    before = export.machine()
    progress = Console(stderr=True)
    with progress.status("starting") as status:
        contest = Contest(
            options.iterations, options.warm_up, options.timeout, seed, options.chaos, status.update
        )
        comparisons = contest.hold(found, subjects)
    _print(comparisons, options)
    load = f"{before['load']:.2f} before, {export.machine()['load']:.2f} after"
    print(
        f"seed {seed}; {before['cores']} cores, load average {load}; measured runs: "
        f"{options.iterations}, to warm up: {options.warm_up}"
        + (f"; chaos {options.chaos}" if options.chaos else "")
    )
    _write(comparisons, options, {"seed": seed, **before})
    return comparisons


def _print(comparisons: Sequence[Comparison], options: argparse.Namespace) -> None:
    terminal = sys.stdout.isatty()
    console = Console(width=None if terminal else _WIDTH, highlight=False)
    for comparison in comparisons:
        if options.markdown:
            print(table.markdown_table(comparison, options.detailed))
        else:
            console.print(table.terminal_table(comparison, options.detailed))
        for note in table.notes(comparison):
            console.print(note, markup=False)
    console.print(table.LEGEND, markup=False)


def _write(
    comparisons: Sequence[Comparison], options: argparse.Namespace, settings: dict[str, Any]
) -> None:
    kept = ("iterations", "warm_up", "timeout", "chaos")
    settings = settings | {name: getattr(options, name) for name in kept}
    if options.json:
        options.json.write_text(export.to_json(comparisons, settings) + "\n", "utf-8")
    if options.chart:
        chart.write_chart(comparisons, options.chart)


def _is_right(comparison: Comparison) -> bool:
    return all(summary.is_right for summary in summarize(comparison))


def _orchestrator(path: Path | None) -> Path:
    if path is None:
        path = _folder(None) / _DEFAULT
    if not path.is_file():
        raise UsageError(f"--orchestrator={path}: no such file")
    if path not in find(path.parent):
        raise UsageError(f"--orchestrator={path}: has no class {CLASS_NAME}")
    return path


def _selected(options: argparse.Namespace) -> list[Path]:
    folder = _folder(options.compare_dir)
    found = find(folder)
    if not found:
        raise UsageError(f"--compare-dir={folder}: no file in it has a class {CLASS_NAME}")
    known = [path.stem for path in found]
    for option, given in (("--only", options.only or []), ("--skip", options.skip)):
        if unknown := sorted(set(given) - set(known)):
            raise UsageError(f"{option}={unknown[0]}: not one of {', '.join(known)}")
    wanted = set(options.only or known) - set(options.skip)
    if not wanted:
        raise UsageError(f"--skip={','.join(options.skip)}: leaves none to compare")
    return [path for path in found if path.stem in wanted]


def _folder(given: Path | None) -> Path:
    """The folder that was `given`; else the one here; else the one that was installed."""
    folder = given or Path(_FOLDER)
    if folder.is_dir():
        return folder
    installed = importlib.util.find_spec(_FOLDER) if given is None else None
    if installed is None or installed.origin is None:
        raise UsageError(f"--compare-dir={folder}: no such folder")
    return Path(installed.origin).parent


def _subjects(options: argparse.Namespace) -> list[Subject]:
    if options.input is None:
        cases = load_cases(options.test_case or "all")
        return [Subject(case.name, case.text.encode(), case.expected) for case in cases]
    if options.test_case:
        raise UsageError("--input and --test-case: give only one of them")
    return [Subject(path.name, _read(path)) for path in options.input]


def _read(path: Path) -> bytes:
    """The text of a file, as the pipeline reads it.

    That is without a byte order mark, and without what is no UTF-8.
    """
    decoder = codecs.getincrementaldecoder("utf-8-sig")("ignore")
    text = bytearray()
    try:
        with path.open("rb") as file:
            while part := file.read(_PART):
                text += decoder.decode(part).encode()
    except OSError as error:
        raise UsageError(f"--input={path}: {error.strerror}") from None
    return bytes(text)


def _chaos(text: str) -> str:
    try:
        Chaos.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def _chart(text: str) -> Path:
    path = writable(text)
    if path.suffix.lower() not in chart.FORMATS:
        raise argparse.ArgumentTypeError(f"{text!r} ends in none of {', '.join(chart.FORMATS)}")
    if importlib.util.find_spec("matplotlib") is None:
        raise argparse.ArgumentTypeError(
            "matplotlib is missing: pip install 'beam-anagrams[plots]'"
        )
    return path
