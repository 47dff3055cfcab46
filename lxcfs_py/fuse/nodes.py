"""Inode numbers and attributes.

A number comes from the path, so that every worker gives the same one. The upper 8 bits are 0.
"""

import functools
import hashlib

import pyfuse3

from lxcfs_py.fuse.handles import NODE_BITS

CGROUP_DIRECTORY = "cgroup"
"""Where the cgroup tree is; what is below it has numbers of its own (cgroups/nodes.py)."""
FOREVER = 3600.0
"""Seconds that the kernel may remember what is the same for every container, at every time."""


@functools.lru_cache(maxsize=4096)
def inode_of(path: str) -> int:
    """The inode number of a path below the mount point; of the mount point, 1."""
    if not path:
        return pyfuse3.ROOT_INODE
    digest = hashlib.blake2b(path.encode(), digest_size=NODE_BITS // 8).digest()
    # 0 is no inode and 1 is the root.
    return int.from_bytes(digest, "little") | 2


def attributes(
    inode: int,
    mode: int,
    *,
    time_ns: int,
    nlink: int = 1,
    size: int = 0,
    entry_timeout: float = FOREVER,
    attr_timeout: float = FOREVER,
) -> pyfuse3.EntryAttributes:
    """The attributes of a node: root's, as all of procfs and sysfs."""
    entry = pyfuse3.EntryAttributes()
    entry.st_ino = inode
    entry.st_mode = mode
    entry.st_nlink = nlink
    entry.st_size = size
    entry.st_atime_ns = entry.st_mtime_ns = entry.st_ctime_ns = time_ns
    entry.entry_timeout = entry_timeout
    entry.attr_timeout = attr_timeout
    return entry
