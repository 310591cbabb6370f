"""Imports run one way, file by file, and no module hides the type hints that Beam reads."""

import ast
import subprocess
import sys
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("transforms", "beam_pipeline", "benchmark_orchestrators")
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
#: Layers from the lowest to the highest: a file may import from its own layer and those before.
#: The longest prefix of a path decides.
LAYERS = (
    (
        *("transforms/__init__.py", "transforms/notebooks.py"),
        *("transforms/errors.py", "transforms/checks.py"),
    ),
    ("transforms/text/",),
    ("transforms/stages/",),
    ("transforms/files/",),
    ("transforms/dictionary.py", "transforms/word_lists.py", "transforms/word_set.py"),
    (
        *("transforms/columns/tables.py", "transforms/columns/packing.py"),
        "transforms/columns/passing.py",
        "transforms/columns/buckets.py",
    ),
    ("transforms/kernel/",),
    ("transforms/",),
    (
        *("beam_pipeline/__init__.py", "beam_pipeline/monitor/", "beam_pipeline/pages/"),
        *("beam_pipeline/interruption.py", "beam_pipeline/standard_streams.py"),
    ),
    (
        *("beam_pipeline/pipeline.py", "beam_pipeline/io/", "beam_pipeline/cases.py"),
        "beam_pipeline/yaml.py",
        *("beam_pipeline/errors.py", "beam_pipeline/flags.py", "beam_pipeline/sources.py"),
        "beam_pipeline/redaction.py",
    ),
    ("beam_pipeline/options.py",),
    ("beam_pipeline/runners/",),
    ("beam_pipeline/report/",),
    ("beam_pipeline/telemetry/",),
    ("beam_pipeline/job.py", "beam_pipeline/stream_job.py"),
    ("beam_pipeline/cli/", "beam_pipeline/__main__.py"),
    ("beam_pipeline/benchmark/",),
    ("benchmark_orchestrators/",),
)
#: Modules of pure functions, which need the standard library, these packages, and no Beam.
PURE = {
    "transforms/checks.py": (),
    "transforms/errors.py": (),
    "transforms/notebooks.py": (),
    "transforms/text/normalize.py": ("transforms",),
    "transforms/text/signature.py": (),
    "transforms/text/encoding.py": (),
    "transforms/text/blocks.py": ("transforms",),
    "transforms/text/settings.py": ("transforms",),
    "transforms/columns/tables.py": ("numpy", "pyarrow"),
    "transforms/columns/packing.py": ("transforms", "numpy", "pyarrow"),
    "transforms/columns/passing.py": ("transforms", "pyarrow"),
    "transforms/columns/buckets.py": ("transforms", "numpy", "pyarrow"),
    "transforms/files/recognition.py": (),
    "transforms/files/decompression.py": ("transforms", "pyarrow"),
    "transforms/stages/chaos.py": (),
    "transforms/stages/totals.py": (),
    "transforms/stages/dead_letters.py": ("transforms",),
    "beam_pipeline/errors.py": ("transforms",),
    "beam_pipeline/flags.py": (),
    "beam_pipeline/redaction.py": (),
    "beam_pipeline/interruption.py": (),
    "beam_pipeline/standard_streams.py": ("transforms",),
    "beam_pipeline/monitor/read_progress.py": (),
    "tests/support/reference.py": ("english_words",),
}


