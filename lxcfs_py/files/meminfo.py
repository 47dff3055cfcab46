"""/proc/meminfo: the container's memory, bounded by the tightest memory.max above it.

Documentation/filesystems/proc.rst, "meminfo"; Documentation/admin-guide/cgroup-v2.rst, "Memory".
"""

from typing import NamedTuple

from lxcfs_py.files._virtual_file import Explanation, Field, Sources, VirtualFile
from lxcfs_py.files.swaps import SwapShare, as_terms, share_of, total_formula
from lxcfs_py.kernel.meminfo import format_meminfo, layout_of, parse_meminfo
from lxcfs_py.resources import Hugetlb, Memory, Overcommit, Swap

# Lines that are copies of one key of memory.stat.
_STAT_KEYS = {
    b"Active(anon)": b"active_anon",
    b"Inactive(anon)": b"inactive_anon",
    b"Active(file)": b"active_file",
    b"Inactive(file)": b"inactive_file",
    b"Unevictable": b"unevictable",
    b"Zswap": b"zswap",
    b"Zswapped": b"zswapped",
    b"Dirty": b"file_dirty",
    b"Writeback": b"file_writeback",
    b"AnonPages": b"anon",
    b"Mapped": b"file_mapped",
    b"Shmem": b"shmem",
    b"KReclaimable": b"slab_reclaimable",
    b"SReclaimable": b"slab_reclaimable",
    b"Slab": b"slab",
    b"SUnreclaim": b"slab_unreclaimable",
    b"KernelStack": b"kernel_stack",
    b"PageTables": b"pagetables",
    b"SecPageTables": b"sec_pagetables",
    b"Percpu": b"percpu",
    b"AnonHugePages": b"anon_thp",
    b"ShmemHugePages": b"shmem_thp",
    b"FileHugePages": b"file_thp",
}

# Properties of the machine: the host's lines. Any other line counts what somebody does: 0.
_MACHINE = (
    b"VmallocTotal",
    b"VmallocChunk",
    b"HardwareCorrupted",
    b"EarlyMemtestBad",
    b"CmaTotal",
    b"Unaccepted",
    b"Balloon",
    b"HugePages_Total",
    b"HugePages_Free",
    b"HugePages_Rsvd",
    b"HugePages_Surp",
    b"Hugepagesize",
    b"Hugetlb",
    b"DirectMap4k",
    b"DirectMap2M",
    b"DirectMap4M",
    b"DirectMap1G",
    b"DirectMap64k",
    b"DirectMap1M",
    b"DirectMap2G",
)


class Inputs(NamedTuple):
    """The host's text, and what the container has."""

    host: bytes
    memory: Memory
    swap: Swap
    overcommit: Overcommit
    hugetlb: Hugetlb | None


def gather(sources: Sources) -> Inputs | None:
    """Read the host's text and the container's memory."""
    memory, swap = sources.memory(), sources.swap()
    if memory is None or swap is None:
        return None
    host = sources.host_text("proc/meminfo")
    return Inputs(host, memory, swap, sources.overcommit(), _hugetlb(sources, host))


def _hugetlb(sources: Sources, host: bytes) -> Hugetlb | None:
    # Most hosts have no huge pages set aside; then there is nothing to bound, and nothing to read.
    if b"\nHugePages_Total:       0\n" in host or b"\nHugePages_Total:" not in host:
        return None
    return sources.hugetlb(parse_meminfo(host)[b"Hugepagesize"])


