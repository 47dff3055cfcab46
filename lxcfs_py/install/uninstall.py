"""`lxcfs-py uninstall`: takes back what `install` did."""

import argparse

from lxcfs_py.install.carry_out import add_common, carry_out, runtime
from lxcfs_py.install.plan import plan_uninstall
from lxcfs_py.install.runtimes import RUNTIMES


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments."""
    parser.add_argument(
        "runtimes", nargs="+", metavar="RUNTIME", type=runtime, help=", ".join(RUNTIMES)
    )
    add_common(parser)


def run(arguments: argparse.Namespace) -> int:
    """Leave every file as it was before `install`."""
    return carry_out(arguments, lambda name: plan_uninstall(arguments.root, name))
