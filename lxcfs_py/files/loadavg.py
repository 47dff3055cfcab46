"""/proc/loadavg: the load of the container's threads.

Documentation/filesystems/proc.rst, 1.7; kernel/sched/loadavg.c; fs/proc/loadavg.c.
"""

from typing import NamedTuple

from lxcfs_py.files._virtual_file import Sources, VirtualFile
from lxcfs_py.resources import LoadAverages, Threads

INTERVAL = 5.0
"""Seconds between two steps (the kernel's LOAD_FREQ)."""

_FIXED_BITS = 11
_FIXED_1 = 1 << _FIXED_BITS
_DECAY = (1884, 2014, 2037)
"""exp(-5 s / 1, 5 and 15 min), in fixed point."""


class Inputs(NamedTuple):
    """The averages, and the threads now."""

    load: LoadAverages
    threads: Threads


def gather(sources: Sources) -> Inputs | None:
    """Ask for the sampled averages and count the threads."""
    threads = sources.threads()
    return None if threads is None else Inputs(sources.load(), threads)


def advance(load: LoadAverages, active: int, steps: int = 1) -> LoadAverages:
    """The averages after some steps with `active` threads running or in uninterruptible sleep."""
    for _ in range(steps):
        load = LoadAverages(*(_calc_load(old, decay, active * _FIXED_1)
                              for old, decay in zip(load, _DECAY, strict=True)))  # fmt: skip
    return load


def _calc_load(load: int, decay: int, active: int) -> int:
    new = load * decay + active * (_FIXED_1 - decay)
    if active >= load:
        new += _FIXED_1 - 1
    return new // _FIXED_1


def render(inputs: Inputs) -> bytes:
    """The averages with two decimals, running/total threads, the newest pid."""
    averages = b" ".join(_decimals(load + _FIXED_1 // 200) for load in inputs.load)
    threads = inputs.threads
    running = threads.running
    return b"%s %d/%d %d\n" % (averages, running, threads.total, threads.newest)


def _decimals(load: int) -> bytes:
    return b"%d.%02d" % (load >> _FIXED_BITS, ((load & (_FIXED_1 - 1)) * 100) >> _FIXED_BITS)


FILES = (VirtualFile("proc/loadavg", 4, gather, render),)
