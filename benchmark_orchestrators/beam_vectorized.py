"""This project's default engine, which tallies blocks of bytes in compiled code.

Shows that Beam can be as fast as libraries made for one machine, while the same pipeline still
runs on a cluster.
"""

from benchmark_orchestrators._command import CommandOrchestrator


class TaskOrchestrator(CommandOrchestrator):
    """Runs the command with ``--engine vectorized``."""

    def __init__(self, chaos: str = ""):
        super().__init__("vectorized", chaos)
