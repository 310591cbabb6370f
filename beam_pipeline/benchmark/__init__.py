"""Comparison of implementations, and the engine's own throughput.

Nothing here imports Beam: what is measured has the machine to itself.
"""
