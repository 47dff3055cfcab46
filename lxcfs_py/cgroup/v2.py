"""The unified hierarchy.

Documentation/admin-guide/cgroup-v2.rst. Where a controller is not enabled for a cgroup, the
nearest ancestor that has it accounts for it, and its limits hold.
"""

from collections.abc import Mapping

from lxcfs_py.cgroup.lineage import Lineage
from lxcfs_py.kernel.cpulist import parse_cpulist
from lxcfs_py.kernel.formats import parse_nested_keyed, parse_single_value
from lxcfs_py.resources import CpuUsage, DeviceIo, Hugetlb, Memory, Swap

THREADS_FILE = "cgroup.threads"


def memory(lineage: Lineage) -> Memory | None:
    """memory.current, memory.max, memory.stat; None where the controller is off."""
    found = lineage.read_where_enabled("memory.current")
    if found is None:
        return None
    current, level = found
    return Memory(
        current=int(current),
        effective_max=_effective_max(lineage, "memory.max", level),
        stat=lineage.flat_keyed("memory.stat", level),
    )


def swap(lineage: Lineage) -> Swap:
    """memory.swap.current, memory.swap.max; a limit of 0 without swap accounting."""
    found = lineage.read_where_enabled("memory.swap.current")
    if found is None:
        return Swap(0, 0)
    current, level = found
    return Swap(int(current), _effective_max(lineage, "memory.swap.max", level))


def hugetlb(lineage: Lineage, size: str) -> Hugetlb | None:
    """hugetlb.SIZE.current, hugetlb.SIZE.max."""
    found = lineage.read_where_enabled(f"hugetlb.{size}.current")
    if found is None:
        return None
    current, level = found
    return Hugetlb(int(current), _effective_max(lineage, f"hugetlb.{size}.max", level))


def _effective_max(lineage: Lineage, name: str, level: int) -> int | None:
    limits = [parse_single_value(text) for text in lineage.read_upwards(name, level)]
    return min((limit for limit in limits if limit is not None), default=None)


def quota(lineage: Lineage) -> float | None:
    """cpu.max, in CPUs."""
    quotas = []
    for text in lineage.read_upwards("cpu.max"):
        limit, period = text.split()
        if limit != b"max":
            quotas.append(int(limit) / int(period))
    return min(quotas, default=None)


def mask(lineage: Lineage) -> tuple[int, ...] | None:
    """cpuset.cpus.effective; None where the controller is off."""
    found = lineage.read_where_enabled("cpuset.cpus.effective")
    return None if found is None else parse_cpulist(found[0])


def cpu_usage(lineage: Lineage) -> CpuUsage:
    """cpu.stat, which every cgroup has."""
    stat = lineage.flat_keyed("cpu.stat")
    # Since Linux kernel commit aefa398d93d5 ("cgroup/rstat: Tracking cgroup-level niced CPU time")
    # (v6.13).
    nice = stat.get(b"nice_usec", 0)
    return CpuUsage(stat[b"user_usec"], stat[b"system_usec"], nice)


def run_time(lineage: Lineage) -> int:
    """usage_usec of cpu.stat: the scheduler's own clock."""
    return lineage.flat_keyed("cpu.stat")[b"usage_usec"]


def io(lineage: Lineage) -> Mapping[tuple[int, int], DeviceIo]:
    """io.stat; empty where the controller is off: an ancestor's is its other children's too."""
    try:
        devices = parse_nested_keyed(lineage.read("io.stat"))
    except FileNotFoundError:
        return {}
    return {_device(device): _device_io(stat) for device, stat in devices.items()}


def _device(text: bytes) -> tuple[int, int]:
    major, minor = text.split(b":")
    return int(major), int(minor)


def _device_io(stat: Mapping[bytes, bytes]) -> DeviceIo:
    # A device line may also hold cost.usage and others.
    return DeviceIo(**{key: int(stat.get(key.encode(), 0)) for key in DeviceIo._fields})


def pressure(lineage: Lineage, resource: str) -> bytes:
    """`cpu.pressure` and others, as it is."""
    return lineage.read(f"{resource}.pressure")
