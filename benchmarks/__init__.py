"""Benchmarks: one command each, a table, medians, every rival in the same run. `python -m benchmarks.training`."""
