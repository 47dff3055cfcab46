"""`lxcfs-py detach`: our mounts taken out of containers, which then see what the kernel says.

Dead ones, too: with `--all` it is what remains to be done when a daemon goes for good.
"""

import argparse
from collections.abc import Iterator

from lxcfs_py.attach import (
    add_mountpoint,
    add_pids_or_all,
    change,
    check_pids_or_all,
    need_root,
    tell,
)
from lxcfs_py.container_mounts import mounts_seen_by, oldest_processes, take_out_all
from lxcfs_py.daemon.mountpoint import source_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments."""
    add_pids_or_all(parser, "every container that has any")
    add_mountpoint(parser)


def run(arguments: argparse.Namespace) -> int:
    """Show containers what the kernel says again."""
    need_root()
    check_pids_or_all(arguments)
    source = source_of(arguments.mountpoint)
    pids = _all_that_have_any(source) if arguments.all else arguments.pids
    # One after the other: what is taken out of one may go from others, which are looked at later.
    outcomes = [change(pid, source, take_out_all, "taken out") for pid in pids]
    if not outcomes:
        print(f"no container has mounts of {arguments.mountpoint}")
    return tell(outcomes)


def _all_that_have_any(source: str) -> Iterator[int]:
    """A process of each container that has files of ours in place of the kernel's.

    Services of the host may have mount namespaces, too, with our mount point in them: a container
    engine needs it there for the containers that it has yet to start.
    """
    for pid in oldest_processes():
        try:
            mounts = mounts_seen_by(pid)
        except OSError:
            continue  # it has ended
        if any(mount.source == source and mount.root != "/" for mount in mounts):
            yield pid
