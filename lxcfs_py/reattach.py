"""`lxcfs-py reattach`: live mounts instead of the dead ones that a lost daemon has left.

A daemon that is killed with its supervisor, or a connection that the kernel aborts, leaves every
container's mounts saying ENOTCONN. They are known by their name (`source_of`), and come back where
they were, as they were.
"""

import argparse
from collections.abc import Iterator

from lxcfs_py.attach import (
    Outcome,
    Served,
    add_mountpoint,
    add_pids_or_all,
    change,
    check_pids_or_all,
    inside,
    live_mount,
    tell,
)
from lxcfs_py.container_mounts import (
    ContainerMounts,
    Report,
    dead_views,
    mounts_seen_by,
    oldest_processes,
    put_in_place,
)
from lxcfs_py.daemon.mountpoint import source_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments."""
    add_pids_or_all(parser, "every container that needs it")
    add_mountpoint(parser)


def run(arguments: argparse.Namespace) -> int:
    """Bring containers back."""
    check_pids_or_all(arguments)
    served = live_mount(arguments.mountpoint)
    if arguments.pids:
        return tell(_bring_back(pid, served) for pid in arguments.pids)
    outcomes = list(bring_all_back(served))
    if not outcomes:
        print(f"no container has dead mounts of {served.mountpoint}")
    return tell(outcomes)


def bring_all_back(served: Served) -> Iterator[Outcome]:
    """Bring back every container that needs it.

    One after the other: a mount may propagate to the namespaces that come later.
    """
    for pid in oldest_processes():
        if needs_it(pid, served):
            yield _bring_back(pid, served)


def _bring_back(pid: int, served: Served) -> Outcome:
    def work(container: ContainerMounts) -> Report:
        views = dead_views(container, served.device)
        return put_in_place(container, served.mountpoint, views, served.device)

    return change(pid, source_of(served.mountpoint), work, "brought back")


def needs_it(pid: int, served: Served) -> bool:
    """Whether a mount of ours that a process sees is dead."""
    source = source_of(served.mountpoint)
    try:
        mounts = mounts_seen_by(pid)
    except OSError:
        return False
    if all(mount.source != source or mount.device == served.device for mount in mounts):
        return False

    def count(container: ContainerMounts) -> Report:
        return Report(done=len(dead_views(container, served.device)))

    # What cannot be looked at is not passed over: who tries to mend it will be told why.
    report = inside(pid, source, count)
    return report.done > 0 or bool(report.failed)
