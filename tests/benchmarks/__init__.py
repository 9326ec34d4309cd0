"""Benchmarks: asgitest, its peers and the floors below them, in one interleaved run.

``python -m tests.benchmarks`` runs them; ``--help`` tells more. They are no tests: timings belong
to one machine and one run, and only their ratios say anything.
"""
