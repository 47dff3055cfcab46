"""What the process in the container does for these tests."""

import ctypes
import errno
import mmap
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

_libc = ctypes.CDLL(None, use_errno=True)
_held: list[mmap.mmap] = []
"""Memory stays in use until the process ends."""


def read_in_turn(paths: Sequence[str]) -> list[bytes]:
    """Read files whole, one right after the other."""
    return [Path(path).read_bytes() for path in paths]


def read_in_pieces(path: str, size: int) -> bytes:
    """Read a file whole, with a small buffer."""
    file = os.open(path, os.O_RDONLY)
    try:
        return b"".join(iter(lambda: os.read(file, size), b""))
    finally:
        os.close(file)


def pread(path: str, size: int, offset: int) -> bytes:
    """One read from a file that nobody has read from before."""
    file = os.open(path, os.O_RDONLY)
    try:
        return os.pread(file, size, offset)
    finally:
        os.close(file)


def pread_past_the_end(path: str) -> bytes:
    """After the whole, what is far behind it."""
    file = os.open(path, os.O_RDONLY)
    try:
        return os.pread(file, 1, len(os.pread(file, 1 << 20, 0)) + 100)
    finally:
        os.close(file)


def outcome(function: Callable[..., object], *arguments: object) -> str:
    """`done`, or the name of the error that a call fails with."""
    try:
        function(*arguments)
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    return "done"


def open_and_close(path: str, flags: int) -> None:
    """Only open a file."""
    os.close(os.open(path, flags))


def use_memory(size: int) -> None:
    """Of its own."""
    memory = mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    memory.write(b"x" * size)
    _held.append(memory)


def map_new_file(path: str, size: int) -> None:
    """Write a file and have it mapped."""
    with open(path, "wb+") as file:
        file.write(b"x" * size)
        file.flush()
        memory = mmap.mmap(file.fileno(), size)
    memory.read()
    _held.append(memory)


def use_shared_memory(size: int, *, locked: bool = False) -> None:
    """Fill a file in memory; `locked` as mlock(2) does it."""
    memory = mmap.mmap(-1, size)
    for offset in range(0, size, mmap.PAGESIZE):  # no second copy as memory of its own
        memory[offset] = 1
    _held.append(memory)
    if locked:
        address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
        if _libc.mlock(ctypes.c_void_p(address), ctypes.c_size_t(size)):
            raise OSError(ctypes.get_errno(), "mlock")


def use_huge_pages(size: int) -> None:
    """Of its own, as large as the kernel gives them."""
    memory = mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    memory.madvise(mmap.MADV_HUGEPAGE)
    memory.write(b"x" * size)
    _held.append(memory)


def burn(seconds: float) -> None:
    """Use that much of a CPU."""
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def write_through(path: str, size: int) -> None:
    """Write a file to its device."""
    with open(path, "wb") as file:
        file.write(b"x" * size)
        file.flush()
        os.fsync(file.fileno())


def write_direct(path: str, size: int) -> None:
    """Past the page cache: on v1, what the cache writes later is nobody's."""
    memory = mmap.mmap(-1, size)  # aligned
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_DIRECT)
    try:
        if os.write(file, memory) != size:
            raise OSError(errno.EIO, "written in part", path)
    finally:
        os.close(file)


def be_called(name: str) -> None:
    """As `ps` shows this process."""
    Path("/proc/self/comm").write_text(name)
