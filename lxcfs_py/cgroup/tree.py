"""The cgroup hierarchies as file systems: the descriptors behind the cgroup tree.

A cgroup is found by its id, never by its path, and what is in it by a name relative to its
directory. So nothing that is renamed, removed or made anew in the meantime is taken for it: once a
cgroup is removed, its id answers ESTALE. kernfs(fs/kernfs/mount.c, kernfs_fh_to_dentry()).
"""

import errno
import os
import signal
import stat
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from lxcfs_py.cgroup.hierarchies import UNIFIED, Hierarchies, Hierarchy
from lxcfs_py.cgroup_access import DELEGATED_V1, DELEGATED_V2, Step
from lxcfs_py.host import read_all
from lxcfs_py.syscalls import open_kernfs_directory

_NO_LINK = os.O_NOFOLLOW | os.O_CLOEXEC
_PARENTS_MAX = 1 << 16
_DIRECTORIES_MAX = 64
"""Descriptors kept open, for each hierarchy."""
_DEEPEST = 1024
"""Levels; deeper cgroups are not served. A path has at most 4096 bytes in any case."""
_WRITE_SECONDS = 0.25
"""Reclaiming goes on for as long as there is something to reclaim, and everybody waits for us."""


class Branch:
    """One hierarchy, from its root (as we see it) downwards."""

    def __init__(self, hierarchy: Hierarchy) -> None:
        self.key = hierarchy.key
        self.name = _directory_name(hierarchy.key)
        self.contains_delegation = hierarchy.version == 2
        self.delegated = DELEGATED_V1 if hierarchy.version == 1 else _delegated_v2()
        self._mount = os.open(hierarchy.mountpoint, os.O_RDONLY | os.O_DIRECTORY | _NO_LINK)
        self.root = os.fstat(self._mount).st_ino
        # Cgroups keep their parents, and ids are never used again: this cannot become wrong.
        self._parents: dict[int, int] = {}
        self._directories: OrderedDict[int, int] = OrderedDict()

    def check(self) -> None:
        """See that cgroups can be opened by their ids.

        Raises:
          OSError: EPERM, we may not.
        """
        self.directory(self.root)

    def directory(self, cgroup: int) -> int:
        """A descriptor of a cgroup's directory, which stays ours; good for the next few calls.

        It may have been removed since it was opened: what is asked of a name in it then answers
        ENOENT. Opening by id and closing takes six times as long as keeping it.

        Raises:
          OSError: ESTALE, it has been removed.
        """
        descriptor = self._directories.pop(cgroup, None)
        if descriptor is None:
            descriptor = open_kernfs_directory(self._mount, cgroup)
            if len(self._directories) >= _DIRECTORIES_MAX:
                os.close(self._directories.popitem(last=False)[1])
        self._directories[cgroup] = descriptor
        return descriptor

    def status(self, cgroup: int) -> os.stat_result:
        """Of a cgroup's directory.

        Raises:
          OSError: ESTALE, it has been removed.
        """
        directory = self.directory(cgroup)
        try:
            os.stat("cgroup.procs", dir_fd=directory)  # a descriptor does not tell
        except FileNotFoundError as error:
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE), str(cgroup)) from error
        return os.fstat(directory)

    def lineage(self, cgroup: int) -> list[int]:
        """The ids of a cgroup and of all above it, up to the root.

        Raises:
          OSError: ESTALE, it has been removed; ELOOP, it lies too deep.
        """
        found = [cgroup]
        while found[-1] != self.root:
            found.append(self._parent(found[-1]))
            if len(found) > _DEEPEST:
                raise OSError(errno.ELOOP, "too many levels of cgroups")
        return found

    def _parent(self, cgroup: int) -> int:
        parent = self._parents.get(cgroup)
        if parent is None:
            parent = os.stat("..", dir_fd=self.directory(cgroup)).st_ino
            self.remember(cgroup, parent)
        return parent

    def remember(self, cgroup: int, parent: int) -> None:
        """Somebody saw a cgroup in a directory."""
        if len(self._parents) >= _PARENTS_MAX:
            self._parents.clear()
        self._parents[cgroup] = parent

    def id_of(self, path: str) -> int:
        """The id of the cgroup that has this path now; the path is from /proc/PID/cgroup.

        Raises:
          OSError: ENOENT, there is none.
        """
        return os.stat(path.lstrip("/") or ".", dir_fd=self._mount, follow_symlinks=False).st_ino

    def way_to(self, path: str) -> tuple[Step, ...]:
        """The cgroups from the root to a path from /proc/PID/cgroup, by their ids.

        Raises:
          OSError: there is no such path.
        """
        way = [Step(self.root, "")]
        directory = os.dup(self._mount)
        try:
            for name in path.split("/"):
                if not name:
                    continue
                if name == "..":  # outside of our own cgroup namespace
                    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
                below = os.open(name, os.O_RDONLY | os.O_DIRECTORY | _NO_LINK, dir_fd=directory)
                os.close(directory)
                directory = below
                way.append(Step(os.fstat(directory).st_ino, name))
        finally:
            os.close(directory)
        return tuple(way)

    # -- in one cgroup ----------------------------------------------------------------------------

    def child(self, directory: int, name: str) -> os.stat_result:
        """What has a name in a directory.

        Raises:
          OSError: ENOENT, nothing; or something that is neither a directory nor a file.
        """
        status = os.stat(name, dir_fd=directory, follow_symlinks=False)
        if not (stat.S_ISDIR(status.st_mode) or stat.S_ISREG(status.st_mode)):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
        return status

    def children(self, directory: int) -> Iterator[tuple[str, int | None]]:
        """The names in a directory, with the ids of those that are cgroups."""
        with os.scandir(directory) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    yield entry.name, entry.inode()
                elif entry.is_file(follow_symlinks=False):
                    yield entry.name, None

    def try_open(self, directory: int, name: str, flags: int) -> None:
        """Open a file as somebody wants to, to hear what the kernel says of it."""
        os.close(os.open(name, (flags & os.O_ACCMODE) | _NO_LINK, dir_fd=directory))

    def read(self, directory: int, name: str) -> bytes:
        """The whole of a file.

        Raises:
          OSError: ENODEV, there is no such file any more.
        """
        descriptor = _open_file(directory, name, os.O_RDONLY)
        try:
            return read_all(descriptor)
        finally:
            os.close(descriptor)

    def write(self, directory: int, name: str, text: bytes) -> int:
        """Write a file, in one piece.

        Raises:
          OSError: the kernel's; ENODEV, there is no such file any more; EBUSY, it took too long.
        """
        descriptor = _open_file(directory, name, os.O_WRONLY)
        try:
            with _time_limit(_WRITE_SECONDS):
                return os.write(descriptor, text)
        finally:
            os.close(descriptor)

    def make(self, directory: int, name: str) -> None:
        """Make a cgroup; it is ours."""
        os.mkdir(name, 0o755, dir_fd=directory)

    def hand_over(self, directory: int, name: str, mode: int, uid: int, gid: int) -> os.stat_result:
        """Give a cgroup that was made, and its files, to somebody: cgroup_kn_set_ugid()."""
        made = os.open(name, os.O_RDONLY | os.O_DIRECTORY | _NO_LINK, dir_fd=directory)
        try:
            if uid or gid:
                for entry in os.listdir(made):
                    os.chown(entry, uid, gid, dir_fd=made, follow_symlinks=False)
                os.fchown(made, uid, gid)
            status = os.fstat(made)
            if stat.S_IMODE(status.st_mode) != mode & 0o7777:
                os.fchmod(made, mode & 0o7777)
                status = os.fstat(made)
            return status
        finally:
            os.close(made)

    def remove(self, directory: int, name: str) -> None:
        """Remove a cgroup; not what is below it."""
        os.rmdir(name, dir_fd=directory)

    def chmod(self, directory: int, name: str, mode: int) -> None:
        """Change the mode of a file, or (by `.`) of the directory."""
        if name == ".":
            os.fchmod(directory, mode)
            return
        with _opened_path(directory, name) as path:
            os.chmod(path, mode)

    def chown(self, directory: int, name: str, uid: int, gid: int) -> None:
        """Change the owner of a file, or (by `.`) of the directory; -1: it stays."""
        os.chown(name, uid, gid, dir_fd=directory, follow_symlinks=False)

    def close(self) -> None:
        """Close every descriptor."""
        for descriptor in (self._mount, *self._directories.values()):
            os.close(descriptor)
        self._directories.clear()


