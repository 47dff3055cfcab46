"""Containers with swap, where the host has some."""

from pathlib import Path

import pytest

from tests.differential import inside
from tests.support.cgroups import TestCgroup
from tests.support.container import Container
from tests.support.proc import parse_meminfo

_MIB = 1 << 20


def limit_swap(cgroup: TestCgroup, *, memory: int, swap: int) -> None:
    """Limit it beside a limit of memory, where the kernel accounts for it."""
    directory = cgroup.directory("memory")
    for name, limit in (
        ("memory.memsw.limit_in_bytes", memory + swap),
        ("memory.swap.max", swap),
    ):
        if (directory / name).exists():
            (directory / name).write_text(str(limit))


def use_swap(container: Container) -> None:
    """Have it use 32 MiB more than it may; skips on a host without swap."""
    if not parse_meminfo(Path("/proc/meminfo").read_bytes())["SwapTotal"]:
        pytest.skip("needs swap on the host")
    container.cgroup.limit_memory(48 * _MIB)
    limit_swap(container.cgroup, memory=48 * _MIB, swap=128 * _MIB)
    container.call(inside.use_memory, 80 * _MIB)