def render(inputs: Inputs) -> bytes:
    """The host's lines in the host's order, with the container's numbers."""
    host = parse_meminfo(inputs.host)
    values = {label: host[label] for label in _MACHINE if label in host}
    total = host[b"MemTotal"]
    if inputs.memory.effective_max is not None:
        total = min(total, inputs.memory.effective_max // 1024)
    swap = share_of(host.get(b"SwapTotal", 0), inputs.swap)
    _add_memory(values, inputs.memory, total, host.get(b"Mlocked", 0))
    _add_swap(values, inputs, total, swap)
    if inputs.hugetlb is not None and inputs.hugetlb.effective_max is not None:
        _add_hugetlb(values, inputs.hugetlb, inputs.hugetlb.effective_max)
    return format_meminfo(layout_of(inputs.host), values)


def _add_memory(values: dict[bytes, int], memory: Memory, total: int, host_mlocked: int) -> None:
    stat = memory.stat
    kb = {label: stat.get(key, 0) // 1024 for label, key in _STAT_KEYS.items()}
    if max(kb.values()) > total:
        # The kernel gathers these from all CPUs now and then: they may be behind for a while.
        kb = {label: min(value, total) for label, value in kb.items()}
    # Usage may exceed memory.max for a while: cgroup-v2.rst.
    free = max(total - memory.current // 1024, 0)
    cached = min(stat.get(b"file", 0) // 1024, total - free)
    reclaimable = min(kb[b"SReclaimable"], total - free - cached)
    values |= kb
    values[b"MemTotal"] = total
    values[b"MemFree"] = free
    values[b"MemAvailable"] = min(
        total,
        free + kb[b"Active(file)"] + kb[b"Inactive(file)"] + kb[b"SReclaimable"],
    )
    values[b"Buffers"] = 0
    values[b"Cached"] = cached
    values[b"SReclaimable"] = values[b"KReclaimable"] = reclaimable
    values[b"Active"] = min(kb[b"Active(anon)"] + kb[b"Active(file)"], total)
    values[b"Inactive"] = min(kb[b"Inactive(anon)"] + kb[b"Inactive(file)"], total)
    values[b"Mlocked"] = min(host_mlocked, kb[b"Unevictable"])


def _add_swap(values: dict[bytes, int], inputs: Inputs, total: int, swap: SwapShare) -> None:
    values[b"SwapTotal"] = swap.total
    values[b"SwapFree"] = swap.total - swap.used
    swapcached = inputs.memory.stat.get(b"swapcached", 0) // 1024
    values[b"SwapCached"] = min(swapcached, swap.total)
    ratio, kbytes = inputs.overcommit
    values[b"CommitLimit"] = (kbytes or total * ratio // 100) + swap.total
    # A lower bound: what is reserved and not touched, no cgroup counts.
    values[b"Committed_AS"] = values[b"AnonPages"] + values[b"Shmem"] + swap.used


def _add_hugetlb(values: dict[bytes, int], hugetlb: Hugetlb, limit: int) -> None:
    size_kb = values[b"Hugepagesize"]
    pages = min(values[b"HugePages_Total"], limit // 1024 // size_kb)
    used = hugetlb.current // 1024 // size_kb
    values[b"HugePages_Total"] = pages
    values[b"HugePages_Free"] = max(pages - used, 0)
    values[b"HugePages_Rsvd"] = values[b"HugePages_Surp"] = 0
    values[b"Hugetlb"] = pages * size_kb


_SLAB = "min({memory.stat.slab_reclaimable}, {MemTotal})"
_RECLAIMABLE = f"min({_SLAB}, {{MemTotal}} - {{MemFree}} - {{Cached}})"
_FORMULAS = {
    **{label.decode(): f"{{host.{label.decode()}}}" for label in _MACHINE},
    **{
        label.decode(): f"min({{memory.stat.{key.decode()}}}, {{MemTotal}})"
        for label, key in _STAT_KEYS.items()
    },
    "MemTotal": "min({host.MemTotal}, {memory.max})",
    "MemFree": "max({MemTotal} - {memory.current}, 0)",
    "MemAvailable": "min({MemTotal}, "
    f"{{MemFree}} + {{Active(file)}} + {{Inactive(file)}} + {_SLAB})",
    "Cached": "min({memory.stat.file}, {MemTotal} - {MemFree})",
    "KReclaimable": _RECLAIMABLE,
    "SReclaimable": _RECLAIMABLE,
    "Active": "min({Active(anon)} + {Active(file)}, {MemTotal})",
    "Inactive": "min({Inactive(anon)} + {Inactive(file)}, {MemTotal})",
    "Mlocked": "min({host.Mlocked}, {Unevictable})",
    "SwapFree": "{SwapTotal} - min({memory.swap.current}, {SwapTotal})",
    "SwapCached": "min({memory.stat.swapcached}, {SwapTotal})",
    "CommitLimit": "{MemTotal} * {overcommit.ratio} // 100 + {SwapTotal}",
    "Committed_AS": "{AnonPages} + {Shmem} + min({memory.swap.current}, {SwapTotal})",
}
_HUGETLB_FORMULAS = {
    "HugePages_Total": "min({host.HugePages_Total}, {hugetlb.max} // {Hugepagesize})",
    "HugePages_Free": "max({HugePages_Total} - {hugetlb.current} // {Hugepagesize}, 0)",
    "HugePages_Rsvd": "0",
    "HugePages_Surp": "0",
    "Hugetlb": "{HugePages_Total} * {Hugepagesize}",
}


def explain(inputs: Inputs, text: bytes) -> Explanation:
    """As `render`. All terms are in kB, or pages."""
    formulas = {**_FORMULAS, "SwapTotal": total_formula(inputs.swap)}
    if inputs.overcommit.kbytes:
        formulas["CommitLimit"] = "{overcommit.kbytes} + {SwapTotal}"
    if inputs.hugetlb is not None and inputs.hugetlb.effective_max is not None:
        formulas |= _HUGETLB_FORMULAS
    shown = {label.decode(): str(value) for label, value in parse_meminfo(text).items()}
    for absent in formulas.keys() - shown.keys():  # other kernels have other lines
        for label, formula in formulas.items():
            formulas[label] = formula.replace(f"{{{absent}}}", formulas[absent])
    fields = [Field(label, value, formulas.get(label, "0")) for label, value in shown.items()]
    return Explanation(_terms(inputs), fields)


def _terms(inputs: Inputs) -> dict[str, int | float | None]:
    host = parse_meminfo(inputs.host)
    memory, hugetlb = inputs.memory, inputs.hugetlb
    stat = {f"memory.stat.{key.decode()}": 0 for key in (*_STAT_KEYS.values(), b"file")}
    stat |= {f"memory.stat.{key.decode()}": value // 1024 for key, value in memory.stat.items()}
    terms: dict[str, int | float | None] = {
        **{f"host.{label.decode()}": value for label, value in host.items()},
        "memory.current": memory.current // 1024,
        "memory.max": None if memory.effective_max is None else memory.effective_max // 1024,
        "memory.stat.swapcached": 0,
        **stat,
        **as_terms(host.get(b"SwapTotal", 0), inputs.swap),
        "overcommit.ratio": inputs.overcommit.ratio,
        "overcommit.kbytes": inputs.overcommit.kbytes,
    }
    if hugetlb is not None:
        limit = hugetlb.effective_max
        terms["hugetlb.current"] = hugetlb.current // 1024
        terms["hugetlb.max"] = None if limit is None else limit // 1024
    return terms


FILES = (VirtualFile("proc/meminfo", 1, gather, render, explain),)
