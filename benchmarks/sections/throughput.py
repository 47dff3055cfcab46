"""Several readers at once, all files mixed, and what a read costs the daemon."""

from itertools import product

from benchmarks.bench import Bench
from benchmarks.containers import Containers, containers
from benchmarks.processes import cpu_seconds
from benchmarks.readers import read_together
from benchmarks.results import FLOOR, LXCFS, OURS, UNCACHED, Kind, Target
from benchmarks.servers import Running

_READS = Kind("throughput, readers in containers", "reads/s")
_READS_MOST = Kind(
    "throughput, most readers in most containers", "reads/s", Target("ratio", "≥", 2.0)
)
_CPU = Kind("daemon's CPU time per read, readers in containers", "µs", Target("ratio", "≤", 0.7))
_MOST = 16
_MIXES = ((1, 1), (4, 1), (_MOST, 1), (4, 4), (_MOST, _MOST))
"""Readers, and containers that they are spread over."""


def measure(bench: Bench) -> None:
    """1, 4 and 16 readers: in one container, and each in its own."""
    with containers(bench.helpers.containers, bench.hierarchies, _MOST) as all_containers:
        for servers in bench.rounds(bench.plan.rounds, (LXCFS, OURS, UNCACHED, FLOOR)):
            with bench.all_running(servers) as running:
                for (readers, spread), (name, server) in product(_MIXES, running):
                    _measure_mix(bench, name, server, all_containers.first(spread), readers)


def _measure_mix(
    bench: Bench, server: str, running: Running, where: Containers, readers: int
) -> None:
    assert running.pid
    before = cpu_seconds(running.pid)
    samples = read_together(
        bench.helpers.reader, where, running.files, readers=readers, seconds=bench.plan.mix_seconds
    )
    used = cpu_seconds(running.pid) - before
    row = f"{readers} in {len(where.names)}"
    kind = _READS_MOST if len(where.names) == _MOST else _READS
    bench.results.add(kind, row, server, len(samples.seconds) / bench.plan.mix_seconds)
    bench.results.add(_CPU, row, server, used / samples.all_reads * 1e6)
