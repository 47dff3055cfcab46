"""The process whose cgroups decide what a caller sees; what a file handle carries."""

from typing import NamedTuple

START_BITS = 17
"""How much of a start time tells a process from an earlier one of the same pid: the pids would
have to come round in a multiple of 21 minutes, to the tick."""


class Subject(NamedTuple):
    """A process."""

    pid: int
    """The container's init, or a process of the host; 0 for the host itself."""
    start: int
    """The low bits of its start time, in ticks since boot."""


HOST = Subject(0, 0)


def subject(pid: int, start_time: int) -> Subject:
    """The subject that a process is."""
    return Subject(pid, start_time & ((1 << START_BITS) - 1))


class Visitor(NamedTuple):
    """Who asks in the cgroup tree."""

    who: Subject
    """The container's init; of a process of our own pid namespace, itself, with no start time."""
    is_host: bool
    """It is of our own pid namespace: pids need no translation."""
    membership: bytes
    """The text of /proc/PID/cgroup that says where its cgroups are."""
