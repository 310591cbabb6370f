"""What Beam needs in IPython and notebooks, and does not say."""

import importlib.util
import sys


def check_notebook() -> None:
    """Checks that Beam can build a pipeline, if this process is IPython or a notebook's kernel.

    There, and only there, Beam imports pandas when a transform is applied, which it does not
    require as a package. Its own error names neither itself nor a remedy.

    Raises:
      ImportError: pandas is missing; says how to install it.
    """
    ipython = sys.modules.get("IPython")
    if ipython is None or ipython.get_ipython() is None:
        return
    if importlib.util.find_spec("pandas") is None:
        raise ImportError(
            "in IPython and notebooks, Apache Beam needs pandas: "
            "pip install 'apache-beam[dataframe]'"
        )