def imported(source: str, package: str) -> Iterator[str]:
    """Yields the dotted names that `source` imports anywhere at run time, functions included."""
    for node in _without_type_checking(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = ".".join(filter(None, [package if node.level else "", node.module]))
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


def _without_type_checking(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            continue
        yield child
        yield from _without_type_checking(child)


def import_graph(sources: Mapping[str, str]) -> dict[str, set[str]]:
    """Returns the paths that each path imports, for files given as path and source."""
    graph: dict[str, set[str]] = {}
    for path, source in sources.items():
        package = ".".join(Path(path).parts[:-1])
        graph[path] = set()
        for name in imported(source, package):
            stem = name.replace(".", "/")
            for candidate in (f"{stem}.py", f"{stem}/__init__.py"):
                if candidate in sources and candidate != path:
                    graph[path].add(candidate)
    return graph


def layer_of(path: str) -> int:
    prefixes = {prefix: rank for rank, layer in enumerate(LAYERS) for prefix in layer}
    return prefixes[max((prefix for prefix in prefixes if path.startswith(prefix)), key=len)]


def against_order(graph: Mapping[str, set[str]]) -> list[str]:
    return [
        f"{path} imports {target}"
        for path, targets in sorted(graph.items())
        for target in sorted(targets)
        if layer_of(target) > layer_of(path)
    ]


def circles(graph: Mapping[str, set[str]]) -> list[str]:
    """Returns the shortest circle of imports through each file that is in one, each once."""
    found: dict[frozenset[str], str] = {}
    for start in graph:
        paths: deque[list[str]] = deque([[start]])
        seen: set[str] = set()
        while paths and start not in seen:
            path = paths.popleft()
            for target in sorted(graph[path[-1]] - seen):
                seen.add(target)
                paths.append([*path, target])
                if target == start:
                    found.setdefault(frozenset(path), " -> ".join([*path, start]))
                    break
    return sorted(found.values())


def _project() -> dict[str, str]:
    return {path.relative_to(ROOT).as_posix(): path.read_text("utf-8") for path in SOURCES}


def test_imports_run_in_the_order_of_the_layers() -> None:
    graph = import_graph(_project())
    assert sum(map(len, graph.values())) > 200
    assert against_order(graph) == []


def test_there_is_no_circle_of_imports() -> None:
    assert circles(import_graph(_project())) == []


def test_nothing_imports_tests_and_transforms_know_no_options() -> None:
    for path in SOURCES:
        names = set(imported(path.read_text("utf-8"), ""))
        assert not [name for name in names if name.split(".")[0] == "tests"], path
        if path.is_relative_to(ROOT / "transforms"):
            assert not [name for name in names if name.startswith("apache_beam.options")], path


def test_a_circle_is_found_also_inside_functions() -> None:
    sources = {
        "report/charts.py": "from report.model import Phase",
        "report/model.py": "def write():\n    from report.html import to_html",
        "report/html.py": "from report import charts",
        "report/other.py": "if TYPE_CHECKING:\n    import report.other",
    }
    assert circles(import_graph(sources)) == [
        "report/charts.py -> report/model.py -> report/html.py -> report/charts.py"
    ]
    del sources["report/html.py"]
    assert circles(import_graph(sources)) == []


@pytest.mark.parametrize(
    "source",
    [
        "import beam_pipeline",
        "import beam_pipeline.options as o",
        "from beam_pipeline import options",
        "def f():\n    from beam_pipeline.options import AnagramOptions",
        "if True:\n    from beam_pipeline.job import run_job",
    ],
)
def test_an_import_of_a_higher_layer_is_found_in_every_spelling(source: str) -> None:
    targets = dict.fromkeys(
        ("beam_pipeline/__init__.py", *(p for p in _project() if "job" in p)), ""
    )
    sources = {**targets, "beam_pipeline/options.py": "", "transforms/words.py": source}
    assert against_order(import_graph(sources))


@pytest.mark.parametrize("name", PURE)
def test_pure_modules_need_the_standard_library_only(name: str) -> None:
    package = ".".join(Path(name).parts[:-1])
    tops = {found.split(".")[0] for found in imported((ROOT / name).read_text("utf-8"), package)}
    assert tops - sys.stdlib_module_names <= set(PURE[name])


@pytest.mark.parametrize(
    "name", [name for name in PURE if not name.startswith("tests")], ids=lambda name: name
)
def test_pure_modules_do_not_load_beam(name: str) -> None:
    module = name.removesuffix(".py").replace("/", ".")
    program = f"import sys, {module}; sys.exit('apache_beam' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT).returncode == 0


def test_a_run_does_not_load_what_only_other_commands_and_options_need() -> None:
    unneeded = {
        *("openlineage", "opentelemetry", "rich.table", "jinja2", "pygal", "apache_beam.yaml"),
        *("beam_pipeline.cli.compare_reports", "beam_pipeline.report.comparison"),
        "beam_pipeline.yaml",
    }
    program = (
        "import sys, apache_beam\n"  # which loads what some extras need, where they are installed
        "loaded = set(sys.modules)\n"
        "from beam_pipeline import run\n"
        "assert run(['--text=cat']) == 0\n"
        "loaded = set(sys.modules) - loaded\n"
        f"assert not {unneeded!r} & loaded, {unneeded!r} & loaded\n"
    )
    finished = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True
    )
    assert finished.returncode == 0, finished.stderr


@pytest.mark.parametrize("package", ["transforms", "beam_pipeline"])
def test_public_names_are_there_and_loaded_when_used(package: str) -> None:
    program = (
        f"import sys, {package} as package\n"
        "assert 'apache_beam' not in sys.modules\n"
        "assert set(package.__all__) <= set(dir(package))\n"
        "for name in package.__all__:\n"
        "    assert getattr(package, name).__name__ == name\n"
        "try:\n"
        "    package.nonsense\n"
        "except AttributeError as error:\n"
        "    assert 'nonsense' in str(error)\n"
    )
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT).returncode == 0


def test_names_of_the_first_version_keep_working() -> None:
    from beam_pipeline import build, run
    from beam_pipeline.sources import ReadFiles
    from transforms import Ledger, SideOutputs
    from transforms.dictionary import DictionarySpec

    assert Ledger is SideOutputs
    assert all(map(callable, (build, run, ReadFiles, DictionarySpec)))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_annotations_stay_objects(path: Path) -> None:
    """Beam takes hints that are strings for Any, silently."""
    assert "__future__.annotations" not in set(imported(path.read_text("utf-8"), ""))


def test_the_check_of_annotations_finds_them() -> None:
    assert "__future__.annotations" in set(imported("from __future__ import annotations", ""))
