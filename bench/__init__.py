"""Benchmarks: each a module with its seed, its baseline in the same run, and a committed table of results."""
