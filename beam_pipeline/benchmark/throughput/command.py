"""The command ``throughput``: ``hatch run throughput --input FILE``."""

import argparse
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from beam_pipeline.benchmark.arguments import (
    Parser,
    check_known,
    exit_code,
    names,
    writable_path,
)
from beam_pipeline.benchmark.machine import Machine
from beam_pipeline.benchmark.presenting import Screen, measure_and_show, progress
from beam_pipeline.benchmark.saving import FOLDER, SavedResults
from beam_pipeline.benchmark.throughput.rows import Row, run_in_turn
from beam_pipeline.benchmark.throughput.sections import SECTIONS, SKIPPABLE, Settings
from beam_pipeline.benchmark.throughput.table import markdown_table, terminal_table
from beam_pipeline.errors import ExitCode, UsageError
from beam_pipeline.flags import seconds, whole_number

# Wide enough for all columns where the output is not a terminal.
_WIDTH = 160


def main(argv: Sequence[str] | None = None) -> int:
    """Measures the engine and other tools.

    Args:
      argv: the arguments; by default those of this process.

    Returns:
      The exit code: 0, 1 where a trial of this project failed, 2 for wrong usage.
    """
    return exit_code(lambda: _main(argv))


def _main(argv: Sequence[str] | None) -> int:
    options = _parser().read(argv)
    if not options.input.is_file() or not os.access(options.input, os.R_OK):
        raise UsageError("not a file that can be read", setting="input", value=options.input)
    check_known("only", options.only, SECTIONS)
    check_known("skip", options.skip, SKIPPABLE)
    before = Machine.now()
    saved: SavedResults[Row] = SavedResults(options.json, "throughput")

    def keep(rows: list[Row], *, is_complete: bool = False) -> None:
        report = {
            "schema_version": 1,
            "complete": is_complete,
            "machine": asdict(before),
            "rows": [asdict(row) for row in rows],
        }
        saved.keep(rows, json.dumps(report, indent=2) + "\n", is_complete=is_complete)

    def measure() -> None:
        with (
            tempfile.TemporaryDirectory(prefix="throughput-") as folder,
            progress("making texts") as on_progress,
        ):
            for rows in _measure(options, Path(folder), on_progress):
                keep(rows)
            keep(rows, is_complete=True)

    def show(rows: list[Row]) -> str:
        load = before.describe_load(Machine.now())
        runs = f"{options.iterations} runs" if saved.is_complete else "the runs that were finished"
        return f"{_shown(rows, markdown=options.markdown)}{load}; medians of {runs} in turn\n"

    code = measure_and_show(saved, measure, show)
    ours = (
        row
        for row in saved.results
        if row.section != "peers" or row.name.startswith("this project")
    )
    return code or (ExitCode.FAILED if any(row.error for row in ours) else ExitCode.DONE)


def _parser() -> Parser:
    parser = Parser("throughput", "Measures the engine, as a whole and in parts.")
    add = parser.add_argument
    add("--input", type=Path, required=True, metavar="FILE", help="a text, not compressed")
    add("--iterations", type=whole_number(1), default=3, metavar="N", help="runs (default: 3)")
    add(
        "--timeout",
        type=seconds,
        default=600.0,
        metavar="SECONDS",
        help="stop a run after this time (default: 600)",
    )
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
        help=f"leave out slow ones of {', '.join(SKIPPABLE)}",
    )
    add(
        "--files",
        type=whole_number(1),
        default=1000,
        metavar="N",
        help="how many small files to cut the text into (default: 1000)",
    )
    add(
        "--letters-size",
        type=whole_number(1),
        default=20_000_000,
        metavar="BYTES",
        help="of the texts with non-ASCII letters (default: 20000000)",
    )
    add(
        "--list-words",
        type=whole_number(1),
        default=1_000_000,
        metavar="N",
        help="of the large dictionary (default: 1000000)",
    )
    add("--markdown", action="store_true", help="print the table in Markdown")
    add(
        "--json",
        type=writable_path,
        metavar="PATH",
        help=f"where the figures are saved (default: a new file in {FOLDER}/)",
    )
    return parser


def _measure(
    options: argparse.Namespace, folder: Path, on_progress: Callable[[str], None]
) -> Iterator[list[Row]]:
    """Measures all sections, one after the other, and yields all rows so far again and again."""
    settings = Settings(
        options.input,
        folder,
        options.skip,
        options.files,
        options.letters_size,
        options.list_words,
    )
    rows: list[Row] = []
    for section in options.only:
        on_progress(f"{section}: making texts")
        trials = list(SECTIONS[section](settings))
        so_far: list[Row] = []
        for so_far in run_in_turn(trials, options.iterations, options.timeout, on_progress):
            yield [*rows, *so_far]
        rows += so_far


def _shown(rows: Sequence[Row], *, markdown: bool) -> str:
    if markdown:
        return f"{markdown_table(rows)}\n"
    screen = Screen(_WIDTH)
    screen.add(terminal_table(rows))
    return screen.text()
