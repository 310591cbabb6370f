"""The engine's own benchmark: ``hatch run throughput --input FILE``."""

import argparse
import itertools
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

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
from beam_pipeline.benchmark.compare import export
from beam_pipeline.benchmark.throughput import corpora
from beam_pipeline.benchmark.throughput.peers import peers
from beam_pipeline.benchmark.throughput.trial import Figures, Trial, measure
from beam_pipeline.benchmark.units import seconds, size

SECTIONS = ("parts", "size", "workers", "files", "letters", "peers")
SLOW = ("elementwise", "duckdb", "pyspark", "polars", "polars-unicode", "coreutils", "wc")
_SHARES = (0.0, 0.01, 0.1, 1.0)
_FRACTIONS = (1 / 16, 1 / 4, 1.0)


@dataclass(frozen=True)
class Row:
    """A trial's medians of all its runs.

    Attributes:
      ratio: its time by that of the first trial of its section that has figures.
      error: of a run that failed; then there are no figures.
    """

    section: str
    name: str
    size_bytes: int
    seconds: float | None = None
    megabytes_per_second: float | None = None
    ratio: float | None = None
    cpu_seconds: float | None = None
    peak_bytes: int | None = None
    peak_process_bytes: int | None = None
    runs: int = 0
    error: str = ""


def main(argv: Sequence[str] | None = None) -> int:
    """-> exit code: 0, 1 where a trial of this project failed, 2 wrong usage."""
    return exit_code(lambda: _main(sys.argv[1:] if argv is None else argv))


def _main(argv: Sequence[str]) -> int:
    options = _parser().read(argv)
    if not options.input.is_file() or not os.access(options.input, os.R_OK):
        raise UsageError(f"--input={options.input}: no file that can be read")
    for option, known in (("only", SECTIONS), ("skip", SLOW)):
        if unknown := sorted(set(getattr(options, option)) - set(known)):
            raise UsageError(f"--{option}: {unknown[0]!r} is not one of {', '.join(known)}")
    before = export.machine()
    with (
        tempfile.TemporaryDirectory(prefix="throughput-") as folder,
        Console(stderr=True).status("making texts") as status,
    ):
        rows = _run(options, Path(folder), status.update)
    load = f"load average {before['load']:.2f} before, {export.machine()['load']:.2f} after"
    _print(rows, markdown=options.markdown)
    print(f"{before['cores']} cores, {load}; medians of {options.iterations} runs in turn")
    if options.json:
        report = {"schema_version": 1, "machine": before, "rows": [asdict(row) for row in rows]}
        options.json.write_text(json.dumps(report, indent=2) + "\n", "utf-8")
    ours = (row for row in rows if row.section != "peers" or row.name.startswith("this project"))
    return FAILED if any(row.error for row in ours) else DONE


def _parser() -> Parser:
    parser = Parser("throughput", "Measures the engine, as a whole and in parts.")
    add = parser.add_argument
    add("--input", type=Path, required=True, metavar="FILE", help="a text, plain")
    add("--iterations", type=whole_number(1), default=3, metavar="N", help="runs (default: 3)")
    add("--timeout", type=duration, default=600.0, metavar="SECONDS", help="default: 600")
    add(
        "--only",
        type=names,
        default=list(SECTIONS),
        metavar="SECTION,...",
        help=f"no others of {', '.join(SECTIONS)}",
    )
    add(
        "--skip",
        type=names,
        default=[],
        metavar="PEER,...",
        help=f"leave out slow ones of {', '.join(SLOW)}",
    )
    add("--files", type=whole_number(1), default=1000, metavar="N", help="small ones to make")
    add(
        "--letters-size",
        type=whole_number(1),
        default=20_000_000,
        metavar="BYTES",
        help="of the texts with non-ASCII letters",
    )
    add("--markdown", action="store_true", help="print the table in Markdown")
    add("--json", type=writable, metavar="PATH", help="write the figures there")
    return parser


def _run(options: argparse.Namespace, folder: Path, tell: Callable[[str], None]) -> list[Row]:
    """All sections, one after the other; within each, trials take turns."""
    rows: list[Row] = []
    for section in options.only:
        tell(f"{section}: making texts")
        trials = list(_TRIALS[section](options, folder))
        figures: list[list[Figures]] = [[] for _ in trials]
        for number, (index, trial) in itertools.product(
            range(options.iterations), enumerate(trials)
        ):
            if any(run.error for run in figures[index]):
                continue
            tell(f"{section}: {trial.name} ({number + 1} of {options.iterations})")
            figures[index].append(measure(trial, options.timeout))
        bases: dict[str, float] = {}
        for trial, runs in zip(trials, figures, strict=True):
            if not runs[-1].error:
                bases.setdefault(trial.section, _median(runs, _seconds))
            rows.append(_row(trial, runs, bases.get(trial.section)))
    return rows


def _row(trial: Trial, runs: list[Figures], base: float | None) -> Row:
    if runs[-1].error:
        return Row(trial.section, trial.name, trial.size_bytes, error=runs[-1].error)
    taken = _median(runs, _seconds)
    return Row(
        trial.section,
        trial.name,
        trial.size_bytes,
        taken,
        trial.size_bytes / 1e6 / taken,
        taken / base if base else None,
        _median(runs, lambda run: run.cpu_seconds),
        max(run.peak_bytes for run in runs),
        max(run.peak_process_bytes for run in runs),
        len(runs),
    )


