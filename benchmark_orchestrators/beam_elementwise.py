"""This project's readable engine: every word is an element.

Shows the price of an element in Beam, and with `naive_beam_wordcount` what a careful pipeline
gains at the same price.
"""

from benchmark_orchestrators._command import CommandOrchestrator


class TaskOrchestrator(CommandOrchestrator):
    """The command with ``--engine elementwise``."""

    def __init__(self, chaos: str = ""):
        super().__init__("elementwise", chaos)
