"""`lxcfs-py check`: whether a container has all of our files, and whether they agree."""

import argparse
from collections.abc import Iterator

from lxcfs_py.attach import Served, live_mount
from lxcfs_py.errors import CannotRun
from lxcfs_py.observe.answers import TEXTS, Texts
from lxcfs_py.observe.asking import Daemon, add_place, whom
from lxcfs_py.observe.bound import ANOTHERS, DEAD, NOT_BOUND, look
from lxcfs_py.observe.ps import listed
from lxcfs_py.observe.rules import Verdict, verdicts
from lxcfs_py.observe.show import harmless

_MOUNTS = "every file is bound"
_MENDS = {f": {NOT_BOUND}": "attach", f": {DEAD}": "reattach", f": {ANOTHERS}": "reattach"}
"""What mends a fault of a mount."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments."""
    parser.add_argument(
        "who", metavar="PID|NAME", nargs="?", help="any process of it, or what ps calls it"
    )
    parser.add_argument("--all", action="store_true", help="every container that ps lists")
    add_place(parser)


def run(arguments: argparse.Namespace) -> int:
    """Check; status 1 if anything does not hold."""
    if (arguments.who is None) != arguments.all:
        raise CannotRun("which container: a process number, a name, or --all")
    daemon = Daemon.of(arguments)
    served = live_mount(daemon.mountpoint)
    if not arguments.all:
        return int(not _check(daemon, served, whom(arguments.who)))
    containers = listed(daemon)
    if not containers:
        print("no container has read anything yet")
    hold = [_check_of_all(daemon, served, one.pid) for one in containers]
    return int(not all(hold))


def _check_of_all(daemon: Daemon, served: Served, pid: int) -> bool:
    try:
        return _check(daemon, served, pid)
    except CannotRun as error:  # it has ended meanwhile
        print(f"{error}\n")
        return True


def _check(daemon: Daemon, served: Served, who: int | str) -> bool:
    readings = [Texts.from_json(daemon.ask(TEXTS, who=who)) for _ in range(2)]
    pid = who if isinstance(who, int) else readings[0].pid
    print(f"{harmless(readings[0].name)} (process {pid})")
    holds = True
    for verdict in (*_mounts(pid, served), *verdicts(readings)):
        holds &= verdict.holds
        word = "ok" if verdict.holds else "FAILED"
        print(f"  {word:6}  {verdict.rule}: {verdict.numbers}")
    print()
    return holds


def _mounts(pid: int, served: Served) -> Iterator[Verdict]:
    """Of the process that was asked for: others of its container may have other mounts."""
    report = look(pid, served)
    if not report.failed:
        yield Verdict(_MOUNTS, f"{report.as_wanted} mounts", True)
    for fault in report.failed:
        command = next((name for end, name in _MENDS.items() if fault.endswith(end)), None)
        help_with = "" if command is None else f" (lxcfs-py {command} {pid})"
        yield Verdict(_MOUNTS, fault + help_with, False)
