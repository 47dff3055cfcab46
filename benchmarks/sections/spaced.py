"""One reader that pauses between its reads, as monitoring programs do.

Whatever a daemon keeps for the next few milliseconds is too old then, and everybody is asleep.
"""

from statistics import geometric_mean

from benchmarks.bench import Bench
from benchmarks.containers import Containers, containers
from benchmarks.readers import read_together
from benchmarks.results import FLOOR, LXCFS, OURS, Kind
from benchmarks.servers import FILES, Running

_PAUSE = 0.02  # seconds; twice the oldest that a cached answer may be
_P50 = Kind(f"latency, reads {_PAUSE * 1000:.0f} ms apart, p50", "µs")


def measure(bench: Bench) -> None:
    """All files in turn, by one reader."""
    with containers(bench.helpers.containers, bench.hierarchies, 1) as where:
        for servers in bench.rounds(bench.plan.rounds, (LXCFS, OURS, FLOOR)):
            with bench.all_running(servers) as running:
                for name, server in running:
                    _measure_server(bench, name, server, where)


def _measure_server(bench: Bench, name: str, running: Running, where: Containers) -> None:
    samples = read_together(
        bench.helpers.reader,
        where,
        running.files,
        readers=1,
        seconds=bench.plan.spaced_seconds,
        pause=_PAUSE,
    )
    medians = [samples.percentile(50, file=number) for number in range(len(FILES))]
    for file, seconds in zip(FILES, medians, strict=True):
        bench.results.add(_P50, file, name, seconds * 1e6)
    bench.results.add(_P50, "geometric mean", name, geometric_mean(medians) * 1e6)
