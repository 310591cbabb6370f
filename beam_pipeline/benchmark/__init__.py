"""Compares orchestrators, and measures the throughput of the engine and of other tools.

Nothing here imports Beam, so the benchmark itself takes little memory and CPU.
"""
