"""Memory that outlives a process: a file that is mapped."""

import mmap
import os

HEADER_SIZE = 4096
"""Bytes at the beginning that say what the rest is; a page, so that the rest is aligned."""


def map_file(path: str, *, layout: bytes, size: int) -> mmap.mmap:
    """Map a file of `size` bytes beyond its header, full of zeros if it is new.

    A file that does not begin with this layout, or comes from an earlier boot, is replaced. (Not
    truncated: whoever has it mapped would get SIGBUS.)
    """
    with open("/proc/sys/kernel/random/boot_id", "rb") as boot_id:
        header = (b"lxcfs-py %d %s %s" % (size, layout, boot_id.read().strip())).ljust(HEADER_SIZE)
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        whole = os.fstat(file).st_size == HEADER_SIZE + size
        if not whole or os.pread(file, HEADER_SIZE, 0) != header:
            os.close(file)
            file = _replace(path, header, size)
        return mmap.mmap(file, HEADER_SIZE + size)
    finally:
        os.close(file)


def _replace(path: str, header: bytes, size: int) -> int:
    new = f"{path}.new"
    file = os.open(new, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    os.ftruncate(file, HEADER_SIZE + size)  # sparse: what is used costs
    os.pwrite(file, header, 0)
    os.rename(new, path)
    return file
