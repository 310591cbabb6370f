"""Notebooks: what their cells show, without what differs from run to run.

jupyter nbconvert --to notebook --execute --inplace resources/notebooks/anagrams.ipynb
python -m tests.support.notebooks resources/notebooks/anagrams.ipynb

executes a notebook, and then removes what should not be in the repository.
"""

import json
import sys
from pathlib import Path
from typing import Any

Notebook = dict[str, Any]
# What is kept of an output: images, tables and text. Progress bars are scripts.
_KEPT = ("image/png", "text/html", "text/plain")


def read(path: Path) -> Notebook:
    notebook: Notebook = json.loads(path.read_text("utf-8"))
    return notebook


def write(path: Path, notebook: Notebook) -> None:
    path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", "utf-8")


def cleaned(notebook: Notebook) -> Notebook:
    """Returns a notebook with the results of its cells only, and nothing about this machine."""
    cells = []
    for cell in notebook["cells"]:
        kept = {**cell, "metadata": {}}
        if cell["cell_type"] == "code":
            kept["outputs"] = [clean for one in cell["outputs"] if (clean := _cleaned(one))]
        cells.append(kept)
    names = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": names, "language_info": {"name": "python"}}
    return {**notebook, "cells": cells, "metadata": metadata}


def _cleaned(output: dict[str, Any]) -> dict[str, Any] | None:
    if output["output_type"] == "stream":
        return output if output["name"] == "stdout" else None
    if output["output_type"] == "error":
        return output
    data = output["data"]
    if "image/png" not in data and output["output_type"] != "execute_result":
        return None
    return {**output, "metadata": {}, "data": {kind: data[kind] for kind in _KEPT if kind in data}}


def shown(notebook: Notebook) -> list[list[str]]:
    """Returns what each cell of code shows, as text; of an image, that there is one."""
    return [
        [_shown(output) for output in cell["outputs"]]
        for cell in cleaned(notebook)["cells"]
        if cell["cell_type"] == "code"
    ]


def _shown(output: dict[str, Any]) -> str:
    if output["output_type"] == "error":
        return f"{output['ename']}: {output['evalue']}"
    if output["output_type"] == "stream":
        return "".join(output["text"])
    return "an image" if "image/png" in output["data"] else "".join(output["data"]["text/plain"])


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        write(Path(argument), cleaned(read(Path(argument))))
