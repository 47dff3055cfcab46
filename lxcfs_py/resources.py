"""What one container uses and may use: frozen values in cgroup v2 terms.

Bytes, microseconds, `None` for `max`. What this kernel or hierarchy does not offer is None or a
missing key, never 0. The effective limit of a container is the tightest of its cgroup and every
ancestor. Documentation/admin-guide/cgroup-v2.rst.
"""

from collections.abc import Mapping
from typing import NamedTuple


class Memory(NamedTuple):
    """The memory controller."""

    current: int
    effective_max: int | None
    stat: Mapping[bytes, int]
    """memory.stat, by v2's keys."""


class Swap(NamedTuple):
    """Swap accounting."""

    current: int
    effective_max: int | None
    """On v1 the limit of memory and swap together: all of it may be in swap."""
    never_used: bool = False
    """v1's swappiness is 0: nothing more goes to swap than already is there."""


class Hugetlb(NamedTuple):
    """The hugetlb controller, for one page size."""

    current: int
    effective_max: int | None


class CpuUsage(NamedTuple):
    """CPU time that the container has used."""

    user_usec: int
    system_usec: int
    nice_usec: int = 0
    """The part of user_usec that was used by processes with a positive nice value."""
    per_cpu: Mapping[int, tuple[int, int]] | None = None
    """user and system of each CPU, where the kernel tells (v1)."""


class DeviceIo(NamedTuple):
    """io.stat of one block device."""

    rbytes: int = 0
    wbytes: int = 0
    rios: int = 0
    wios: int = 0
    dbytes: int = 0
    dios: int = 0


class CpuView(NamedTuple):
    """Which CPUs a container is shown, and how much of them it can use."""

    shown: tuple[int, ...]
    """The host's numbers, ascending; never empty."""
    capacity: float
    """CPUs, a real number: the quota, at most the number of CPUs in the mask."""
    compact: bool = False
    """Files number the CPUs 0..n-1."""

    def number(self, position: int) -> int:
        """What files call the CPU at a position of `shown`."""
        return position if self.compact else self.shown[position]

    @property
    def numbers(self) -> tuple[int, ...]:
        """What files call the shown CPUs."""
        return tuple(range(len(self.shown))) if self.compact else self.shown


class CpuTicks(NamedTuple):
    """What one CPU has done for the container, in USER_HZ ticks."""

    user: int
    nice: int
    system: int
    idle: int


class Threads(NamedTuple):
    """The container's threads."""

    total: int
    running: int
    """State R."""
    blocked: int
    """State D."""
    newest: int
    """The newest pid, in the container's pid namespace."""


class LoadAverages(NamedTuple):
    """The averages of 1, 5 and 15 minutes in the kernel's fixed point, 11 bits."""

    one: int = 0
    five: int = 0
    fifteen: int = 0


class Overcommit(NamedTuple):
    """/proc/sys/vm/overcommit_{ratio,kbytes}: Documentation/admin-guide/sysctl/vm.rst."""

    ratio: int
    """Percent."""
    kbytes: int
    """0: the ratio counts."""
