"""One reader in one container: how long each file takes."""

from collections.abc import Sequence
from pathlib import Path
from statistics import geometric_mean

from benchmarks.bench import Bench
from benchmarks.containers import Containers, containers
from benchmarks.readers import read_together
from benchmarks.results import FLOOR, KERNEL, LXCFS, OURS, UNCACHED, Kind, Target
from benchmarks.servers import FILES, Running

_P50 = Kind("latency, p50", "µs", Target("ratio", "≤", 0.7))
_P50_ALL = Kind("latency, p50 of all files", "µs", Target("ratio", "≤", 0.5))
_P99 = Kind("latency, p99", "µs", Target("ratio", "≤", 0.8))
_SIZE = Kind("length", "bytes")


def measure(bench: Bench) -> None:
    """File by file, all servers in turn."""
    with containers(bench.helpers.containers, bench.hierarchies, 1) as where:
        for servers in bench.rounds(bench.plan.rounds, (LXCFS, OURS, UNCACHED, FLOOR, KERNEL)):
            with bench.all_running(servers) as running:
                _measure_round(bench, running, where)


def _measure_round(bench: Bench, servers: Sequence[tuple[str, Running]], where: Containers) -> None:
    medians: dict[str, list[float]] = {name: [] for name, _ in servers}
    for file in FILES:
        for name, running in servers:
            medians[name].append(_measure_file(bench, name, running.view / file, where))
    for name, seconds in medians.items():
        bench.results.add(_P50_ALL, "geometric mean", name, geometric_mean(seconds) * 1e6)


def _measure_file(bench: Bench, server: str, file: Path, where: Containers) -> float:
    samples = read_together(
        bench.helpers.reader, where, [file], readers=1, seconds=bench.plan.file_seconds
    )
    bench.results.add(_P50, file.name, server, samples.percentile(50) * 1e6)
    bench.results.add(_P99, file.name, server, samples.percentile(99) * 1e6)
    bench.results.add(_SIZE, file.name, server, samples.size[-1])
    return samples.percentile(50)
