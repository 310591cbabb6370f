"""Comparison of orchestrators: each in a process of its own, measured from outside, checked whole.

`comparison` runs them in turn, `orchestrator_process` and `worker` are the two ends of each
process, `oracle` and `texts` decide what is right and what it is asked about, and `summary`,
`metrics`, `table`, `export` and `page` say what came out.
"""
