"""Compares orchestrators: each runs in its own process, is measured from outside, and is checked.

`comparison` runs them in turn; `orchestrator_process` is the side of the comparison, `worker` that
of the process; `texts` makes the texts, and `oracle` the expected answers; `summary`, `metrics`,
`table`, `export` and `page` present the results.
"""
