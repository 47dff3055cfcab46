"""One reader in a container of 1,000 threads: files that count threads show it."""

from itertools import product
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.containers import Containers, containers
from benchmarks.readers import read_together
from benchmarks.results import FLOOR, KERNEL, LXCFS, OURS, Kind
from benchmarks.servers import FILES

_THREADS = 1000
_P50 = Kind(f"latency in a container of {_THREADS:,} threads, p50", "µs")


def measure(bench: Bench) -> None:
    """As latency.py, without a target."""
    helpers, plan = bench.helpers, bench.plan
    with containers(helpers.containers, bench.hierarchies, 1, threads=_THREADS) as where:
        for servers in bench.rounds(plan.scale_rounds, (LXCFS, OURS, FLOOR, KERNEL)):
            with bench.all_running(servers) as running:
                for file, (name, server) in product(FILES, running):
                    _measure_file(bench, name, server.view / file, where)


def _measure_file(bench: Bench, server: str, file: Path, where: Containers) -> None:
    samples = read_together(
        bench.helpers.reader, where, [file], readers=1, seconds=bench.plan.large_seconds
    )
    bench.results.add(_P50, file.name, server, samples.percentile(50) * 1e6)
