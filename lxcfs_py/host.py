"""The host's kernel files, below a root directory.

Read synchronously: 5 to 27 us each, against 114 us and more in a thread. Descriptors are kept open
(opening and closing costs 4 us), and a text serves every reader of the same moment.
"""

import os
import time

from lxcfs_py.resources import Overcommit
from lxcfs_py.syscalls import PER_LINUX32, personality

MAX_AGE = 0.010
"""Seconds that a moment lasts. Limits are no part of it: they are read for each answer."""

_READ_SIZE = 64 * 1024  # from 256 KiB on, allocating the buffer costs more than reading


def read_all(fd: int) -> bytes:
    """The whole of a procfs, sysfs or cgroupfs file, from its beginning.

    /proc/cpuinfo and others come in page-sized pieces however large the buffer: fs/seq_file.c,
    seq_read_iter(). So only a read that returns nothing is the end.
    """
    text = os.pread(fd, _READ_SIZE, 0)
    offset = len(text)
    while more := os.pread(fd, _READ_SIZE, offset):
        text += more
        offset += len(more)
    return text


def read_file(path: str, *, dir_fd: int | None = None) -> bytes:
    """The whole of a procfs, sysfs or cgroupfs file that is opened for this once; no symlink."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=dir_fd)
    try:
        return read_all(descriptor)
    finally:
        os.close(descriptor)


def _read_as_32_bit(fd: int) -> bytes:
    persona = personality(PER_LINUX32)
    try:
        return read_all(fd)
    finally:
        personality(persona)


class Host:
    """The files of the machine (or of the container) that the daemon runs in."""

    def __init__(self, root: str = "/") -> None:
        self._root = root
        self._descriptors: dict[str, int] = {}
        self._texts: dict[tuple[str, bool], bytes] = {}
        self._moment = 0.0

    def moment(self) -> float:
        """When the present moment began, CLOCK_MONOTONIC: whatever is kept, is kept for one.

        One for everything, so that nothing is older than 10 ms that was made of what was kept.
        """
        now = time.monotonic()
        if now - self._moment >= MAX_AGE:
            self._moment = now
            self._texts.clear()
        return self._moment

    def has(self, path: str) -> bool:
        """Whether there is such a file."""
        return os.path.exists(os.path.join(self._root, path))

    def text(self, path: str, *, for_32_bit: bool = False) -> bytes:
        """The text of `proc/meminfo`, of this moment; or as a 32-bit program would read it."""
        self.moment()
        text = self._texts.get((path, for_32_bit))
        if text is None:
            descriptor = self._descriptor(path)
            text = _read_as_32_bit(descriptor) if for_32_bit else read_all(descriptor)
            self._texts[path, for_32_bit] = text
        return text

    def _descriptor(self, path: str) -> int:
        descriptor = self._descriptors.get(path)
        if descriptor is None:
            descriptor = os.open(os.path.join(self._root, path), os.O_RDONLY | os.O_CLOEXEC)
            self._descriptors[path] = descriptor
        return descriptor

    def overcommit(self) -> Overcommit:
        """The overcommit rule."""
        return Overcommit(
            int(self.text("proc/sys/vm/overcommit_ratio")),
            int(self.text("proc/sys/vm/overcommit_kbytes")),
        )

    def close(self) -> None:
        """Close the descriptors."""
        for descriptor in self._descriptors.values():
            os.close(descriptor)
        self._descriptors.clear()
