"""A container's cgroup with limits on it and above it, the same on v1 and v2.

    limited      memory 192 MiB (with swap 320 MiB, or swap alone 128 MiB), 1.5 CPUs
    `- middle    nothing
       `- container   memory 256 MiB, which the ancestor's 192 MiB make 192; cpuset 0

The kernel text in tests/kernel_text was captured in one, and tests make real ones.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.cgroups import TestCgroup, own_cgroup

MIB = 1 << 20

MEMORY_MAX = 192 * MIB
SWAP_MAX_V2 = 128 * MIB
MEMORY_AND_SWAP_MAX_V1 = 320 * MIB
CPUS = 1.5
MASK = (0,)


@contextmanager
def limited_cgroup(label: str) -> Iterator[TestCgroup]:
    """The container's cgroup; it and those above go afterwards, with their processes."""
    with own_cgroup(label) as top:
        container = top.make_child("middle").make_child("container")
        top.limit_memory(MEMORY_MAX)
        _limit_swap(top)
        top.limit_cpu(int(CPUS * 100_000))
        container.limit_memory(256 * MIB)
        container.limit_cpus("0")
        yield container


def _limit_swap(cgroup: TestCgroup) -> None:
    directory = cgroup.directory("memory")
    for name, limit in (
        ("memory.memsw.limit_in_bytes", MEMORY_AND_SWAP_MAX_V1),
        ("memory.swap.max", SWAP_MAX_V2),
    ):
        if (directory / name).exists():
            (directory / name).write_text(str(limit))
