"""From exec to the first read that is answered."""

from itertools import chain

from benchmarks.bench import Bench
from benchmarks.results import Kind, Target

_START = Kind("start", "ms", Target("ours", "<", 600))


def measure(bench: Bench) -> None:
    """Programs are in the page cache after the first time."""
    for name, server in chain.from_iterable(bench.rounds(bench.plan.starts)):
        with server.running(bench.helpers) as running:
            bench.results.add(_START, "exec to first answer", name, running.start_seconds * 1000)
