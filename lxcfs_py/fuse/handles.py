"""File handles that describe themselves.

A handle says which file, for whom, and which of several: 64 bits that any worker can serve,
whichever opened it. All that is kept of one is its last text (texts.py).
"""

import random
from collections.abc import Container
from typing import NamedTuple

from lxcfs_py.subject import START_BITS, Subject

_PID_BITS = 22  # the kernel's own limit: include/linux/threads.h, PID_MAX_LIMIT
_FILE_BITS = 6
_SERIAL_BITS = 64 - _FILE_BITS - _PID_BITS - START_BITS
NODE_BITS = 56
FILE_SHIFT = 64 - _FILE_BITS
"""What is above it says which file, or what else a handle is."""

# Numbers of files that are not one of VIRTUAL_FILES.
NODE = 0
"""The handle is of a node of the host's sysfs: its inode number, in 56 bits."""
CPU_DIRECTORY = 63
"""The listing of the directory of CPUs, for somebody."""
CGROUP = 62
"""The handle is of the cgroup tree: open_files.py says what it means."""


class Handle(NamedTuple):
    """What a file handle means."""

    file: int
    subject: Subject
    serial: int


def pack(handle: Handle) -> int:
    """The 64 bits of a handle."""
    number = handle.file
    number = number << _PID_BITS | handle.subject.pid
    number = number << START_BITS | handle.subject.start
    return number << _SERIAL_BITS | handle.serial


def unpack(number: int) -> Handle:
    """The handle in 64 bits."""
    start = number >> _SERIAL_BITS
    pid = start >> START_BITS
    return Handle(
        pid >> _PID_BITS,
        Subject(pid & ((1 << _PID_BITS) - 1), start & ((1 << START_BITS) - 1)),
        number & ((1 << _SERIAL_BITS) - 1),
    )


class Serials:
    """Numbers for new handles, so that no two that are open are the same."""

    def __init__(self) -> None:
        # An earlier worker's handles live on: start somewhere else than it did.
        self._last = random.getrandbits(_SERIAL_BITS)

    def new_handle(self, file: int, subject: Subject, in_use: Container[int]) -> int:
        """A handle that is not among those in use."""
        while True:
            self._last = (self._last + 1) & ((1 << _SERIAL_BITS) - 1)
            number = pack(Handle(file, subject, self._last))
            if number not in in_use:
                return number
