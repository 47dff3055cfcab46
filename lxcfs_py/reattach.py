"""`lxcfs-py reattach`: live mounts instead of the dead ones that a lost daemon has left.

A daemon that is killed with its supervisor, or a connection that the kernel aborts, leaves every
container's mounts saying ENOTCONN. They are known by their name (`source_of`), and come back where
they were, as they were.
"""

import argparse
import os
from collections.abc import Iterator

from lxcfs_py.attach import (
    Outcome,
    Served,
    add_mountpoint,
    change,
    inside,
    live_mount,
    tell,
)
from lxcfs_py.container_mounts import (
    ContainerMounts,
    Report,
    dead_views,
    mounts_seen_by,
    put_in_place,
)
from lxcfs_py.daemon.mountpoint import source_of
from lxcfs_py.errors import CannotRun
from lxcfs_py.kernel.pid import parse_start_time


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments."""
    parser.add_argument(
        "pids", nargs="*", type=int, metavar="PID", help="a process of the container"
    )
    parser.add_argument("--all", action="store_true", help="every container that needs it")
    add_mountpoint(parser)


def run(arguments: argparse.Namespace) -> int:
    """Bring containers back."""
    if bool(arguments.pids) == arguments.all:
        raise CannotRun("which containers: either process numbers or --all")
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

    return inside(pid, source, count).done > 0


def oldest_processes() -> list[int]:
    """Of each mount namespace but our own, the process that is there for longest."""
    own = os.readlink("/proc/self/ns/mnt")
    oldest: dict[str, tuple[int, int]] = {}
    for name in filter(str.isdecimal, os.listdir("/proc")):
        try:
            namespace = os.readlink(f"/proc/{name}/ns/mnt")
            if namespace != own:
                with open(f"/proc/{name}/stat", "rb") as file:
                    age = parse_start_time(file.read()), int(name)
                oldest[namespace] = min(age, oldest.get(namespace, age))
        except OSError:
            continue  # ended since, a zombie, or not ours to look at
    return [pid for _, pid in sorted(oldest.values())]
