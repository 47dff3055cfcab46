"""Many containers: 1, 100, 1,000, each with a pid namespace, cgroups and an init.

The same number of readers at every step, spread over the containers that there are, one read at
a time: what changes from step to step is the number of containers and nothing else. One daemon
at a time here, as the others' samplers would not sleep.
"""

import time
from itertools import chain

from benchmarks.bench import Bench
from benchmarks.containers import Containers, containers
from benchmarks.processes import cpu_seconds, memory
from benchmarks.readers import read_in_turns
from benchmarks.results import Kind, Target
from benchmarks.servers import Running

_P50 = Kind("scale: p50, all files mixed, readers take turns", "µs")
_GROWTH = Kind("scale: growth of p50", "times", Target("ours", "≤", 1.3))
_RSS = Kind("scale: RSS of all processes", "MB", Target("ours", "<", 90))
_PSS = Kind("scale: PSS of all processes", "MB")
_IDLE = Kind("scale: CPU when nobody reads", "% of a core", Target("ours", "<", 1.0))


def measure(bench: Bench) -> None:
    """Each server is started once in a round and sees the containers become more."""
    most = max(bench.plan.scale_steps)
    with containers(bench.helpers.containers, bench.hierarchies, most) as all_containers:
        for name, server in chain.from_iterable(bench.rounds(bench.plan.scale_rounds)):
            with server.running(bench.helpers) as running:
                _measure_steps(bench, name, running, all_containers)


def _measure_steps(bench: Bench, server: str, running: Running, where: Containers) -> None:
    medians = [
        _measure_step(bench, server, running, where.first(step)) for step in bench.plan.scale_steps
    ]
    steps = f"{bench.plan.scale_steps[-1]} containers / {bench.plan.scale_steps[0]}"
    bench.results.add(_GROWTH, steps, server, medians[-1] / medians[0])


def _measure_step(bench: Bench, server: str, running: Running, where: Containers) -> float:
    assert running.pid
    samples = read_in_turns(
        bench.helpers.reader,
        where,
        running.files,
        readers=max(bench.plan.scale_steps),
        turns=bench.plan.scale_turns,
    )
    used = memory(running.pid)
    row = f"{len(where.names)} containers"
    bench.results.add(_P50, row, server, samples.percentile(50) * 1e6)
    bench.results.add(_RSS, row, server, used.rss / 1e6)
    bench.results.add(_PSS, row, server, used.pss / 1e6)
    bench.results.add(_IDLE, row, server, 100 * idle_cpu(running.pid, bench.plan.idle_seconds))
    return samples.percentile(50)


def idle_cpu(pid: int, seconds: float) -> float:
    """The part of a core that a daemon uses while nobody asks it anything."""
    before = cpu_seconds(pid)
    time.sleep(seconds)
    return (cpu_seconds(pid) - before) / seconds
