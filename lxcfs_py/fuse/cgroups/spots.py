"""A node of the cgroup tree as a caller sees it, and who that caller is.

Each request is judged anew: where the cgroup lies for the caller (cgroup_access.Place), then what
its mode says, then what the kernel says to us.
"""

import errno
import os
import stat
from collections.abc import Sequence
from typing import NamedTuple

import pyfuse3

from lxcfs_py.cgroup_access import Credentials, Inode, Place, Scope, decided_by_mode, may
from lxcfs_py.fuse.cgroups.edges import Branch, Visitors
from lxcfs_py.fuse.cgroups.nodes import CgroupNode, FileNames, branch_numbers, pack, unpack
from lxcfs_py.fuse.nodes import attributes
from lxcfs_py.subject import Visitor


def os_error(number: int, about: object = None) -> OSError:
    """What the kernel would say."""
    return OSError(number, os.strerror(number), about)


class Spot(NamedTuple):
    """A node as a caller sees it."""

    branch: Branch
    cgroup: int
    file: str | None
    """None: the directory."""
    scope: Scope
    place: Place
    visitor: Visitor

    def directory(self) -> int:
        """A descriptor of the cgroup's directory."""
        return self.branch.directory(self.cgroup)

    def status(self) -> os.stat_result:
        """What the kernel says of the file or directory.

        Raises:
          OSError: ESTALE, it is gone: whoever came by a path shall look again.
        """
        if self.file is None:
            return self.branch.status(self.cgroup)
        try:
            return self.branch.child(self.directory(), self.file)
        except FileNotFoundError as gone:
            raise os_error(errno.ESTALE) from gone


class Asker:
    """Whoever sent a request; what it takes time to find out is found out when it matters."""

    def __init__(self, visitors: Visitors, thread: int, uid: int, gid: int) -> None:
        self._visitors = visitors
        self.thread = thread
        self.uid = uid
        self.gid = gid
        self._credentials: Credentials | None = None

    @property
    def credentials(self) -> Credentials:
        """Who it is, and what it may do."""
        if self._credentials is None:
            self._credentials = self._visitors.credentials(self.thread, self.uid, self.gid)
        return self._credentials

    def may(self, status: os.stat_result, wanted: int) -> bool:
        """Whether mode and owner allow it."""
        inode = inode_of(status)
        return decided_by_mode(self.uid, inode, wanted) or may(self.credentials, inode, wanted)

    def require(self, status: os.stat_result, wanted: int) -> None:
        """Raises OSError, EACCES, if they do not."""
        if not self.may(status, wanted):
            raise os_error(errno.EACCES)


def inode_of(status: os.stat_result) -> Inode:
    """What decides on access."""
    return Inode(status.st_mode, status.st_uid, status.st_gid)


class Spots:
    """All nodes, for whoever asks."""

    def __init__(
        self, branches: Sequence[Branch], visitors: Visitors, names: FileNames, *, time_ns: int
    ) -> None:
        """Of these hierarchies; `time_ns` is what directories above a caller's own show."""
        self._visitors = visitors
        self._names = names
        self._time_ns = time_ns
        numbers = branch_numbers(branch.name for branch in branches)
        self._branches = {numbers[branch.name]: branch for branch in branches}
        self._numbers = {branch.key: numbers[branch.name] for branch in branches}

    def roots(self) -> dict[bytes, int]:
        """The hierarchies' directories, by name."""
        return {
            os.fsencode(branch.name): self.node(branch, branch.root)
            for branch in self._branches.values()
        }

    def node(self, branch: Branch, cgroup: int, file: str | None = None) -> int:
        """The number of a cgroup, or of a file in it."""
        number = 0 if file is None else self._names.number(file)
        return pack(CgroupNode(self._numbers[branch.key], number, cgroup))

    def find(self, node: int, visitor: Visitor) -> Spot:
        """A node as a caller sees it.

        Raises:
          OSError: ENOENT, it does not; ESTALE, its cgroup has been removed.
        """
        number, file, cgroup = unpack(node)
        branch = self._branches.get(number)
        name = self._names.name(file) if file else None
        if branch is None or (file and name is None):
            raise os_error(errno.ESTALE)
        scope = self._visitors.scope(visitor, branch.key)
        place = scope.place(branch.lineage(cgroup))
        if place is Place.HIDDEN or (place is Place.ABOVE and name is not None):
            raise os_error(errno.ENOENT)
        return Spot(branch, cgroup, name, scope, place, visitor)

    def attributes(self, spot: Spot) -> pyfuse3.EntryAttributes:
        """What stat(2) is to say."""
        if spot.place is Place.ABOVE:
            return self._above(spot.branch, spot.cgroup, spot.scope)
        return self.entry(spot.branch, spot.cgroup, spot.file, spot.status())

    def _above(self, branch: Branch, cgroup: int, scope: Scope) -> pyfuse3.EntryAttributes:
        return attributes(
            self.node(branch, cgroup),
            stat.S_IFDIR | 0o555,
            time_ns=self._time_ns,
            nlink=2 if scope.next_step(cgroup) is None else 3,
            entry_timeout=0,
            attr_timeout=0,
        )

    def listed(self, branch: Branch, cgroup: int, file: str | None) -> pyfuse3.EntryAttributes:
        """What a listing says."""
        return attributes(
            self.node(branch, cgroup, file),
            stat.S_IFDIR if file is None else stat.S_IFREG,
            time_ns=self._time_ns,
            entry_timeout=0,
            attr_timeout=0,
        )

    def entry(
        self, branch: Branch, cgroup: int, file: str | None, status: os.stat_result
    ) -> pyfuse3.EntryAttributes:
        """What it is to say of something whose own status is known."""
        entry = attributes(
            self.node(branch, cgroup, file),
            status.st_mode,
            time_ns=status.st_mtime_ns,
            nlink=status.st_nlink,
            entry_timeout=0,
            attr_timeout=0,
        )
        entry.st_uid, entry.st_gid = status.st_uid, status.st_gid
        return entry
