"""Benchmarks against lxcfs: see README.md, and `./run-benchmarks --help`."""
