"""Measures the throughput of the engine, as a whole and in parts, and of other tools.

`sections` lists what is measured, `trial` measures a command in its own process, `rows` takes
medians, and `corpora`, `parts` and `peers` are texts, parts of the engine, and the other tools.
"""
