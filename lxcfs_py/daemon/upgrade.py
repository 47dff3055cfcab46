"""`lxcfs-py upgrade`: have a daemon run the code that is installed now, and see how it goes."""

import argparse
import os
import select
import signal
import time

from lxcfs_py.config import load
from lxcfs_py.daemon.pidfile import owner_of
from lxcfs_py.daemon.status import Status, Upgrade, find_status
from lxcfs_py.errors import CannotRun
from lxcfs_py.options import add_places

_SECONDS = 60.0
_LOOK_EVERY = 0.05


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which daemon."""
    add_places(parser)


def run(arguments: argparse.Namespace) -> int:
    """Upgrade, and say from what to what.

    Raises:
      CannotRun: there is no such daemon, or it goes on as it was, and why.
    """
    options = load(arguments)
    pid = owner_of(options.pidfile)
    path = None if pid is None else find_status(options.runtime_dir, pid)
    if pid is None or path is None:
        raise CannotRun(
            f"{options.pidfile}: no lxcfs-py runs with this pidfile: say which with --pidfile"
        )
    upgrade = _upgrade(pid, path)
    if upgrade.failure:
        raise CannotRun(f"not upgraded, {upgrade.old} goes on: {upgrade.failure}")
    again = " (the same)" if upgrade.new == upgrade.old else ""
    print(f"upgraded from {upgrade.old} to {upgrade.new}{again}")
    return 0


def _upgrade(pid: int, path: str) -> Upgrade:
    before = Status.read(path).upgrade.number
    process = os.pidfd_open(pid)
    signal.pidfd_send_signal(process, signal.SIGUSR1)
    ended = select.poll()
    ended.register(process, select.POLLIN)
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline:
        upgrade = Status.read(path).upgrade
        if upgrade.number > before:
            return upgrade
        if ended.poll(_LOOK_EVERY * 1000):
            raise CannotRun(f"process {pid}, the daemon, has ended meanwhile: see its log")
    raise CannotRun(f"process {pid}, the daemon, has not said within {_SECONDS:.0f} s how it went")
