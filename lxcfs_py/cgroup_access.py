"""What a caller may see and do in the cgroup tree: decisions on values, nothing is read here.

A caller's own part of a hierarchy is its cgroup (the *top*) and everything below it. Of what is
above it sees the way down to itself. Within its own part the kernel's permissions hold, judged by
the caller's user namespace; and what limits the top itself is not the caller's to change, as cgroup
namespaces with `nsdelegate` have it: cgroup-v2.rst, "Delegation"; kernel/cgroup/cgroup.c,
cgroup_file_write(), cgroup_attach_permissions(); fs/namei.c, generic_permission(); fs/attr.c.

Cgroups are known by their ids: a name says nothing that a rename could not make untrue.
"""

import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

READ, WRITE, EXECUTE = 4, 2, 1

# include/uapi/linux/capability.h
CAP_CHOWN = 0
CAP_DAC_OVERRIDE = 1
CAP_DAC_READ_SEARCH = 2
CAP_FOWNER = 3

DELEGATED_V1 = frozenset(("tasks", "cgroup.procs"))
"""What may be written in the top: what LXC and systemd hand over on v1."""
DELEGATED_V2 = frozenset(("cgroup.procs", "cgroup.threads", "cgroup.subtree_control"))
"""The same on v2, where the kernel does not say: /sys/kernel/cgroup/delegate."""

PROCESSES = frozenset(("cgroup.procs", "tasks", "cgroup.threads"))
"""Files of pids."""

_NOT_WRITTEN_FOR_OTHERS = frozenset(
    ("cgroup.event_control", "cpu.pressure", "io.pressure", "irq.pressure", "memory.pressure")
)
"""Triggers: they belong to the writer's file descriptors, and the writer would be us."""


class Place(Enum):
    """Where a cgroup lies, for a caller."""

    HIDDEN = 0
    ABOVE = 1
    """On the way down: a directory with one name in it."""
    TOP = 2
    """The caller's own cgroup."""
    BELOW = 3


class Step(NamedTuple):
    """A cgroup on the way from the root to a caller's own."""

    cgroup: int
    name: str
    """Of the root, empty."""


@dataclass(frozen=True, slots=True)
class Scope:
    """A caller's part of one hierarchy."""

    way: tuple[Step, ...]
    """From the root to its own cgroup; empty if that could not be found."""
    is_host: bool
    """A process of the host's pid namespace: in the root, it is the host. A container that is in
    the root of a hierarchy has no part in it."""

    @property
    def top(self) -> int | None:
        """The caller's own cgroup; None if it has none."""
        if not self.way or (len(self.way) == 1 and not self.is_host):
            return None
        return self.way[-1].cgroup

    def place(self, lineage: Sequence[int]) -> Place:
        """Where a cgroup lies, given its id and those of all above it, up to the root."""
        top = self.top
        if top is not None and top in lineage:
            # To the host itself nothing is given: it limits, and is not limited.
            return Place.TOP if top == lineage[0] and len(self.way) > 1 else Place.BELOW
        if len(lineage) == 1 or any(step.cgroup == lineage[0] for step in self.way):
            return Place.ABOVE
        return Place.HIDDEN

    def next_step(self, cgroup: int) -> Step | None:
        """What is to be seen in a cgroup above."""
        for step, below in zip(self.way, self.way[1:], strict=False):
            if step.cgroup == cgroup:
                return below
        return None


class IdRange(NamedTuple):
    """A line of /proc/PID/uid_map: ids that exist in a user namespace, as we number them."""

    inside: int
    outside: int
    length: int


class Inode(NamedTuple):
    """Whose a file is."""

    mode: int
    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who asks: credentials(7), user_namespaces(7); ids as we number them."""

    uid: int
    gid: int
    groups: frozenset[int]
    capabilities: int
    """The effective ones, in its own user namespace."""
    uids: tuple[IdRange, ...]
    gids: tuple[IdRange, ...]

    def in_group(self, gid: int) -> bool:
        """Whether the group is one of the caller's."""
        return gid == self.gid or gid in self.groups

    def is_root(self) -> bool:
        """Whether the caller is uid 0 of its user namespace."""
        return any(extent.inside == 0 and extent.outside == self.uid for extent in self.uids)

    def has(self, capability: int) -> bool:
        """Whether the caller has a capability in its user namespace."""
        return bool(self.capabilities >> capability & 1)

    def is_capable_of(self, inode: Inode, capability: int) -> bool:
        """kernel/capability.c, capable_wrt_inode_uidgid(): over what its namespace can name."""
        return (
            self.has(capability)
            and is_mapped(inode.uid, self.uids)
            and is_mapped(inode.gid, self.gids)
        )


