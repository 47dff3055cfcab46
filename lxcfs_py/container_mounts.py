"""Our mounts in a container that runs: looked at, put in place and taken out from outside.

open_tree(2), mount_setattr(2), move_mount(2): Linux 5.12. Nothing is needed inside the container.
What its root file system says is not trusted: targets are opened beneath its root, with no
symbolic link on the way, and what was looked at is what is acted upon, by descriptor.
"""

import errno
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple

from lxcfs_py.kernel.mountinfo import Mount, parse_mountinfo
from lxcfs_py.kernel.pid import parse_start_time
from lxcfs_py.syscalls import (
    CLONE_NEWNS,
    MNT_DETACH,
    MOUNT_ATTR_NODEV,
    MOUNT_ATTR_NOEXEC,
    MOUNT_ATTR_NOSUID,
    MOUNT_ATTR_RDONLY,
    MS_PRIVATE,
    mount_setattr,
    move_mount,
    open_tree_clone,
    setns,
    umount2,
)

_CONNECTION_HAS_ENDED = (errno.ENOTCONN, errno.ECONNABORTED)


class View(NamedTuple):
    """One mount of ours in a container."""

    path: str
    """Where in the container."""
    source: str
    """What is mounted there: a path below our mount point, or `/`."""
    writable: bool = False


@dataclass(slots=True)
class Report:
    """What was done with a container's mounts."""

    done: int = 0
    """Mounts that were put in place or taken out."""
    as_wanted: int = 0
    """Mounts there was no need to touch."""
    failed: list[str] = field(default_factory=list)
    """`PATH: why`, for each that stayed as it was."""


def views_of(mountpoint: str) -> list[View]:
    """What a container is shown, as the mount hook binds it."""
    names = sorted(os.listdir(f"{mountpoint}/proc"))
    # Triggers are written to pressure files. And the mount point itself is for containers in the
    # container, which is why that has to be writable, too.
    views = [View(f"/proc/{name}", f"/proc/{name}", name == "pressure") for name in names]
    cpus = "/sys/devices/system/cpu"
    return [*views, View(cpus, cpus), View(os.path.abspath(mountpoint), "/", writable=True)]


def mounts_seen_by(pid: int) -> list[Mount]:
    """The mounts in the namespace of a process, below its root directory."""
    with open(f"/proc/{pid}/mountinfo", "rb") as file:
        return list(parse_mountinfo(file.read()))


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


class ContainerMounts:
    """The mounts that a process sees. Until `enter` they can only be looked at.

    Its process becomes useless for everything else: it is meant for a child that ends soon.
    """

    def __init__(self, pid: int, source: str) -> None:
        """Open what is needed of process `pid`; mounts called `source` are ours.

        Raises:
          OSError: there is no such process, or it may not be looked at.
        """
        self._pid = pid
        self._source = source
        # As long as there is a process behind this, nobody else has got the number.
        self._process = os.pidfd_open(pid)
        self._proc = os.open("/proc", os.O_PATH | os.O_DIRECTORY)
        self._root = os.open(f"/proc/{pid}/root", os.O_PATH | os.O_DIRECTORY)

    def enter(self) -> None:
        """Go to the namespace of the process; all that was opened before stays what it was."""
        setns(self._process, CLONE_NEWNS)

    def ours(self) -> list[Mount]:
        """Our mounts, the latest last."""
        return [mount for mount in self._mounts() if self._is_ours(mount)]

    def _mounts(self) -> list[Mount]:
        file = os.open(f"{self._pid}/mountinfo", os.O_RDONLY, dir_fd=self._proc)
        with open(file, "rb") as text:
            return list(parse_mountinfo(text.read()))

    def _is_ours(self, mount: Mount | None) -> bool:
        return mount is not None and mount.source == self._source

    def look(self, path: str) -> "Place":
        """What is at a path now.

        Raises:
          OSError: ENOENT: nothing; ELOOP: a symbolic link.
        """
        target = _open_below(self._root, path)
        found = self._mount_of(target)
        # A path below one of our mounts is nothing that was mounted there.
        at_path = found is not None and found.mountpoint == path
        return Place(target, found if at_path and self._is_ours(found) else None)

    def _mount_of(self, descriptor: int) -> Mount | None:
        file = os.open(f"self/fdinfo/{descriptor}", os.O_RDONLY, dir_fd=self._proc)
        with open(file, "rb") as text:
            fields = dict(line.split(b":", 1) for line in text if b":" in line)
        number = int(fields[b"mnt_id"])
        return next((mount for mount in self._mounts() if mount.id == number), None)

    def lacks(self, path: str) -> bool:
        """Whether there is nothing at a path that could be mounted over."""
        try:
            with self.look(path):
                return False
        except OSError as error:
            return error.errno == errno.ENOENT

    def shows(self, path: str, device: str) -> bool:
        """Whether a mount of ours with this device number is at a path."""
        with self.look(path) as place:
            return place.ours is not None and place.ours.device == device

    def take_out(self, place: "Place") -> None:
        """Detach the mount that was looked at.

        Raises:
          OSError: EINVAL: it was there before the container's user namespace, and is locked.
        """
        os.fchdir(self._proc)  # the container's own /proc does not show us
        umount2(f"self/fd/{place.target}", MNT_DETACH)

    def put(self, tree: int, view: View) -> None:
        """Attach a mount at a path, instead of the dead mounts of ours that are there.

        Where a dead one cannot be taken out it is covered.
        """
        while True:
            with self.look(view.path) as place:
                if place.ours is not None and place.is_dead():
                    try:
                        self.take_out(place)
                        continue
                    except OSError as error:
                        if error.errno != errno.EINVAL:
                            raise
                move_mount(tree, place.target)
                return


