"""`lxcfs-py mount`: what is checked before anything is mounted."""

import argparse
import os

from lxcfs_py import log
from lxcfs_py.cgroup import discover
from lxcfs_py.daemon import supervisor
from lxcfs_py.errors import CannotRun
from lxcfs_py.host import Host
from lxcfs_py.options import add_arguments, from_arguments
from lxcfs_py.sandbox import cgroup, daemon

__all__ = ["add_arguments", "run"]


def run(arguments: argparse.Namespace) -> int:
    """Serve in the foreground.

    Raises:
      CannotRun: this cannot work here.
    """
    options = from_arguments(arguments)
    if os.geteuid() != 0:
        raise CannotRun("only root can serve every container: run it with sudo")
    discover(Host())
    log.set_up(options.log_level, options.log_format)
    # What `try` leaves behind when it is killed.
    cgroup.remove_stale()
    daemon.remove_stale()
    return supervisor.run(options)
