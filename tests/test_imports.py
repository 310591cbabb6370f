"""Imports run one way, and no module hides the type hints that Beam reads."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("transforms", "beam_pipeline", "benchmark_orchestrators")
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
#: Package -> what nothing in it may import.
FORBIDDEN = {
    "transforms": ("beam_pipeline", "benchmark_orchestrators", "tests", "apache_beam.options"),
    "beam_pipeline": ("benchmark_orchestrators", "tests"),
    "benchmark_orchestrators": ("tests",),
}
#: Modules of pure functions -> what they may import beside the standard library.
PURE = {
    "transforms/checks.py": (),
    "transforms/text/normalize.py": ("transforms",),
    "transforms/text/signature.py": (),
    "transforms/errors.py": (),
    "transforms/stages/chaos.py": (),
    "transforms/stages/dead_letters.py": ("transforms",),
    "transforms/text/encoding.py": (),
    "transforms/text/blocks.py": ("transforms",),
    "tests/support/reference.py": ("english_words",),
}


def imported(source: str, package: str) -> Iterator[str]:
    """The dotted names that `source` imports anywhere, functions included."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = ".".join(filter(None, [package if node.level else "", node.module]))
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


def offending(names: Iterator[str], forbidden: tuple[str, ...]) -> list[str]:
    return [
        name
        for name in names
        if any(name == bad or name.startswith(f"{bad}.") for bad in forbidden)
    ]


def test_there_are_modules_to_check() -> None:
    checked = {path.relative_to(ROOT).as_posix() for path in SOURCES}
    assert {"transforms/text/normalize.py", "beam_pipeline/pipeline.py"} <= checked


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_imports_run_one_way(path: Path) -> None:
    package = path.relative_to(ROOT).parts[0]
    names = imported(path.read_text("utf-8"), package)
    assert offending(names, FORBIDDEN[package]) == []


@pytest.mark.parametrize("name", PURE)
def test_pure_modules_need_the_standard_library_only(name: str) -> None:
    tops = {
        found.split(".")[0] for found in imported((ROOT / name).read_text("utf-8"), "transforms")
    }
    assert tops - sys.stdlib_module_names <= set(PURE[name])


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_annotations_stay_objects(path: Path) -> None:
    """Beam takes hints that are strings for Any, silently."""
    assert "__future__.annotations" not in imported(path.read_text("utf-8"), "")


@pytest.mark.parametrize(
    "source",
    [
        "import beam_pipeline",
        "import beam_pipeline.options as o",
        "from beam_pipeline import options",
        "def f():\n    from beam_pipeline.options import AnagramOptions",
        "from apache_beam.options.pipeline_options import PipelineOptions",
        "from apache_beam import options",
        "if True:\n    import tests.support.reference",
    ],
)
def test_the_check_finds_every_way_to_import(source: str) -> None:
    assert offending(imported(source, "transforms"), FORBIDDEN["transforms"])
    future = imported("from __future__ import annotations", "")
    assert "__future__.annotations" in future


def test_the_check_lets_allowed_imports_pass() -> None:
    source = "import apache_beam as beam\nfrom . import text\nfrom transforms.text import signature"
    assert not offending(imported(source, "transforms"), FORBIDDEN["transforms"])
