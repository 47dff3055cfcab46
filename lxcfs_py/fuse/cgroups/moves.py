"""Processes that are moved by writing to the cgroup tree.

Whoever opens `cgroup.procs` is judged when a process is moved, for it is then that one knows which.
"""

import errno

from lxcfs_py.cgroup_access import (
    WRITE,
    common_ancestor,
    decided_by_mode,
    is_at_or_below,
    may,
    may_move,
)
from lxcfs_py.fuse.cgroups.edges import Visitors
from lxcfs_py.fuse.cgroups.open_files import OpenFile
from lxcfs_py.fuse.cgroups.spots import Asker, Spot, inode_of, os_error


def move(visitors: Visitors, spot: Spot, opened: OpenFile, text: bytes) -> None:
    """Move processes (or, by `tasks` and `cgroup.threads`, threads) one by one.

    Raises:
      OSError: the numbers before the first that is refused have been moved.
    """
    assert spot.file is not None
    words = text.split()
    if not words:
        raise os_error(errno.EINVAL)
    numbers = [_number(word) for word in words]
    is_opener = visitors.is_opener(opened.opener)
    asker = Asker(visitors, opened.opener.pid, opened.uid, opened.gid)
    for number in numbers:
        if not number:  # whoever writes; all that is known of is who opened
            if not is_opener:
                raise os_error(errno.ESRCH)
            pid = opened.opener.pid
        else:
            thread = spot.file != "cgroup.procs"
            pid = visitors.number_outside(spot.visitor, number, thread=thread)
        _check_move(visitors, spot, asker, pid, trusted=is_opener)
        spot.branch.write(spot.directory(), spot.file, b"%d" % pid)


def _check_move(visitors: Visitors, spot: Spot, asker: Asker, pid: int, *, trusted: bool) -> None:
    """Whether a process may be moved; only from the caller's own part of the hierarchy."""
    branch = spot.branch
    process = visitors.process(pid, branch.key)
    top = visitors.path(spot.visitor, branch.key)
    if not is_at_or_below(process.path, top):
        raise os_error(errno.ENOENT if branch.contains_delegation else errno.EACCES)
    if branch.contains_delegation:
        _check_common_ancestor(spot, asker, process.path, trusted=trusted)
    elif asker.uid not in process.target and not (
        trusted and may_move(asker.credentials, process.target)
    ):
        raise os_error(errno.EACCES)


def _check_common_ancestor(spot: Spot, asker: Asker, path: str, *, trusted: bool) -> None:
    """cgroup-v2.rst, "Delegation Containment": who may write cgroup.procs there may move."""
    branch = spot.branch
    source = branch.lineage(branch.id_of(path))
    ancestor = common_ancestor(source, branch.lineage(spot.cgroup))
    inode = inode_of(branch.child(branch.directory(ancestor), "cgroup.procs"))
    if decided_by_mode(asker.uid, inode, WRITE):
        return
    if not (trusted and may(asker.credentials, inode, WRITE)):
        raise os_error(errno.EACCES)


def _number(word: bytes) -> int:
    """As the kernel reads it."""
    try:
        number = int(word, 10)
    except ValueError:
        number = -1
    if not 0 <= number < 1 << 31:
        raise os_error(errno.EINVAL)
    return number
