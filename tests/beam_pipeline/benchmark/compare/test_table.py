"""The table shows every figure, and marks the best of each metric, of those who may win."""

import io

from rich.console import Console

from beam_pipeline.benchmark.compare.results import OrchestratorResult, SubjectResult
from beam_pipeline.benchmark.compare.run import Run, Status
from beam_pipeline.benchmark.compare.table import make_table, markdown_table, notes, terminal_table
from beam_pipeline.benchmark.compare.verdict import JudgedRun, Purpose
from beam_pipeline.cases import Difference


def result(orchestrators: int = 3, name: str = "medium") -> SubjectResult:
    """The first is wrong and fast, the last exceeds its time, those between are right."""
    results = []
    for number in range(orchestrators):
        run = Run(Status.DONE, float(number + 1), 0, 1000 * (9 - number), 10, 500, 0.5, {}, 3.0)
        mistake = Difference() if number else Difference(extra=("dog",))
        judged = JudgedRun(Purpose.MEASURED, run, mistake)
        results.append(OrchestratorResult(f"name{number}", [judged], start_seconds=[2.0]))
    run = Run(Status.TIMEOUT, 9, error="stopped after 9 s")
    late = JudgedRun(Purpose.MEASURED, run, Difference())
    results.append(OrchestratorResult("late", [late], start_seconds=[2.0]))
    return SubjectResult(name, 600, 3000, results)


def rendered(of: SubjectResult, *, detailed: bool = False) -> str:
    console = Console(file=io.StringIO(), force_terminal=True, width=200, color_system="standard")
    console.print(terminal_table(of, detailed=detailed))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


GREEN = "\x1b[1;32m"


def test_the_best_is_green_and_the_wrong_one_never() -> None:
    shown = rendered(result(3))
    (line,) = (line for line in shown.splitlines() if "runtime, median" in line)
    assert f"{GREEN}2.00 s" in line
    assert "1.00 s" in line and f"{GREEN}1.00 s" not in line
    assert "WRONG" in shown and "timeout" in shown
    assert "medium: 600 words, 3.00 kB" in shown


def test_many_orchestrators_are_rows_and_few_are_columns() -> None:
    few = rendered(result(2)).splitlines()
    many = rendered(result(5)).splitlines()
    assert any("name0" in line and "name1" in line for line in few)
    assert any("success" in line and "words/s" in line for line in many)
    assert not any("name0" in line and "name1" in line for line in many)


def test_a_table_and_its_transposed_have_the_same_cells() -> None:
    table = make_table(result(), detailed=True)
    turned = table.transposed()
    assert turned.columns == [label for label, _ in table.rows]
    assert [label for label, _ in turned.rows] == table.columns
    assert turned.rows[1][1][2] == table.rows[2][1][1]
    assert turned.transposed() == table


def test_details_are_more_lines() -> None:
    plain, detailed = rendered(result()), rendered(result(), detailed=True)
    for label in (
        *("reported runtime", "largest process", "standard deviation", "outliers", "hand-over"),
    ):
        assert label in detailed
        assert label not in plain


def test_markdown_has_the_best_in_bold() -> None:
    lines = markdown_table(result(2), detailed=False).splitlines()
    assert lines[2] == "|  | name0 | name1 | late |"
    assert "| runtime, median ↓ | 1.00 s | **2.00 s** | - |" in lines
    assert "| success ↑ | 0 % (0/1) | **100 % (1/1)** | 0 % (0/1) |" in lines


def test_names_are_no_markup() -> None:
    assert "[red]a[/].txt: 600 words" in rendered(result(name="[red]a[/].txt"))


def test_notes_name_mistakes_and_errors() -> None:
    assert notes(result(2)) == [
        "name0: measured text: 1 extra (dog)",
        "late: stopped after 9 s",
    ]
