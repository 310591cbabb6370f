"""A check for pandas, an undeclared requirement of Beam in IPython and notebooks."""

import importlib.util
import sys


def check_notebook() -> None:
    """Checks that Beam can build a pipeline, if this process is IPython or a notebook's kernel.

    Only there, Beam imports pandas when a transform is applied, although its package does not
    require pandas. Beam's own error mentions neither Beam nor how to fix it.

    Raises:
      ImportError: pandas is missing; the message says how to install it.
    """
    ipython = sys.modules.get("IPython")
    if ipython is None or ipython.get_ipython() is None:
        return
    if importlib.util.find_spec("pandas") is None:
        raise ImportError(
            "in IPython and notebooks, Apache Beam needs pandas: "
            "pip install 'apache-beam[dataframe]'"
        )
