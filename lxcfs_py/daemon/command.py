"""`lxcfs-py mount`: what is checked before anything is mounted."""

import argparse
import os
import sys

from lxcfs_py import log
from lxcfs_py.cgroup import discover
from lxcfs_py.config import load
from lxcfs_py.daemon import succession, supervisor
from lxcfs_py.errors import CannotRun
from lxcfs_py.host import Host
from lxcfs_py.observe.library import check_metrics
from lxcfs_py.options import Options, add_arguments
from lxcfs_py.sandbox import cgroup, daemon

__all__ = ["add_arguments", "run"]


def run(arguments: argparse.Namespace) -> int:
    """Serve in the foreground.

    Raises:
      CannotRun: this cannot work here.
    """
    # A file that was spoilt since the upgrade must not end what serves.
    estate = succession.estate()
    options = Options.from_json(estate.options) if estate and estate.options else load(arguments)
    if os.geteuid() != 0:
        raise CannotRun("only root can serve every container: run it with sudo")
    if options.metrics:
        check_metrics(options.metrics)
    _import_from_nowhere_else()
    discover(Host())
    log.set_up(options.log_level, options.log_format)
    # What `try` leaves behind when it is killed.
    cgroup.remove_stale()
    daemon.remove_stale()
    return supervisor.run(options, estate)


def _import_from_nowhere_else() -> None:
    """The processes that we start with `python -m` must not find modules in somebody's directory,
    in which we happen to have been started; unless that is where our own come from."""
    try:
        here = os.getcwd()
    except FileNotFoundError:  # it was removed
        return
    if here not in sys.path:
        os.environ["PYTHONSAFEPATH"] = "1"
