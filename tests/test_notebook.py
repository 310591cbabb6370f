"""The package in a notebook, run by nbconvert in an environment of its own."""

import importlib.util
import re
from typing import Any

import pytest

from tests.support import notebooks
from tests.support.cli import ROOT
from tests.support.python_environment import PythonEnvironment

pytestmark = pytest.mark.slow

RECORDS = "".join(
    f"AnagramCount(word='{word}', count=2, signature='eilnst')\n" for word in ("enlist", "silent")
)


class Jupyter(PythonEnvironment):
    """Runs cells as a notebook."""

    def run(self, *cells: str) -> list[str]:
        """Runs the cells, and returns for each what it prints, or the error it ends with."""
        written: list[dict[str, Any]] = [
            {
                "cell_type": "code",
                "id": f"cell-{number}",
                "metadata": {},
                "execution_count": None,
                "outputs": [],
                "source": cell,
            }
            for number, cell in enumerate(cells)
        ]
        notebook = {"cells": written, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
        executed = self.execute(notebook)
        return [_printed(cell["outputs"]) for cell in executed["cells"]]

    def execute(self, notebook: notebooks.Notebook) -> notebooks.Notebook:
        """Returns a notebook with the outputs of its cells, some of which may be errors."""
        path = self.folder / "notebook.ipynb"
        notebooks.write(path, notebook)
        self.python(
            *("-m", "nbconvert", "--to", "notebook", "--execute", "--allow-errors"),
            *("--ExecutePreprocessor.timeout=300", "--inplace", str(path)),
        )
        return notebooks.read(path)


def _printed(outputs: list[dict[str, Any]]) -> str:
    texts = []
    for output in outputs:
        if output["output_type"] == "error":
            texts.append(f"{output['ename']}: {output['evalue']}")
        elif output.get("name") == "stdout":
            texts.append("".join(output["text"]))
    return "".join(texts)


@pytest.fixture(scope="module")
def jupyter(tmp_path_factory: pytest.TempPathFactory) -> Jupyter:
    made = Jupyter(tmp_path_factory.mktemp("notebooks"))
    made.install("nbconvert", "ipykernel")
    return made


@pytest.fixture(scope="module")
def example() -> str:
    """The example of README.md, with all its imports."""
    found = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    assert found is not None
    return found[1]


def test_without_pandas_the_first_import_says_what_to_install(
    jupyter: Jupyter, example: str
) -> None:
    # An environment that has pandas for another reason is made to look as if it had not.
    hidden = "" if importlib.util.find_spec("pandas") is None else "sys.modules['pandas'] = None"
    outputs = jupyter.run(
        f"import sys\n{hidden}", example, "from transforms import ExtractWords", "import transforms"
    )
    remedy = (
        "ImportError: in IPython and notebooks, Apache Beam needs pandas: "
        "pip install 'apache-beam[dataframe]'"
    )
    assert outputs == ["", remedy, remedy, ""]


def test_with_pandas_pipelines_and_whole_runs_work(jupyter: Jupyter, example: str) -> None:
    jupyter.install("apache-beam[dataframe]")
    outputs = jupyter.run(
        example,
        example.replace('runner="FnApiRunner"', ""),
        "from beam_pipeline import run\ncode = run(['--text', 'cat'])",
        "print(code)",
        "from apache_beam.runners.interactive.interactive_runner import InteractiveRunner\n"
        "from apache_beam.runners.interactive import interactive_beam\n"
        "pipeline = beam.Pipeline(InteractiveRunner())\n"
        "counted = pipeline | beam.Create(['cat']) | CountAnagrams()\n"
        "print(sorted(interactive_beam.collect(counted)['word']))",
    )
    assert outputs == [
        RECORDS,
        RECORDS,
        '{\n  "act": 1,\n  "cat": 1,\n  "tac": 1\n}\n',
        "0\n",
        "['act', 'cat', 'tac']\n",
    ]


def test_the_worked_notebook_shows_what_it_has_stored(jupyter: Jupyter) -> None:
    jupyter.install("apache-beam[dataframe]", "matplotlib")
    stored = notebooks.read(ROOT / "resources" / "notebooks" / "anagrams.ipynb")
    assert notebooks.cleaned(stored) == stored
    assert notebooks.shown(jupyter.execute(stored)) == notebooks.shown(stored)