def _open_below(root: int, path: str) -> int:
    """A descriptor (O_PATH) for a path that is free of `..`; symbolic links are not followed.

    openat2(2) would do it at once, but not in our unit: a seccomp filter does not see its flags, so
    RestrictSUIDSGID= forbids it whole.

    Raises:
      OSError: ELOOP: there is one on the way, or at the end.
    """
    found = os.dup(root)
    try:
        for name in path.strip("/").split("/"):
            above, found = found, os.open(name, os.O_PATH | os.O_NOFOLLOW, dir_fd=found)
            os.close(above)
            if _is_link(found):
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    except OSError:
        os.close(found)
        raise
    return found


def _is_link(descriptor: int) -> bool:
    """Not by fstat(2), which would ask a daemon that may be dead."""
    try:
        os.readlink("", dir_fd=descriptor)
    except OSError:
        return False
    return True


class Place(NamedTuple):
    """What was found at a path."""

    target: int
    """A descriptor for it (O_PATH), closed at the end of a `with` statement."""
    ours: Mount | None
    """The mount, if it is one of ours."""

    def __enter__(self) -> "Place":
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.target)

    def is_dead(self) -> bool:
        """Whether the connection behind it has ended. A daemon that hangs makes this hang."""
        try:
            os.fstatvfs(self.target)  # always asks the daemon: attributes may be cached
        except OSError as error:
            return error.errno in _CONNECTION_HAS_ENDED
        return False


def new_mount(mountpoint: str, view: View) -> int:
    """A descriptor for a new mount of what a view shows, not yet attached anywhere.

    Raises:
      OSError: ENOENT: it is not served.
    """
    tree = open_tree_clone(mountpoint + view.source.rstrip("/"))
    attributes = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC
    mount_setattr(tree, attributes | (0 if view.writable else MOUNT_ATTR_RDONLY), MS_PRIVATE)
    return tree


def put_in_place(
    container: ContainerMounts, mountpoint: str, views: Sequence[View], device: str
) -> Report:
    """Give a container views of our live mount, which has this device number.

    All that can fail in advance is done before anything is changed.
    """
    report = Report()
    trees: list[tuple[View, int]] = []
    for view in views:
        try:
            if container.shows(view.path, device):
                report.as_wanted += 1
            else:
                trees.append((view, new_mount(mountpoint, view)))
        except OSError as error:
            report.failed.append(f"{view.path}: {error.strerror}")
    if trees:
        container.enter()
    for view, tree in trees:
        try:
            container.put(tree, view)
            report.done += 1
        except OSError as error:
            report.failed.append(f"{view.path}: {error.strerror}")
    return report


def dead_views(container: ContainerMounts, device: str) -> list[View]:
    """The mounts of ours that show nothing any more, as they have to come back.

    `device` is the live mount's number: what has that is not asked.
    """
    dead = []
    for path, mount in {mount.mountpoint: mount for mount in container.ours()}.items():
        if mount.device == device:
            continue
        with suppress(FileNotFoundError), container.look(path) as place:
            if place.ours is not None and place.ours.id == mount.id and place.is_dead():
                dead.append(View(path, mount.root, "rw" in mount.options))
    return dead


def take_out_all(container: ContainerMounts) -> Report:
    """Take every mount of ours out of a container, dead or alive."""
    report = Report()
    mounts = container.ours()
    if mounts:
        container.enter()
    for mount in reversed(mounts):
        try:
            with container.look(mount.mountpoint) as place:
                if place.ours is None or place.ours.id != mount.id:
                    raise OSError(errno.EBUSY, "something else is mounted over it")
                container.take_out(place)
            report.done += 1
        except OSError as error:
            report.failed.append(f"{mount.mountpoint}: {error.strerror}")
    return report
