"""This project's default engine: blocks of bytes, tallied in compiled code.

Shows that Beam can be as fast as the libraries made for one machine, and keep what it is for:
the same pipeline runs on a cluster.
"""

from benchmark_orchestrators._command import CommandOrchestrator


class TaskOrchestrator(CommandOrchestrator):
    """The command with ``--engine vectorized``."""

    def __init__(self, chaos: str = ""):
        super().__init__("vectorized", chaos)
