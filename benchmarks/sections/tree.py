"""The cgroup tree: listing a cgroup of 1,000 children, and reading one of its files."""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from benchmarks.bench import Bench
from benchmarks.containers import Containers, containers
from benchmarks.readers import read_together
from benchmarks.results import LXCFS, OURS, Kind
from benchmarks.servers import Running

_CHILDREN = 1000
_LIST = Kind("cgroup tree: listing a directory", "µs")
_READ = Kind("cgroup tree: a control file, p50", "µs")
_FILE = "cgroup.procs"  # in every cgroup of every version


def measure(bench: Bench) -> None:
    """In the first hierarchy that both show; lxcfs shows none on a host with cgroup2 alone."""
    with containers(bench.helpers.containers, bench.hierarchies, 1) as where:
        for servers in bench.rounds(bench.plan.rounds):
            with bench.all_running(servers) as running:
                root = _shown_by_all(bench.hierarchies.roots, running)
                with _children(root):
                    for name, server in running:
                        _measure_server(bench, name, _below(server, root), where)


def _shown_by_all(roots: Sequence[Path], running: Sequence[tuple[str, Running]]) -> Path:
    shown = [
        root
        for root in roots
        if all(_below(server, root).exists() for name, server in running if name == LXCFS)
    ]
    mine = [root for root in roots if _below(dict(running)[OURS], root).exists()]
    return next((root for root in shown if root in mine), mine[0])


def _below(server: Running, root: Path) -> Path:
    """The run's cgroup in a server's tree."""
    return server.root / "cgroup" / root.parent.name / root.name


@contextmanager
def _children(root: Path) -> Iterator[None]:
    made = [root / f"child{number}" for number in range(_CHILDREN)]
    try:
        for child in made:
            child.mkdir()
        yield
    finally:
        for child in made:
            if child.exists():
                child.rmdir()


def _measure_server(bench: Bench, name: str, cgroup: Path, where: Containers) -> None:
    if not cgroup.exists():
        return
    taken: list[float] = []
    end = time.monotonic() + bench.plan.file_seconds
    while len(taken) < 3 or time.monotonic() < end:
        begin = time.perf_counter()
        entries = len(os.listdir(cgroup))
        taken.append(time.perf_counter() - begin)
        if entries < _CHILDREN:
            raise RuntimeError(f"{cgroup}: {entries} entries, not {_CHILDREN}")
    bench.results.add(_LIST, f"{_CHILDREN:,} cgroups", name, median(taken) * 1e6)
    file = cgroup / where.names[0] / _FILE
    samples = read_together(
        bench.helpers.reader, where, [file], readers=1, seconds=bench.plan.file_seconds
    )
    bench.results.add(_READ, _FILE, name, samples.percentile(50) * 1e6)
