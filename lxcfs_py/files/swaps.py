"""/proc/swaps: the container's share of the host's swap.

Documentation/admin-guide/cgroup-v2.rst, "memory.swap.max"; mm/swapfile.c, swap_show().
"""

from typing import NamedTuple

from lxcfs_py.files._virtual_file import Sources, VirtualFile
from lxcfs_py.kernel.meminfo import parse_meminfo
from lxcfs_py.resources import Swap

_HEADER = b"Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"


class SwapShare(NamedTuple):
    """What a container is shown of swap, in kB: the same in /proc/swaps and /proc/meminfo."""

    total: int
    used: int


class Inputs(NamedTuple):
    """The host's swap, in kB, and the container's."""

    host_total: int
    swap: Swap


def gather(sources: Sources) -> Inputs | None:
    """Read the host's total and the container's limit and use."""
    swap = sources.swap()
    if swap is None:
        return None
    host = parse_meminfo(sources.host_text("proc/meminfo"))
    return Inputs(host.get(b"SwapTotal", 0), swap)


def share_of(host_total: int, swap: Swap) -> SwapShare:
    """How much of the host's swap, in kB, a container has and uses."""
    total = host_total
    if swap.effective_max is not None:
        total = min(total, swap.effective_max // 1024)
    used = min(swap.current // 1024, total)
    return SwapShare(used if swap.never_used else total, used)


def render(inputs: Inputs) -> bytes:
    """The kernel's header, and one row if there is any swap to use."""
    total, used = share_of(*inputs)
    if not total:
        return _HEADER
    return _HEADER + _row(total, used)


def _row(total: int, used: int) -> bytes:
    # swap_show(): the name padded to 40 columns, tabs after short numbers.
    return b"%-40s%s\t\t%d\t%s%d\t%s%d\n" % (
        b"none",
        b"virtual",
        total,
        b"" if total >= 10_000_000 else b"\t",
        used,
        b"" if used >= 10_000_000 else b"\t",
        0,
    )


FILES = (VirtualFile("proc/swaps", 7, gather, render),)
