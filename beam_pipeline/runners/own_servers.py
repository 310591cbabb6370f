"""Restricts Flink and Spark within a job server of this process to the loopback interface.

By default they listen on all interfaces, and anybody who can connect to them can run any program.
"""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

#: Flink's settings, which it reads from the folder that FLINK_CONF_DIR names.
_FLINK = """\
jobmanager.bind-host: 127.0.0.1
taskmanager.bind-host: 127.0.0.1
rest.bind-address: 127.0.0.1
"""


@contextlib.contextmanager
def own_servers_at_loopback(runner: str) -> Iterator[None]:
    """Inside the ``with`` block, Flink or Spark within a job server listen on loopback only.

    Environment variables that are set already are not changed.

    Args:
      runner: the class name of the runner.
    """
    with tempfile.TemporaryDirectory() as folder:
        if runner == "FlinkRunner":
            (Path(folder) / "config.yaml").write_text(_FLINK)
            name, value = "FLINK_CONF_DIR", folder
        elif runner == "SparkRunner":
            name, value = "SPARK_LOCAL_IP", "127.0.0.1"
        else:
            yield
            return
        if name in os.environ:
            yield
            return
        os.environ[name] = value
        try:
            yield
        finally:
            del os.environ[name]