def _median(runs: list[Figures], figure: Callable[[Figures], float]) -> float:
    return statistics.median(map(figure, runs))


def _seconds(run: Figures) -> float:
    return run.seconds


def _command(path: Path, folder: Path, *more: str) -> list[str]:
    """The whole run, as a person would start it."""
    output = str(folder / "counts.json")
    return [
        *(sys.executable, "-m", "beam_pipeline", "--input", str(path), "--output", output),
        *more,
    ]


def _part(name: str, path: Path) -> list[str]:
    return [sys.executable, "-m", "beam_pipeline.benchmark.throughput.parts", name, str(path)]


def _parts(options: argparse.Namespace, folder: Path) -> Iterator[Trial]:
    path, length = options.input, options.input.stat().st_size
    yield Trial("parts", "whole command", _command(path, folder), length)
    nothing = folder / "nothing.txt"
    nothing.touch()
    yield Trial("parts", "whole command, no text", _command(nothing, folder), 0)
    for name in ("kernel", "source"):
        yield Trial("parts", f"{name} alone", _part(name, path), length, is_self_timed=True)


def _sizes(options: argparse.Namespace, folder: Path) -> Iterator[Trial]:
    for fraction in _FRACTIONS:
        path = folder / f"part-{fraction:g}.txt"
        length = corpora.repeat(options.input, path, int(options.input.stat().st_size * fraction))
        yield Trial("size", f"{fraction:g} of the text", _command(path, folder), length)


def _workers(options: argparse.Namespace, folder: Path) -> Iterator[Trial]:
    path, length = options.input, options.input.stat().st_size
    yield Trial("workers", "one process, its threads", _command(path, folder), length)
    for number in sorted({1, os.cpu_count() or 1}):
        mode = ("--direct_running_mode=multi_processing", f"--direct_num_workers={number}")
        yield Trial("workers", f"{number} worker processes", _command(path, folder, *mode), length)


def _files(options: argparse.Namespace, folder: Path) -> Iterator[Trial]:
    path, length = options.input, options.input.stat().st_size
    yield Trial("files", "one file", _command(path, folder), length)
    many = folder / "many"
    many.mkdir()
    length = corpora.scatter(path, many, options.files)
    yield Trial("files", f"{options.files:,} files", _command(many, folder), length)


def _letters(options: argparse.Namespace, folder: Path) -> Iterator[Trial]:
    kernels, commands = [], []
    for share in _SHARES:
        path = folder / f"letters-{share:g}.txt"
        length = corpora.accent(options.input, path, options.letters_size, share)
        label = f"{100 * share:g} % of the words with non-ASCII letters"
        kernels.append(
            Trial("letters", f"kernel, {label}", _part("kernel", path), length, is_self_timed=True)
        )
        commands.append(
            Trial("letters, command", f"command, {label}", _command(path, folder), length)
        )
    yield from kernels + commands


def _peers(options: argparse.Namespace, folder: Path) -> Iterator[Trial]:
    path, length = options.input, options.input.stat().st_size
    yield Trial("peers", "this project, vectorized", _command(path, folder), length)
    if "elementwise" not in options.skip:
        command = _command(path, folder, "--engine=elementwise")
        yield Trial("peers", "this project, elementwise", command, length)
    for name, trial in peers("peers", str(path), length, str(folder / "words")):
        if name not in options.skip:
            yield trial


_TRIALS: dict[str, Callable[[argparse.Namespace, Path], Iterator[Trial]]] = {
    "parts": _parts,
    "size": _sizes,
    "workers": _workers,
    "files": _files,
    "letters": _letters,
    "peers": _peers,
}
_COLUMNS = ("", "text", "time", "MB/s", "ratio", "CPU", "peak memory", "largest process")


def _print(rows: Sequence[Row], *, markdown: bool) -> None:
    if markdown:
        cells = [[cell.replace("|", "\\|") for cell in _cells(row)] for row in rows]
        lines = [_COLUMNS, ["---", *["---:"] * (len(_COLUMNS) - 1)], *cells]
        print("\n".join(f"| {' | '.join(line)} |" for line in lines))
        return
    table = Table()
    for index, column in enumerate(_COLUMNS):
        table.add_column(column, justify="right" if index else "left", no_wrap=not index)
    for before, row in zip([None, *rows], rows, strict=False):
        if before and before.section != row.section:
            table.add_section()
        table.add_row(*_cells(row))
    Console(width=None if sys.stdout.isatty() else 160, highlight=False).print(table)


def _cells(row: Row) -> list[str]:
    if row.error:
        return [f"{row.name}: {row.error}", size(row.size_bytes), *["-"] * (len(_COLUMNS) - 2)]

    def shown(value: Any, show: Callable[[Any], str]) -> str:
        return "-" if value is None else show(value)

    return [
        row.name,
        size(row.size_bytes),
        shown(row.seconds, seconds),
        shown(row.megabytes_per_second, "{:,.1f}".format),
        shown(row.ratio, "{:.2f}".format),
        shown(row.cpu_seconds, seconds),
        shown(row.peak_bytes, size),
        shown(row.peak_process_bytes, size),
    ]
