"""The requests that are answered without libfuse, and their answers, as the kernel writes them.

include/uapi/linux/fuse.h. The byte order is the machine's.
"""

import struct
from typing import NamedTuple, Protocol

import pyfuse3

LOOKUP = 1
GETATTR = 3
OPEN = 14
READ = 15
RELEASE = 18
IOCTL = 39
POLL = 40

_NOTIFY_POLL = 1
_NOTIFY_INVAL_INODE = 2
_POLL_SCHEDULE_NOTIFY = 1
_READ_LOCKOWNER = 2
_FOPEN_DIRECT_IO = 1

_IN_HEADER = struct.Struct("=IIQQIIII")
"""Length, opcode, unique, node, uid, gid, pid, and a rest."""
_LENGTH = struct.Struct("=I")
_READ_IN = struct.Struct("=QQII")
"""Handle, offset, size, flags; then the lock owner and more."""
_POLL_IN = struct.Struct("=QQII")
"""Handle, the kernel's number for whoever polls, flags, events."""
_HANDLE_IN = struct.Struct("=Q")
_FLAGS_IN = struct.Struct("=I")

OUT_HEADER = struct.Struct("=IiQ")
"""Length, error, unique. A notification has its number as the error, and no unique."""
_OPEN_OUT = struct.Struct("=IiQQIi")
_ATTR_OUT = struct.Struct("=IiQ QII QQQQQQ III I III III")
_ENTRY_OUT = struct.Struct("=IiQ QQQQII QQQQQQ III I III III")
_POLL_OUT = struct.Struct("=IiQII")
_NOTIFY_POLL_OUT = struct.Struct("=IiQQ")
_INVAL_INODE_OUT = struct.Struct("=IiQ Qqq")


RESENT = 1 << 63
"""FUSE_UNIQUE_RESEND: in the number of a request that was delivered before, to a worker that has
ended."""


class Poll(NamedTuple):
    """A POLL."""

    handle: int
    waiter: int
    """Who is to be told of the next event, by the kernel's number; 0: nobody waits."""


class Caller(Protocol):
    """Who sent a request."""

    @property
    def uid(self) -> int: ...
    @property
    def gid(self) -> int: ...
    @property
    def pid(self) -> int: ...


class Sender(NamedTuple):
    """A caller."""

    uid: int
    gid: int
    pid: int
    """A thread's number in our own pid namespace; 0 if it cannot be seen from here."""


class Request(NamedTuple):
    """The header of a request, which is also its caller."""

    length: int
    opcode: int
    unique: int
    node: int
    uid: int
    gid: int
    pid: int
    rest: int


class Read(NamedTuple):
    """A READ."""

    handle: int
    offset: int
    size: int
    is_for_page_cache: bool


def length(buffer: memoryview) -> int:
    """The length of the request at the beginning of a buffer."""
    size: int = _LENGTH.unpack_from(buffer)[0]
    return size


def parse_header(buffer: memoryview) -> Request:
    """The header at the beginning of a buffer."""
    return Request._make(_IN_HEADER.unpack_from(buffer))


def parse_read(buffer: memoryview) -> Read:
    """A READ. read(2) says on whose behalf it asks, the page cache does not: fuse_send_read()."""
    handle, offset, size, flags = _READ_IN.unpack_from(buffer, _IN_HEADER.size)
    return Read(handle, offset, size, not flags & _READ_LOCKOWNER)


def parse_open(buffer: memoryview) -> int:
    """The flags of open(2)."""
    flags: int = _FLAGS_IN.unpack_from(buffer, _IN_HEADER.size)[0]
    return flags


def parse_lookup(buffer: memoryview) -> bytes:
    """The name, which ends with a NUL."""
    return bytes(buffer[_IN_HEADER.size : length(buffer) - 1])


def parse_poll(buffer: memoryview) -> Poll:
    """A POLL."""
    handle, number, flags, _ = _POLL_IN.unpack_from(buffer, _IN_HEADER.size)
    return Poll(handle, number if flags & _POLL_SCHEDULE_NOTIFY else 0)


def parse_release(buffer: memoryview) -> int:
    """The handle."""
    handle: int = _HANDLE_IN.unpack_from(buffer, _IN_HEADER.size)[0]
    return handle


def data(unique: int, content: bytes) -> bytes:
    """An answer with content, or with none."""
    return OUT_HEADER.pack(OUT_HEADER.size + len(content), 0, unique) + content


def error(unique: int, number: int) -> bytes:
    """An answer that is an errno."""
    return OUT_HEADER.pack(OUT_HEADER.size, -number, unique)


def opened(unique: int, info: pyfuse3.FileInfo) -> bytes:
    """The answer to OPEN: nothing of ours is for the page cache."""
    return _OPEN_OUT.pack(_OPEN_OUT.size, 0, unique, info.fh, _FOPEN_DIRECT_IO, 0)


def events(unique: int, ready: int) -> bytes:
    """The answer to POLL."""
    return _POLL_OUT.pack(_POLL_OUT.size, 0, unique, ready, 0)


def something_happened(waiter: int) -> bytes:
    """A notification for whoever polls."""
    return _NOTIFY_POLL_OUT.pack(_NOTIFY_POLL_OUT.size, _NOTIFY_POLL, 0, waiter)


def attributes(unique: int, entry: pyfuse3.EntryAttributes) -> bytes:
    """The answer to GETATTR."""
    return _ATTR_OUT.pack(
        *(_ATTR_OUT.size, 0, unique), *_split(entry.attr_timeout), 0, *_attributes(entry)
    )


def found(unique: int, entry: pyfuse3.EntryAttributes) -> bytes:
    """The answer to LOOKUP."""
    seconds, nanoseconds = _split(entry.entry_timeout)
    attr_seconds, attr_nanoseconds = _split(entry.attr_timeout)
    return _ENTRY_OUT.pack(
        *(_ENTRY_OUT.size, 0, unique),
        *(entry.st_ino, entry.generation),
        *(seconds, attr_seconds, nanoseconds, attr_nanoseconds),
        *_attributes(entry),
    )


def _split(timeout: float) -> tuple[int, int]:
    """Seconds and nanoseconds."""
    return divmod(int(timeout * 1e9), 1_000_000_000)


def _attributes(entry: pyfuse3.EntryAttributes) -> tuple[int, ...]:
    """struct fuse_attr."""
    atime, atime_ns = divmod(entry.st_atime_ns, 1_000_000_000)
    mtime, mtime_ns = divmod(entry.st_mtime_ns, 1_000_000_000)
    ctime, ctime_ns = divmod(entry.st_ctime_ns, 1_000_000_000)
    return (
        *(entry.st_ino, entry.st_size, entry.st_blocks, atime, mtime, ctime),
        *(atime_ns, mtime_ns, ctime_ns),
        entry.st_mode,
        *(entry.st_nlink, entry.st_uid, entry.st_gid),
        *(entry.st_rdev, entry.st_blksize),
        0,
    )


def attributes_are_out_of_date(node: int) -> bytes:
    """A notification; of the content (offset -1) it says nothing."""
    return _INVAL_INODE_OUT.pack(_INVAL_INODE_OUT.size, _NOTIFY_INVAL_INODE, 0, node, -1, 0)
