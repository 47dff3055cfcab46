"""`lxcfs-py top`: the containers that a daemon serves, again and again."""

import argparse
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import count

from lxcfs_py.errors import CannotRun
from lxcfs_py.observe.answers import Listed
from lxcfs_py.observe.asking import Daemon, add_place
from lxcfs_py.observe.ps import cpus, listed
from lxcfs_py.observe.show import Row, duration, plain_table, rich_table, size

_TITLES = ("NAME", "RUNTIME", "PID", "AGE", "CPU%", "OF", "MEMORY", "LIMIT", "READS/s")
_RIGHT = range(2, len(_TITLES))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments."""
    parser.add_argument(
        "-d", "--delay", type=float, metavar="SECONDS", default=2.0, help="default: %(default)s"
    )
    parser.add_argument("-n", "--times", type=int, metavar="N", help="end after so many")
    parser.add_argument(
        "--sort", choices=("cpu", "memory", "name"), default="cpu", help="default: %(default)s"
    )
    add_place(parser)


def run(arguments: argparse.Namespace) -> int:
    """Show them until ^C."""
    if arguments.delay <= 0:
        raise CannotRun(f"--delay {arguments.delay:g}: needs to be more than 0")
    views = _views(Daemon.of(arguments), arguments)
    with suppress(KeyboardInterrupt, BrokenPipeError):
        if sys.stdout.isatty():
            _live(views)
        else:
            for rows in views:
                print(plain_table(_TITLES, rows, right=_RIGHT), end="\n\n", flush=True)
    return 0


def _live(views: Iterator[Sequence[Row]]) -> None:
    from rich.live import Live

    with Live(screen=True, auto_refresh=False) as live:
        for rows in views:
            live.update(rich_table(_TITLES, rows, right=_RIGHT), refresh=True)


def _views(daemon: Daemon, arguments: argparse.Namespace) -> Iterator[Sequence[Row]]:
    before: Mapping[int, Listed] = {}
    asked_at = 0.0
    for number in count(1):
        containers, now = listed(daemon), time.monotonic()
        elapsed = now - asked_at if asked_at else 0.0
        rates = [_Rates(one, before.get(one.pid), elapsed) for one in containers]
        if arguments.sort == "cpu":
            rates.sort(key=lambda one: one.cpu, reverse=True)
        elif arguments.sort == "memory":
            rates.sort(key=lambda one: one.container.memory or 0, reverse=True)
        yield [rate.row() for rate in rates]
        if number == arguments.times:
            return
        before, asked_at = {one.pid: one for one in containers}, now
        time.sleep(arguments.delay)


class _Rates:
    """A container, and what it has done since the last time; at first, all its life."""

    def __init__(self, container: Listed, before: Listed | None, elapsed: float) -> None:
        self.container = container
        used, reads = container.cpu_usec or 0, container.reads
        # Without an earlier answer, or if another container has got the number.
        if before is None or before.age > container.age or not elapsed:
            seconds = max(container.age, 0.01)
            self.reads = None
        else:
            seconds = elapsed
            used -= before.cpu_usec or 0
            # A worker that was replaced begins to count anew.
            self.reads = max(reads - before.reads, 0) / elapsed
        self.cpu = max(used, 0) / 1e4 / seconds

    def row(self) -> Row:
        """One line."""
        container = self.container
        return (
            container.name,
            container.runtime or "-",
            str(container.pid),
            duration(container.age),
            f"{self.cpu:.1f}",
            cpus(container),
            size(container.memory, none="-"),
            size(container.memory_max, none="max"),
            "-" if self.reads is None else f"{self.reads:.1f}",
        )
