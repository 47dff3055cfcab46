"""A container of given values, for views without a kernel."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from lxcfs_py.resources import (
    CpuTicks,
    CpuView,
    DeviceIo,
    Hugetlb,
    LoadAverages,
    Memory,
    Overcommit,
    Swap,
    Threads,
)

_OVERCOMMIT = Overcommit(50, 0)
_NO_LOAD = LoadAverages()


@dataclass
class FakeSources:
    """Answers what it was given; None for what it was not, as in the root cgroup."""

    host: Mapping[str, bytes]
    """Kernel text by path."""
    memory_is: Memory | None = None
    swap_is: Swap | None = None
    hugetlb_is: Mapping[int, Hugetlb] = field(default_factory=dict)
    """By page size, in kB."""
    overcommit_is: Overcommit = _OVERCOMMIT
    cpus_are: CpuView | None = None
    ticks_are: Sequence[CpuTicks] | None = None
    age_is: float | None = None
    io_is: Mapping[tuple[int, int], DeviceIo] | None = None
    pressure_is: Mapping[str, bytes] = field(default_factory=dict)
    slabinfo_is: bytes | None = None
    threads_are: Threads | None = None
    load_is: LoadAverages = _NO_LOAD

    def host_text(self, path: str, *, for_32_bit: bool = False) -> bytes:
        return self.host[path]

    def memory(self) -> Memory | None:
        return self.memory_is

    def swap(self) -> Swap | None:
        return self.swap_is

    def hugetlb(self, page_kb: int) -> Hugetlb | None:
        return self.hugetlb_is.get(page_kb)

    def overcommit(self) -> Overcommit:
        return self.overcommit_is

    def cpus(self) -> CpuView | None:
        return self.cpus_are

    def cpu_ticks(self) -> Sequence[tuple[int, CpuTicks]] | None:
        if self.cpus_are is None or self.ticks_are is None:
            return None
        return tuple(zip(self.cpus_are.numbers, self.ticks_are, strict=True))

    def recent_cpu_ticks(self) -> Sequence[tuple[int, CpuTicks]] | None:
        return self.cpu_ticks()

    def age(self) -> float | None:
        return self.age_is

    def io(self) -> Mapping[tuple[int, int], DeviceIo] | None:
        return self.io_is

    def pressure(self, resource: str) -> bytes | None:
        return self.pressure_is.get(resource)

    def slabinfo(self) -> bytes | None:
        return self.slabinfo_is

    def threads(self) -> Threads | None:
        return self.threads_are

    def load(self) -> LoadAverages:
        return self.load_is
