"""/proc/swaps: the container's share of the host's swap.

Documentation/admin-guide/cgroup-v2.rst, "memory.swap.max"; mm/swapfile.c, swap_show().
"""

from typing import NamedTuple

from lxcfs_py.files._virtual_file import Explanation, Field, Sources, VirtualFile
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


def explain(inputs: Inputs, text: bytes) -> Explanation:
    """As `render`."""
    used = "min({memory.swap.current}, {host.SwapTotal}, {memory.swap.max})"
    formulas = {"Size": total_formula(inputs.swap), "Used": used, "Priority": "0"}
    rows = text.decode().splitlines()[1:]
    numbers = rows[0].split()[2:] if rows else []
    fields = [
        Field(name, shown, formula)
        for (name, formula), shown in zip(formulas.items(), numbers, strict=False)
    ]
    if not rows:
        words = f"none: {formulas['Size']} is 0"
        fields = [Field("rows", "none", words, in_words=True)]
    return Explanation(as_terms(inputs.host_total, inputs.swap), fields)


def total_formula(swap: Swap) -> str:
    """How `share_of` comes to the total."""
    if swap.never_used:
        return "min({memory.swap.current}, {host.SwapTotal}, {memory.swap.max})"
    return "min({host.SwapTotal}, {memory.swap.max})"


def as_terms(host_total: int, swap: Swap) -> dict[str, int | float | None]:
    """What `share_of` is given, for an explanation."""
    limit = swap.effective_max
    return {
        "host.SwapTotal": host_total,
        "memory.swap.current": swap.current // 1024,
        "memory.swap.max": None if limit is None else limit // 1024,
    }


FILES = (VirtualFile("proc/swaps", 7, gather, render, explain),)
