"""Sampling load averages: 1,000 containers of 10 threads, each of which has asked once."""

from benchmarks.bench import Bench
from benchmarks.containers import containers
from benchmarks.readers import read_in_turns
from benchmarks.results import Kind
from benchmarks.sections.scale import idle_cpu

_CPU = Kind("load averages: CPU when nobody reads", "% of a core")
_CONTAINERS = 1000
_THREADS = 10


def measure(bench: Bench) -> None:
    """lxcfs samples only with -l; ours always."""
    helpers, plan = bench.helpers, bench.plan
    row = f"{_CONTAINERS} containers, {_CONTAINERS * _THREADS} threads"
    with containers(helpers.containers, bench.hierarchies, _CONTAINERS, threads=_THREADS) as where:
        for servers in bench.rounds(plan.scale_rounds):
            with bench.all_running(servers) as running:
                for _, server in running:
                    file = server.view / "loadavg"
                    read_in_turns(helpers.reader, where, [file], readers=_CONTAINERS, turns=1)
                for name, used in idle_cpu(running, plan.loadavg_seconds).items():
                    bench.results.add(_CPU, row, name, 100 * used)
