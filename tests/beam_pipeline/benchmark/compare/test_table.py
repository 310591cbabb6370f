"""The table shows every figure, and marks the best of each metric, of those who may win."""

import io

import pytest
from rich.console import Console

from beam_pipeline.benchmark import units
from beam_pipeline.benchmark.compare.comparison import Comparison, Score
from beam_pipeline.benchmark.compare.orchestrator_process import DONE, TIMEOUT, Run
from beam_pipeline.benchmark.compare.table import markdown_table, notes, terminal_table
from beam_pipeline.benchmark.compare.verdict import MEASURED, Difference, Judged


def comparison(orchestrators: int = 3) -> Comparison:
    """The first is wrong and fast, the last exceeds its time, those between are right."""
    scores = []
    for number in range(orchestrators):
        run = Run(DONE, float(number + 1), 0, 1000 * (9 - number), 10, 500, 0.5, {}, 3.0)
        mistake = Difference() if number else Difference(extra=("dog",))
        scores.append(Score(f"name{number}", [Judged(MEASURED, run, mistake)], set(), [2.0]))
    late = Judged(MEASURED, Run(TIMEOUT, 9, error="stopped after 9 s"), Difference())
    return Comparison("medium", 600, 3000, [*scores, Score("late", [late], set(), [2.0])])


def rendered(of: Comparison, *, detailed: bool = False) -> str:
    console = Console(file=io.StringIO(), force_terminal=True, width=200, color_system="standard")
    console.print(terminal_table(of, detailed))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


GREEN = "\x1b[1;32m"


def test_the_best_is_green_and_the_wrong_one_never() -> None:
    shown = rendered(comparison(3))
    (line,) = (line for line in shown.splitlines() if "runtime, median" in line)
    assert f"{GREEN}2.00 s" in line
    assert "1.00 s" in line and f"{GREEN}1.00 s" not in line
    assert "WRONG" in shown and "timeout" in shown
    assert "medium: 600 words, 3.00 kB" in shown


def test_metrics_run_down_and_with_many_orchestrators_across() -> None:
    few = rendered(comparison(2)).splitlines()
    many = rendered(comparison(5)).splitlines()
    assert any("name0" in line and "name1" in line for line in few)
    assert any("success" in line and "words/s" in line for line in many)
    assert not any("name0" in line and "name1" in line for line in many)


def test_details_are_more_lines() -> None:
    plain, detailed = rendered(comparison()), rendered(comparison(), detailed=True)
    for label in ("claimed runtime", "largest process", "deviation", "outliers", "hand-over"):
        assert label in detailed
        assert label not in plain


def test_markdown_has_the_best_in_bold() -> None:
    lines = markdown_table(comparison(2), detailed=False).splitlines()
    assert lines[2] == "|  | name0 | name1 | late |"
    assert "| runtime, median ↓ | 1.00 s | **2.00 s** | - |" in lines
    assert "| success ↑ | 0 % (0/1) | **100 % (1/1)** | 0 % (0/1) |" in lines


def test_notes_name_mistakes_and_errors() -> None:
    assert notes(comparison(2)) == [
        "name0: measured text: 1 extra (dog)",
        "late: stopped after 9 s",
    ]


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (units.seconds(0.0000123), "0.01 ms"),
        (units.seconds(0.0123), "12.3 ms"),
        (units.seconds(0.1234), "123 ms"),
        (units.seconds(0.99996), "1.00 s"),
        (units.seconds(9.996), "10.0 s"),
        (units.seconds(1234), "1,234 s"),
        (units.size(0), "0 B"),
        (units.size(999), "999 B"),
        (units.size(999_999), "1.00 MB"),
        (units.size(1_234_567_890), "1.23 GB"),
        (units.size(-5_000_000), "-5.00 MB"),
        (units.percent(1), "100 %"),
        (units.percent(0.999), ">99 %"),
        (units.percent(0.001), "<1 %"),
        (units.percent(0), "0 %"),
        (units.whole(1234567.8), "1,234,568"),
    ],
)
def test_units_are_readable_and_never_lie_at_the_ends(shown: str, expected: str) -> None:
    assert shown == expected
