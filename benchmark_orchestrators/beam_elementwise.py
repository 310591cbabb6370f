"""This project's readable engine, in which every word is an element.

Shows what an element costs in Beam, and, beside `naive_beam_wordcount`, what a careful pipeline
gains with as many elements.
"""

from benchmark_orchestrators._command import CommandOrchestrator


class TaskOrchestrator(CommandOrchestrator):
    """Runs the command with ``--engine elementwise``."""

    def __init__(self, chaos: str = ""):
        super().__init__("elementwise", chaos)
