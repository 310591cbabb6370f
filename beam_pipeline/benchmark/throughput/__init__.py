"""Throughput of the engine: as a whole, in parts, and beside other tools.

`sections` lists what is measured, `trial` measures a command in a process of its own, `rows` takes
medians, and `corpora`, `parts` and `peers` are texts, parts of the engine, and the other tools.
"""
