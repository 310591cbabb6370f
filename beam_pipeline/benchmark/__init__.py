"""Comparison of orchestrators, and the throughput of the engine beside other tools.

Nothing here imports Beam, so that what is measured has the machine to itself.
"""
