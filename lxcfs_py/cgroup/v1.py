"""The legacy hierarchies, in v2's terms: a table of names, and units.

Documentation/admin-guide/cgroup-v1/{memory,cpusets,cpuacct,blkio-controller,hugetlb}.rst;
Documentation/scheduler/sched-bwc.rst.
"""

import errno
import functools
from collections.abc import Mapping

from lxcfs_py.cgroup.lineage import Lineage
from lxcfs_py.kernel.cpulist import parse_cpulist
from lxcfs_py.resources import CpuUsage, DeviceIo, Hugetlb, Memory, Swap

THREADS_FILE = "tasks"

# The total_ keys count the descendants too, as v2's do.
STAT_KEYS = {
    b"total_cache": b"file",
    b"total_rss": b"anon",
    b"total_rss_huge": b"anon_thp",
    b"total_shmem": b"shmem",
    b"total_mapped_file": b"file_mapped",
    b"total_dirty": b"file_dirty",
    b"total_writeback": b"file_writeback",
    b"total_swapcached": b"swapcached",
    b"total_active_anon": b"active_anon",
    b"total_inactive_anon": b"inactive_anon",
    b"total_active_file": b"active_file",
    b"total_inactive_file": b"inactive_file",
    b"total_unevictable": b"unevictable",
}

# "No limit" is the largest number of pages that a counter holds, in bytes: page_counter.h.
_NO_LIMIT = 1 << 62

_NO_QUOTA = b"-1\n"
_NSEC_PER_USEC = 1000
_USEC_PER_TICK = 10_000


def memory(lineage: Lineage) -> Memory:
    """memory.usage_in_bytes, memory.limit_in_bytes, memory.stat."""
    stat = lineage.flat_keyed("memory.stat")
    return Memory(
        current=int(lineage.read("memory.usage_in_bytes")),
        # The kernel's own minimum over the ancestors.
        effective_max=_limit(stat[b"hierarchical_memory_limit"]),
        stat={v2: stat[v1] for v1, v2 in STAT_KEYS.items() if v1 in stat},
    )


def swap(lineage: Lineage) -> Swap:
    """memory.memsw.*, which count memory and swap together; a limit of 0 without them."""
    try:
        both = int(lineage.read("memory.memsw.usage_in_bytes"))
    except FileNotFoundError:
        return Swap(0, 0)
    stat = lineage.flat_keyed("memory.stat")
    return Swap(
        current=max(both - int(lineage.read("memory.usage_in_bytes")), 0),
        effective_max=_limit(stat[b"hierarchical_memsw_limit"]),
        never_used=int(lineage.read("memory.swappiness")) == 0,
    )


def hugetlb(lineage: Lineage, size: str) -> Hugetlb | None:
    """hugetlb.SIZE.usage_in_bytes, hugetlb.SIZE.limit_in_bytes; None for an unknown size."""
    try:
        current = int(lineage.read(f"hugetlb.{size}.usage_in_bytes"))
    except FileNotFoundError:
        return None
    limits = (int(text) for text in lineage.read_upwards(f"hugetlb.{size}.limit_in_bytes"))
    return Hugetlb(current, _limit(min(limits)))


def _limit(value: int) -> int | None:
    return None if value >= _NO_LIMIT else value


def quota(lineage: Lineage) -> float | None:
    """cpu.cfs_quota_us and cpu.cfs_period_us, in CPUs."""
    limits = lineage.read_everywhere("cpu.cfs_quota_us")
    if limits.count(_NO_QUOTA) == len(limits):
        return None
    return _tightest(tuple(limits), tuple(lineage.read_everywhere("cpu.cfs_period_us")))


@functools.lru_cache(maxsize=64)
def _tightest(limits: tuple[bytes, ...], periods: tuple[bytes, ...]) -> float:
    """In CPUs; one of the limits is one."""
    numbers = zip(map(int, limits), map(int, periods), strict=True)
    return min([limit / period for limit, period in numbers if limit >= 0])


