"""Containers: a pid namespace with a sleeping init, and a cgroup in every hierarchy."""

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.cgroups import Hierarchies


@dataclass(frozen=True, slots=True)
class Containers:
    """Running containers."""

    hierarchies: Hierarchies
    inits: Sequence[int]
    """Pids, as the daemons see them."""
    names: Sequence[str]
    """Of the cgroups, below the run's."""

    def first(self, count: int) -> "Containers":
        """Some of them."""
        return Containers(self.hierarchies, self.inits[:count], self.names[:count])


@contextmanager
def containers(
    program: Path, hierarchies: Hierarchies, count: int, *, threads: int = 1
) -> Iterator[Containers]:
    """Start containers of so many threads each; end and remove them afterwards."""
    names = [f"c{number}" for number in range(count)]
    try:
        for name in names:
            hierarchies.create(name)
        with _inits(program, hierarchies, names, threads) as inits:
            yield Containers(hierarchies, inits, names)
    finally:
        hierarchies.remove(names)


@contextmanager
def _inits(
    program: Path, hierarchies: Hierarchies, names: Sequence[str], threads: int
) -> Iterator[list[int]]:
    command = [str(program), "-t", str(threads), *root_options(hierarchies)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdin
            assert process.stdout
            process.stdin.writelines(f"{name}\n" for name in names)
            process.stdin.close()
            *inits, last = [line.strip() for line in _until_ready(process.stdout)]
            if last != "ready":
                raise RuntimeError("not all containers started")
            yield [int(pid) for pid in inits]
        finally:
            process.kill()


def _until_ready(lines: Iterator[str]) -> Iterator[str]:
    for line in lines:
        yield line
        if line == "ready\n":
            return
    yield "ended\n"


def root_options(hierarchies: Hierarchies) -> list[str]:
    """The helpers' options that say where a container's cgroups are."""
    return [word for root in hierarchies.roots for word in ("-g", str(root))]
