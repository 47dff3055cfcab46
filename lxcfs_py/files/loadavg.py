"""/proc/loadavg: the load of the container's threads.

Documentation/filesystems/proc.rst, 1.7; kernel/sched/loadavg.c; fs/proc/loadavg.c.
"""

from typing import NamedTuple

from lxcfs_py.files._virtual_file import Explanation, Field, Sources, VirtualFile
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


def explain(inputs: Inputs, text: bytes) -> Explanation:
    """As `render`."""
    *averages, threads, newest = text.decode().split()
    running, total = threads.split("/")
    terms = dict(zip(("load.1", "load.5", "load.15"), inputs.load, strict=True))
    fields = [
        Field(
            f"{name.removeprefix('load.')} min",
            shown,
            f"({{{name}}} + {_FIXED_1 // 200}) * 100 // {_FIXED_1} / 100",
        )
        for name, shown in zip(terms, averages, strict=True)
    ]
    fields += [
        Field("running", running, "{threads.running}"),
        Field("total", total, "{threads.total}"),
        Field("newest", newest, "{threads.newest}"),
    ]
    return Explanation(terms | threads_as_terms(inputs.threads), fields)


def threads_as_terms(threads: Threads) -> dict[str, int]:
    """The threads for an explanation."""
    return {f"threads.{name}": value for name, value in threads._asdict().items()}


FILES = (VirtualFile("proc/loadavg", 4, gather, render, explain),)