def mask(lineage: Lineage) -> tuple[int, ...]:
    """cpuset.effective_cpus."""
    return parse_cpulist(lineage.read("cpuset.effective_cpus"))


def cpu_usage(lineage: Lineage) -> CpuUsage:
    """cpuacct.usage_all: user and system of each CPU."""
    try:
        words = lineage.read("cpuacct.usage_all").split()
    except FileNotFoundError:
        # Before Linux kernel commit 5ca3726af7f6 ("sched/cpuacct: Show all possible CPUs in
        # cpuacct output") and its neighbours (v4.8).
        stat = lineage.flat_keyed("cpuacct.stat")
        return CpuUsage(stat[b"user"] * _USEC_PER_TICK, stat[b"system"] * _USEC_PER_TICK)
    # A header of three words, then each CPU's number, user and system time.
    numbers = [int(word) for word in words[3:]]
    per_cpu = {
        cpu: (user // _NSEC_PER_USEC, system // _NSEC_PER_USEC)
        for cpu, user, system in zip(numbers[0::3], numbers[1::3], numbers[2::3], strict=True)
    }
    return CpuUsage(
        user_usec=sum([user for user, _ in per_cpu.values()]),
        system_usec=sum([system for _, system in per_cpu.values()]),
        per_cpu=per_cpu,
    )


def run_time(lineage: Lineage) -> int:
    """cpuacct.usage: the scheduler's own clock, in ns. usage_all goes by ticks."""
    return int(lineage.read("cpuacct.usage"))


def io(lineage: Lineage) -> Mapping[tuple[int, int], DeviceIo]:
    """blkio.throttle.*_recursive, which exist whatever the scheduler; BFQ's where it counts more.

    A device is counted by the throttling layer once it has a limit or statistics of its own, and
    by BFQ while it schedules it. Each number is the larger of the two: whichever layer is ahead,
    when that changes no counter goes back.
    """
    texts = []
    for policy in ("blkio.bfq", "blkio.throttle"):
        try:
            operations = lineage.read(f"{policy}.io_serviced_recursive")
            sizes = lineage.read(f"{policy}.io_service_bytes_recursive")
        except FileNotFoundError:
            continue
        texts.append((operations, sizes))
    return _parse_io(tuple(texts))


@functools.lru_cache(maxsize=64)
def _parse_io(texts: tuple[tuple[bytes, bytes], ...]) -> Mapping[tuple[int, int], DeviceIo]:
    """Remembered by the texts: they change with I/O only, and to parse them takes 10 us."""
    found: dict[tuple[int, int], DeviceIo] = {}
    for operations, sizes in texts:
        bytes_of = _by_device(sizes)
        for device, counts in _by_device(operations).items():
            io = _device_io(counts, bytes_of.get(device, {}))
            found[device] = DeviceIo(*map(max, io, found.get(device, io)))
    return found


def _by_device(text: bytes) -> dict[tuple[int, int], dict[bytes, int]]:
    """`8:0 Read 12` lines; the last one, `Total 15`, is of all devices."""
    devices: dict[tuple[int, int], dict[bytes, int]] = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) == 3:
            major, minor = map(int, words[0].split(b":"))
            devices.setdefault((major, minor), {})[words[1]] = int(words[2])
    return devices


def _device_io(operations: Mapping[bytes, int], sizes: Mapping[bytes, int]) -> DeviceIo:
    return DeviceIo(
        rbytes=sizes.get(b"Read", 0),
        wbytes=sizes.get(b"Write", 0),
        rios=operations.get(b"Read", 0),
        wios=operations.get(b"Write", 0),
        dbytes=sizes.get(b"Discard", 0),
        dios=operations.get(b"Discard", 0),
    )


def slabinfo(lineage: Lineage) -> bytes:
    """memory.kmem.slabinfo; empty where the kernel no longer tells."""
    try:
        return lineage.read("memory.kmem.slabinfo")
    except FileNotFoundError:
        return b""
    except OSError as error:
        # Older kernels, until kernel memory of the cgroup is accounted.
        if error.errno != errno.EIO:
            raise
        return b""