def _open_file(directory: int, name: str, flags: int) -> int:
    try:
        return os.open(name, flags | _NO_LINK, dir_fd=directory)
    except FileNotFoundError as error:
        raise OSError(errno.ENODEV, os.strerror(errno.ENODEV), name) from error


@contextmanager
def _opened_path(directory: int, name: str) -> Iterator[str]:
    """A path to exactly this file: there is no fchmodat(2) that does not follow links."""
    descriptor = os.open(name, os.O_PATH | _NO_LINK, dir_fd=directory)
    try:
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


class _TooLong(Exception):
    pass


@contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    """End a system call that a signal can end.

    Reclaiming memory and lowering a memory limit look for signals: mm/memcontrol.c.
    """

    def stop(signum: int, frame: FrameType | None) -> None:
        raise _TooLong

    before = signal.signal(signal.SIGALRM, stop)
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except _TooLong:
        raise OSError(errno.EBUSY, "took too long") from None
    finally:
        signal.signal(signal.SIGALRM, before)


def branches(hierarchies: Hierarchies) -> list[Branch]:
    """All hierarchies."""
    return [Branch(hierarchy) for hierarchy in hierarchies.by_key.values()]


def _directory_name(key: str) -> str:
    """`memory`, `cpu,cpuacct`; `systemd` for `name=systemd`."""
    return "unified" if key == UNIFIED else key.removeprefix("name=")


def _delegated_v2() -> frozenset[str]:
    # Since Linux kernel commit 01ee6cfb1483 ("cgroup: export list of delegatable control files
    # using sysfs") (v4.15).
    try:
        with open("/sys/kernel/cgroup/delegate") as file:
            return frozenset(file.read().split())
    except OSError:
        return DELEGATED_V2
