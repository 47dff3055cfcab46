"""A container: everything that a virtual file may ask about it.

It satisfies files.Sources. Every answer is read from the kernel when it is asked for; only what
cannot be read again, counters and load averages, is remembered (container_state.py).
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Protocol

from lxcfs_py.cgroup import CgroupReader, Descriptors, Hierarchies, OpenLineage
from lxcfs_py.cgroup.threads import States, count_states, list_threads
from lxcfs_py.container_state import ContainerState
from lxcfs_py.cpu_times import Sample, advance, ticks
from lxcfs_py.cpu_view import view_of
from lxcfs_py.exemptions import Exemptions
from lxcfs_py.files.loadavg import INTERVAL
from lxcfs_py.files.loadavg import advance as advance_load
from lxcfs_py.host import Host
from lxcfs_py.kernel.cpulist import parse_cpulist
from lxcfs_py.kernel.pid import parse_membership
from lxcfs_py.resources import (
    CpuTicks,
    CpuUsage,
    CpuView,
    DeviceIo,
    Hugetlb,
    LoadAverages,
    Memory,
    Overcommit,
    Swap,
    Threads,
)
from lxcfs_py.state_file import Key

_LOOK_AT_MAX = 256
"""Threads that a request may look at, 10 us each."""
KEPT_OPEN = 60.0
"""Seconds that a cgroup's files stay open for the next question."""
_STEPS_MAX = 720  # an hour without a sample: older load has decayed to nothing


@dataclass(frozen=True, slots=True)
class Machine:
    """What all containers share: the host, its hierarchies, and the options that shape views."""

    host: Host
    hierarchies: Hierarchies
    descriptors: Descriptors
    show_swap: bool = True
    show_zswap: bool = True
    cpus_by_quota: bool = True
    cpus_compact: bool = False
    exempt: Exemptions = field(default_factory=Exemptions)

    def online(self) -> tuple[int, ...]:
        """The host's CPUs."""
        return parse_cpulist(self.host.text("sys/devices/system/cpu/online"))


class StateKeeper(Protocol):
    """Where states are kept."""

    def read(self, key: Key) -> ContainerState:
        """What was kept, or a new one."""

    def write(self, key: Key, state: ContainerState) -> None:
        """Keep a state."""


