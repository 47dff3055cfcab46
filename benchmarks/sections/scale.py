"""Many containers: 1, 100, 1,000, each with a pid namespace, cgroups and an init.

The same number of reads at every step, one at a time and from each container in turn, by one
reader in each: what a container holds does not change from step to step, only their number. (One
container has two readers, since a single one would never sleep.)
"""

import time
from collections.abc import Mapping, Sequence

from benchmarks.bench import Bench
from benchmarks.containers import Containers, containers
from benchmarks.processes import cpu_seconds, memory
from benchmarks.readers import read_in_turns
from benchmarks.results import LXCFS, OURS, UNCACHED, Kind, Target
from benchmarks.servers import Running

_P50 = Kind("scale: p50, all files mixed, readers take turns", "µs")
_GROWTH = Kind("scale: growth of p50", "times", Target("ours", "≤", 1.3))
_RSS = Kind("scale: RSS of all processes", "MB", Target("ours", "<", 90))
_PSS = Kind("scale: PSS of all processes", "MB")
_IDLE = Kind("scale: CPU when nobody reads", "% of a core", Target("ours", "<", 1.0))


def measure(bench: Bench) -> None:
    """The servers are started once in a round and see the containers become more."""
    most = max(bench.plan.scale_steps)
    with containers(bench.helpers.containers, bench.hierarchies, most) as all_containers:
        for servers in bench.rounds(bench.plan.scale_rounds, (LXCFS, OURS, UNCACHED)):
            with bench.all_running(servers) as running:
                _measure_round(bench, running, all_containers)


def _measure_round(bench: Bench, servers: Sequence[tuple[str, Running]], where: Containers) -> None:
    medians: dict[str, list[float]] = {name: [] for name, _ in servers}
    for step in bench.plan.scale_steps:
        row = f"{step} container{'s' if step > 1 else ''}"
        for name, running in servers:
            medians[name].append(_measure_step(bench, name, running, where.first(step), row))
        for name, used in idle_cpu(servers, bench.plan.idle_seconds).items():
            bench.results.add(_IDLE, row, name, 100 * used)
    steps = f"{bench.plan.scale_steps[-1]} containers / {bench.plan.scale_steps[0]}"
    for name, (first, *_, last) in medians.items():
        bench.results.add(_GROWTH, steps, name, last / first)


def _measure_step(
    bench: Bench, server: str, running: Running, where: Containers, row: str
) -> float:
    assert running.pid
    readers = max(len(where.names), 2)
    turns = bench.plan.scale_reads // readers
    samples = read_in_turns(
        bench.helpers.reader, where, running.files, readers=readers, turns=turns
    )
    used = memory(running.pid)
    bench.results.add(_P50, row, server, samples.percentile(50) * 1e6)
    bench.results.add(_RSS, row, server, used.rss / 1e6)
    bench.results.add(_PSS, row, server, used.pss / 1e6)
    return samples.percentile(50)


def idle_cpu(servers: Sequence[tuple[str, Running]], seconds: float) -> Mapping[str, float]:
    """The part of a core that each daemon uses while nobody asks it anything."""
    before = {name: cpu_seconds(running.pid) for name, running in servers if running.pid}
    time.sleep(seconds)
    return {
        name: (cpu_seconds(running.pid) - before[name]) / seconds
        for name, running in servers
        if running.pid
    }
