"""The threads in a cgroup and everything below it.

Documentation/filesystems/proc.rst, 1.1 (field 3 of stat); cgroups(7), "cgroup.threads", "tasks".
"""

import os
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from lxcfs_py.cgroup.lineage import Lineage
from lxcfs_py.host import read_file
from lxcfs_py.kernel.pid import parse_state

_DEEPEST = 64  # levels below a container's cgroup; a container can make more than we can follow


class States(NamedTuple):
    """How many threads are in a state that counts for the load."""

    running: int
    blocked: int


def list_threads(lineage: Lineage, file: str) -> list[int]:
    """The threads in a cgroup and below, by our own numbers.

    Raises:
      OSError: the cgroup is gone.
    """
    return list(_threads_below(lineage.directory, file, _DEEPEST))


def count_states(threads: Iterable[int]) -> States:
    """Look at each thread: 10 us for one."""
    states = [_state(thread) for thread in threads]
    return States(states.count(b"R"), states.count(b"D"))


def _threads_below(directory: int, file: str, levels: int) -> Iterator[int]:
    yield from map(int, read_file(file, dir_fd=directory).split())
    # A cgroup has as many links as it has children, and two of its own.
    if levels and os.fstat(directory).st_nlink > 2:
        for child in _children(directory):
            try:
                descriptor = os.open(
                    child, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=directory
                )
            except FileNotFoundError:
                continue  # removed since
            try:
                yield from _threads_below(descriptor, file, levels - 1)
            except OSError:
                continue
            finally:
                os.close(descriptor)


def _children(directory: int) -> list[str]:
    with os.scandir(directory) as entries:
        return [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]


def _state(thread: int) -> bytes:
    # /proc/TID/stat sums up all threads of the process; the one below task/ is the thread's alone.
    try:
        descriptor = os.open(f"/proc/{thread}/task/{thread}/stat", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return b""  # ended since
    try:
        return parse_state(os.read(descriptor, 4096))
    except ProcessLookupError:
        return b""
    finally:
        os.close(descriptor)