def boottime() -> float:
    """Seconds since boot, suspend included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Container(ABC):
    """One container's answers. `refresh()` comes before each set of questions."""

    def __init__(self, machine: Machine, key: Key, states: StateKeeper) -> None:
        self.key = key
        self.state = states.read(key)
        self.reads = 0
        """How often somebody has asked, since this worker began."""
        self.removed = False
        """Whoever still has it must not ask it: it would open what nobody closes."""
        self._states = states
        self._changed = False
        self._machine = machine
        self._membership = b""
        self.is_exempt = False
        """By option: it sees the host's text."""
        self._reader = CgroupReader(machine.hierarchies, {}, machine.descriptors)
        self._threads: tuple[float, Threads | None] = (0.0, None)
        self._refreshed_in = 0.0
        """The moment of the last questions; 0: there were none since its files were closed."""
        self._is_followed = False
        self._ticks_of: tuple[float, CpuView] | None = None
        self._sampled = States(0, 0)
        self._run_time: int | None = None

    def save(self) -> None:
        """Keep what the counters have come to, if they have moved on."""
        if self._changed:
            self._states.write(self.key, self.state)
            self._changed = False

    def refresh(self) -> None:
        """A set of questions begins: see that the container is there.

        Raises:
          OSError: ESRCH, the container has ended.
        """
        moment = self._machine.host.moment()
        self._is_followed = moment != self._refreshed_in
        if self._is_followed:
            self.follow()
            self._refreshed_in = moment
        self._reader.forget_values()

    @abstractmethod
    def follow(self) -> None:
        """See where the container's cgroups are now (4 us). Raises OSError as `refresh`."""

    def _limits(self) -> CgroupReader:
        """The cgroups where the container is now, and not earlier in this moment."""
        if not self._is_followed:
            self.follow()
            self._is_followed = True
        return self._reader

    @abstractmethod
    def age(self) -> float | None:
        """Seconds since the container's init was started."""

    @abstractmethod
    def newest_pid(self, thread: int) -> int:
        """The container's own number for a thread; 0 if it has none."""

    def close(self) -> None:
        """Close every descriptor; the next `refresh()` opens what it needs."""
        self.close_files()

    def close_files(self) -> None:
        """Close the cgroups' files."""
        self._reader.close()
        self._refreshed_in = 0.0

    def rest(self) -> None:
        """Close the cgroups' files if nobody has asked for a minute.

        Each that is open has 4 kB in the kernel (fs/seq_file.c, `seq_read_iter`): 65 MB for a
        thousand containers.
        """
        if 0 < self._refreshed_in < self._machine.host.moment() - KEPT_OPEN:
            self.close_files()

    def _moved_to(self, membership: bytes) -> None:
        if membership != self._membership:
            self._reader.close()
            self._reader = CgroupReader(
                self._machine.hierarchies, parse_membership(membership), self._machine.descriptors
            )
            self._membership = membership
            self.is_exempt = self._machine.exempt.match(membership)
        else:
            self._reader.new_moment()

    @contextmanager
    def asked_apart(self, host: Host, open_lineage: OpenLineage) -> Iterator[None]:
        """Ask by another host, and by cgroup files that are opened for this once.

        The container stays what it is: its counters move on as they do by any read.
        """
        self.follow()
        self._is_followed = True
        kept = self._machine, self._reader, self._threads
        self._machine = replace(self._machine, host=host)
        self._reader = CgroupReader(
            self._machine.hierarchies,
            parse_membership(self._membership),
            Descriptors(),
            open_lineage,
        )
        self._threads, self._ticks_of = (0.0, None), None
        try:
            yield
        finally:
            self._reader.close()
            self._machine, self._reader, self._threads = kept

    @property
    def cgroups(self) -> CgroupReader:
        """The container's cgroups."""
        return self._reader

    def host_text(self, path: str, *, for_32_bit: bool = False) -> bytes:
        """The host's own file."""
        return self._machine.host.text(path, for_32_bit=for_32_bit)

    def memory(self) -> Memory | None:
        """The memory controller."""
        memory = self._limits().memory()
        if memory is None or self._machine.show_zswap:
            return memory
        stat = {key: value for key, value in memory.stat.items() if not key.startswith(b"zswap")}
        return memory._replace(stat=stat)

    def swap(self) -> Swap | None:
        """Swap accounting."""
        swap = self._limits().swap()
        return swap if swap is None or self._machine.show_swap else Swap(0, 0)

    def hugetlb(self, page_kb: int) -> Hugetlb | None:
        """The hugetlb controller."""
        return self._limits().hugetlb(page_kb)

    def overcommit(self) -> Overcommit:
        """The host's overcommit rule."""
        return self._machine.host.overcommit()

    def io(self) -> Mapping[tuple[int, int], DeviceIo] | None:
        """Block I/O by device."""
        return self._reader.io()

    def pressure(self, resource: str) -> bytes | None:
        """The text of a pressure file."""
        return self._reader.pressure(resource)

    def slabinfo(self) -> bytes | None:
        """v1's slab caches."""
        return self._reader.slabinfo()

    def cpus(self) -> CpuView | None:
        """The CPUs that are shown."""
        limits = self._limits()
        mask, quota = limits.mask(), limits.quota()
        if mask is None and quota is None and self.age() is None:
            return None
        return self._view(mask, quota)

    def _view(self, mask: tuple[int, ...] | None, quota: float | None) -> CpuView:
        return view_of(
            online=self._machine.online(),
            mask=mask,
            quota=quota,
            by_quota=self._machine.cpus_by_quota,
            compact=self._machine.cpus_compact,
        )

    def cpu_ticks(self) -> Sequence[tuple[int, CpuTicks]] | None:
        """The counters of the shown CPUs, moved on to this moment: the same in every file."""
        limits = self._limits()
        view = self._view(limits.mask(), limits.quota())
        moment = self._machine.host.moment()
        if self._ticks_of != (moment, view):
            usage = self._cpu_usage(view)
            if usage is None:
                return None
            self._advance(usage, view)
            self._ticks_of = moment, view
        return self._ticks(view)

    def recent_cpu_ticks(self) -> Sequence[tuple[int, CpuTicks]] | None:
        """The same, though a limit that was changed in this moment may not show yet."""
        if self._ticks_of is not None and self._ticks_of[0] == self._machine.host.moment():
            return self._ticks(self._ticks_of[1])
        return self.cpu_ticks()

    def _ticks(self, view: CpuView) -> Sequence[tuple[int, CpuTicks]]:
        assert self.state.cpu is not None
        return tuple(zip(view.numbers, ticks(self.state.cpu), strict=True))

    def _cpu_usage(self, view: CpuView) -> CpuUsage | None:
        usage = self._reader.cpu_usage()
        if usage is not None:
            return usage
        if self.age() is None or len(view.shown) == len(self._machine.online()):
            return None
        # Its CPU time is counted with everybody's: of that, none is known to be its own.
        return CpuUsage(0, 0)

    def _advance(self, usage: CpuUsage, view: CpuView) -> None:
        now = boottime()
        age = self.age()
        sample = Sample(
            now_usec=int(now * 1e6),
            age_usec=int((now if age is None else age) * 1e6),
            view=view,
            usage=usage,
        )
        self.state.cpu = advance(self.state.cpu, sample)
        self._changed = True

    def threads(self) -> Threads | None:
        """The container's threads, in this moment.

        Of a container with many threads the states are the last sample's: to look at a thousand
        takes 10 ms, in which nobody else is answered.
        """
        counted_in, threads = self._threads
        moment = self._machine.host.moment()
        if counted_in != moment:
            threads = self._count_threads()
            self._threads = (moment, threads)
        return threads

    def _count_threads(self) -> Threads | None:
        listed = self.list_threads()
        if listed is None:
            return None
        states = self._sampled if len(listed) > _LOOK_AT_MAX else count_states(listed)
        newest = self.newest_pid(max(listed, default=0))
        if newest > self.state.newest_pid:
            self.state.newest_pid = newest
            self._changed = True
        return Threads(len(listed), states.running, states.blocked, self.state.newest_pid)

    def list_threads(self) -> list[int] | None:
        """The container's threads, by our own numbers; None: it is the host's root cgroup."""
        place = self._reader.threads_place()
        return None if place is None else list_threads(*place)

    def load(self) -> LoadAverages:
        """The load averages, as of the last step."""
        return self.state.load

    def is_asleep(self) -> bool:
        """Whether no thread has run since the last call: all are in the states they were in."""
        run_time = self._reader.run_time()
        asleep = run_time is not None and run_time == self._run_time
        self._run_time = run_time
        return asleep

    def add_sample(self, states: States | None) -> None:
        """Move the load averages on by as many steps as have gone by since the last.

        Args:
          states: the threads' now; None: the same as in the last sample.
        """
        if states is not None:
            self._sampled = states
        now, last = boottime(), self.state.sampled_at
        if last == 0.0:
            self.state.sampled_at = now
        elif steps := min(int((now - last) / INTERVAL), _STEPS_MAX):
            active = self._sampled.running + self._sampled.blocked
            if active or any(self.state.load):
                self.state.load = advance_load(self.state.load, active, steps)
            self.state.sampled_at = last + steps * INTERVAL if steps < _STEPS_MAX else now
        self._changed = True