def is_mapped(number: int, ranges: Iterable[IdRange]) -> bool:
    """Whether an id exists in a user namespace."""
    return any(0 <= number - extent.outside < extent.length for extent in ranges)


def decided_by_mode(uid: int, inode: Inode, wanted: int) -> bool:
    """Whether the mode alone allows it, whatever groups and namespaces the caller has.

    What follows from it need not be read: most requests end here.
    """
    if uid == inode.uid:
        return not wanted & ~(inode.mode >> 6)
    return not wanted & ~(inode.mode & inode.mode >> 3)


def may(who: Credentials, inode: Inode, wanted: int) -> bool:
    """fs/namei.c, generic_permission()."""
    if who.uid == inode.uid:
        granted = inode.mode >> 6
    elif who.in_group(inode.gid):
        granted = inode.mode >> 3
    else:
        granted = inode.mode
    if not wanted & ~granted & 7:
        return True
    if stat.S_ISDIR(inode.mode):
        if not wanted & WRITE and who.is_capable_of(inode, CAP_DAC_READ_SEARCH):
            return True
        return who.is_capable_of(inode, CAP_DAC_OVERRIDE)
    if wanted == READ and who.is_capable_of(inode, CAP_DAC_READ_SEARCH):
        return True
    if wanted & EXECUTE and not inode.mode & 0o111:
        return False
    return who.is_capable_of(inode, CAP_DAC_OVERRIDE)


def may_chmod(who: Credentials, inode: Inode) -> bool:
    """fs/attr.c, setattr_prepare(): its owner, or root of a namespace that has its owner."""
    return who.uid == inode.uid or who.is_capable_of(inode, CAP_FOWNER)


def may_chown(who: Credentials, inode: Inode, uid: int | None, gid: int | None) -> bool:
    """fs/attr.c, chown_ok() and chgrp_ok(); None: it stays.

    An id that the caller's namespace does not have cannot be given, by whatever capability.
    """
    if uid is not None and not is_mapped(uid, who.uids):
        return False
    if gid is not None and not is_mapped(gid, who.gids):
        return False
    if who.is_capable_of(inode, CAP_CHOWN):
        return True
    is_owner = who.uid == inode.uid
    if uid is not None and not (is_owner and uid == inode.uid):
        return False
    return gid is None or (is_owner and (gid == inode.gid or who.in_group(gid)))


def may_change(place: Place, file: str | None, delegated: frozenset[str]) -> bool:
    """Whether a file (None: the directory itself) is the caller's to write, chmod and chown.

    Not above the top; and in the top, only what is delegated.
    """
    if place is Place.TOP:
        return file is None or file in delegated
    return place is Place.BELOW and file not in _NOT_WRITTEN_FOR_OTHERS


def may_make_or_remove(parent: Place) -> bool:
    """Whether cgroups may be made and removed in a directory: so nobody removes their own top."""
    return parent in (Place.TOP, Place.BELOW)


def may_remove_from(who: Credentials, parent: Inode, child: Inode) -> bool:
    """include/linux/fs.h, check_sticky(): what a directory's sticky bit leaves to the owners."""
    if not parent.mode & stat.S_ISVTX or who.uid in (parent.uid, child.uid):
        return True
    return who.is_capable_of(child, CAP_FOWNER)


class Target(NamedTuple):
    """A process that is to be moved."""

    uid: int
    saved_uid: int


class Process(NamedTuple):
    """A process, or thread, that is to be moved."""

    target: Target
    path: str
    """Where it is."""


def may_move(who: Credentials, target: Target) -> bool:
    """kernel/cgroup/cgroup-v1.c, __cgroup1_procs_write(), with a root for each user namespace."""
    if who.uid in (target.uid, target.saved_uid):
        return True
    return (
        who.is_root() and is_mapped(target.uid, who.uids) and is_mapped(target.saved_uid, who.uids)
    )


def is_at_or_below(path: str, top: str) -> bool:
    """Whether a cgroup's path is another's, or below it; by components, not by characters."""
    return path == top or path.startswith(top.rstrip("/") + "/")


def common_ancestor(one: Sequence[int], other: Sequence[int]) -> int:
    """The nearest cgroup that is in both lineages; each begins with a cgroup and ends with the
    root."""
    others = frozenset(other)
    return next(cgroup for cgroup in one if cgroup in others)
