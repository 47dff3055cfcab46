"""What every section gets."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from benchmarks.build import Helpers
from benchmarks.cgroups import Hierarchies
from benchmarks.plan import Plan
from benchmarks.results import LXCFS, OURS, Results
from benchmarks.servers import Running, Server


@dataclass(frozen=True, slots=True)
class Bench:
    """One run."""

    plan: Plan
    helpers: Helpers
    hierarchies: Hierarchies
    servers: Mapping[str, Server]
    """By the names of results.py."""
    results: Results

    def rounds(
        self, count: int, names: Sequence[str] = (LXCFS, OURS)
    ) -> Iterator[Sequence[tuple[str, Server]]]:
        """Each round's order of servers: A B, B A, A B ... so that none is always the first."""
        chosen = [(name, self.servers[name]) for name in names]
        for number in range(count):
            yield chosen if number % 2 == 0 else chosen[::-1]

    @contextmanager
    def all_running(
        self, servers: Sequence[tuple[str, Server]]
    ) -> Iterator[Sequence[tuple[str, Running]]]:
        """The servers of a round, all of them up, to be asked in turn.

        What is compared is then measured within a second: what else the machine does changes
        more slowly than that. Those that are not asked sleep.
        """
        with ExitStack() as stack:
            yield [
                (name, stack.enter_context(server.running(self.helpers)))
                for name, server in servers
            ]
