"""The numbers of processes and threads, between a container's pid namespace and our own.

By ioctl on the namespace since Linux 6.11 (ioctl_nsfs(2)), before that by NSpid in
/proc/PID/status. pid_namespaces(7).
"""

import errno
import os
from collections.abc import Iterable, Iterator

from lxcfs_py.host import read_file
from lxcfs_py.kernel.pid import parse_ns_pids
from lxcfs_py.syscalls import (
    ns_get_parent,
    ns_get_pid_from_pidns,
    ns_get_pid_in_pidns,
    ns_get_tgid_from_pidns,
)

_NO_IOCTL = (errno.ENOTTY, errno.EINVAL)


def numbers_inside(namespace: int, init: int, threads: Iterable[int]) -> list[int]:
    """What our threads are called in a pid namespace; those that it cannot see are left out.

    Args:
      namespace: a descriptor of it.
      init: its init, by our number.
    """
    found = []
    older: _ByStatus | None = None
    for thread in threads:
        if older is None:
            try:
                found.append(ns_get_pid_in_pidns(namespace, thread))
                continue
            except ProcessLookupError:
                continue
            except OSError as error:
                if error.errno not in _NO_IOCTL:
                    raise
                older = _ByStatus(namespace, init)
        number = older.inside(thread)
        if number is not None:
            found.append(number)
    return found


def number_outside(namespace: int, init: int, number: int, *, thread: bool) -> int:
    """Our number for a thread, or for a thread's process, of a pid namespace.

    Raises:
      ProcessLookupError: there is none.
    """
    ask = ns_get_pid_from_pidns if thread else ns_get_tgid_from_pidns
    try:
        return ask(namespace, number)
    except OSError as error:
        if error.errno not in _NO_IOCTL:
            raise
    return _ByStatus(namespace, init).outside(number, thread=thread)


class _ByStatus:
    """NSpid lists a thread's numbers from our namespace down to its own: one for each level."""

    def __init__(self, namespace: int, init: int) -> None:
        self._namespace = os.fstat(namespace).st_ino
        self._level = len(_ns_pids(f"/proc/{init}")) - 1
        self._ancestors: dict[tuple[str, int], int] = {}

    def inside(self, thread: int) -> int | None:
        """What a thread is called; None if the namespace cannot see it."""
        try:
            return self._number(f"/proc/{thread}")
        except OSError:
            return None  # ended

    def outside(self, number: int, *, thread: bool) -> int:
        """The thread that is called so. Looks through /proc.

        Raises:
          ProcessLookupError: there is none.
        """
        for process in filter(str.isdecimal, os.listdir("/proc")):
            for task in _tasks(process) if thread else (process,):
                try:
                    if self._number(f"/proc/{task}") == number:
                        return int(task)
                except OSError:
                    continue
        raise ProcessLookupError(errno.ESRCH, os.strerror(errno.ESRCH), str(number))

    def _number(self, directory: str) -> int | None:
        numbers = _ns_pids(directory)
        above = len(numbers) - 1 - self._level
        if above < 0 or self._ancestor(directory, above) != self._namespace:
            return None
        return numbers[self._level]

    def _ancestor(self, directory: str, above: int) -> int:
        """The namespace so many levels above a thread's, by its inode number."""
        name = os.readlink(f"{directory}/ns/pid")
        known = self._ancestors.get((name, above))
        if known is None:
            descriptor = os.open(f"{directory}/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
            try:
                for _ in range(above):
                    parent = ns_get_parent(descriptor)
                    os.close(descriptor)
                    descriptor = parent
                known = self._ancestors[name, above] = os.fstat(descriptor).st_ino
            finally:
                os.close(descriptor)
        return known


def _tasks(process: str) -> Iterator[str]:
    try:
        yield from os.listdir(f"/proc/{process}/task")
    except OSError:
        return  # ended


def _ns_pids(directory: str) -> tuple[int, ...]:
    return parse_ns_pids(read_file(f"{directory}/status"))
