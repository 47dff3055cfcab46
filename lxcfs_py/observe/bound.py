"""What a container really has of our files: the mounts over its /proc and /sys, looked at only."""

import errno

from lxcfs_py.attach import Served, inside
from lxcfs_py.container_mounts import ContainerMounts, Report, View, views_of
from lxcfs_py.daemon.mountpoint import source_of

NOT_BOUND, DEAD, ANOTHERS = "not bound", "dead", "another daemon's"


def look(pid: int, served: Served) -> Report:
    """Which of a live daemon's views the container of a process has.

    `as_wanted` counts those that are bound; `failed` names the others, and what is there instead.
    A view whose path the container lacks is not missed.
    """
    # The last is the mount point itself, for containers in the container.
    views = views_of(served.mountpoint)[:-1]

    def work(container: ContainerMounts) -> Report:
        report = Report()
        for view in views:
            fault = _fault(container, view, served)
            if fault is None:
                report.as_wanted += 1
            elif fault:
                report.failed.append(f"{view.path}: {fault}")
        return report

    return inside(pid, source_of(served.mountpoint), work)


def _fault(container: ContainerMounts, view: View, served: Served) -> str | None:
    """What is wrong with a view; None: nothing, empty: the container has no such path."""
    try:
        with container.look(view.path) as place:
            if place.ours is None:
                return NOT_BOUND
            if place.ours.device == served.device:
                return None
            return DEAD if place.is_dead() else ANOTHERS
    except OSError as error:
        return "" if error.errno == errno.ENOENT else error.strerror or str(error)
