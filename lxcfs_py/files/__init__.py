"""The files that are served, one module for each. A new one is a module and a line here."""

from typing import Any

from lxcfs_py.files import (
    cpu_lists,
    cpuinfo,
    diskstats,
    loadavg,
    meminfo,
    pressure,
    slabinfo,
    stat,
    swaps,
    uptime,
)
from lxcfs_py.files._virtual_file import Explanation, Field, Sources, VirtualFile

AnyVirtualFile = VirtualFile[Any]  # what gather gives and render takes is each file's own affair

VIRTUAL_FILES: tuple[AnyVirtualFile, ...] = (
    *meminfo.FILES,
    *uptime.FILES,
    *stat.FILES,
    *loadavg.FILES,
    *cpuinfo.FILES,
    *diskstats.FILES,
    *swaps.FILES,
    *slabinfo.FILES,
    *pressure.FILES,
    *cpu_lists.FILES,
)

__all__ = ["VIRTUAL_FILES", "AnyVirtualFile", "Explanation", "Field", "Sources", "VirtualFile"]
