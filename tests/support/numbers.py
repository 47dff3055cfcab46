"""Processes with numbers of one's choice."""

import ctypes
import os
import signal
from collections.abc import Sequence

_CLONE3 = 435  # on every architecture

_INSIDE = 7000  # which nobody else has in a small container

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


def read_as(number: int, path: str) -> bytes:
    """Read a file as a thread of this container that has a number of ours one level above."""
    reading, writing = os.pipe()
    child = _clone3([_INSIDE, number])
    if child == 0:
        file = os.open(path, os.O_RDONLY)
        os.write(writing, os.read(file, 4096))
        os._exit(0)
    os.close(writing)
    text = os.read(reading, 4096)
    os.close(reading)
    os.waitpid(child, 0)
    return text


def _clone3(numbers: Sequence[int]) -> int:
    """fork(2), with the numbers that the child has in its pid namespace and those above.

    Python knows nothing of it: the child is to do little, and to leave by os._exit().

    Raises:
      OSError: EEXIST, somebody has such a number.
    """
    wanted = (ctypes.c_int * len(numbers))(*numbers)
    arguments = (ctypes.c_uint64 * 11)()
    arguments[4] = signal.SIGCHLD
    arguments[8] = ctypes.addressof(wanted)
    arguments[9] = len(numbers)
    child: int = _libc.syscall(ctypes.c_long(_CLONE3), arguments, ctypes.c_size_t(88))
    if child < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return child
