"""HTML pages and their charts, for run reports and for comparisons. Free of Beam.

A page is one file that needs no network and runs no script. The charts in it are SVG.
"""
