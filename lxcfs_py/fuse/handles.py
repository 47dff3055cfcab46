"""File handles that describe themselves, and the texts that are being read through them.

A handle says which file, for whom, and which of several: 64 bits that any worker can serve,
whichever opened it. Nothing is kept per handle but the last text, which a reader with a small
buffer gets in pieces; and of texts, no more than a bounded amount.
"""

import random
from collections import OrderedDict
from typing import NamedTuple

from lxcfs_py.subject import START_BITS, Subject

_PID_BITS = 22  # the kernel's own limit: include/linux/threads.h, PID_MAX_LIMIT
_FILE_BITS = 6
_SERIAL_BITS = 64 - _FILE_BITS - _PID_BITS - START_BITS
NODE_BITS = 56

# Numbers of files that are not one of VIRTUAL_FILES.
NODE = 0
"""The handle is of a node of the host's sysfs: its inode number, in 56 bits."""
CPU_DIRECTORY = 63
"""The listing of the directory of CPUs, for somebody."""

TEXTS_MAX_BYTES = 32 * 1024 * 1024


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


class Texts:
    """The last text of each handle, the least recently used dropped first."""

    def __init__(self, max_bytes: int = TEXTS_MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._texts: OrderedDict[int, bytes] = OrderedDict()
        # An earlier worker's handles live on: start somewhere else than it did.
        self._serial = random.getrandbits(_SERIAL_BITS)

    def new_handle(self, file: int, subject: Subject) -> int:
        """A handle that is not in use."""
        while True:
            self._serial = (self._serial + 1) & ((1 << _SERIAL_BITS) - 1)
            number = pack(Handle(file, subject, self._serial))
            if number not in self._texts:
                return number

    def get(self, handle: int) -> bytes | None:
        """The last text that was put."""
        text = self._texts.get(handle)
        if text is not None:
            self._texts.move_to_end(handle)
        return text

    def put(self, handle: int, text: bytes) -> None:
        """Keep the text of a handle."""
        self.drop(handle)
        self._texts[handle] = text
        self._bytes += len(text)
        while self._bytes > self._max_bytes and len(self._texts) > 1:
            _, oldest = self._texts.popitem(last=False)
            self._bytes -= len(oldest)

    def drop(self, handle: int) -> None:
        """The handle was released."""
        text = self._texts.pop(handle, None)
        if text is not None:
            self._bytes -= len(text)
