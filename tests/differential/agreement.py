"""Where lxcfs and ours agree, by the kind of file; each asks both and compares."""

import os
import re
from contextlib import suppress
from pathlib import Path

import pytest

from lxcfs_py.kernel.cpulist import parse_cpulist
from tests.differential.pair import CPUS, Pair, Texts
from tests.differential.peer import version
from tests.support.cgroups import is_v2
from tests.support.container import Agent
from tests.support.proc import parse_cpu_lines, parse_meminfo, parse_processors, parse_uptime
from tests.support.waiting import wait_until

_OF_THE_CGROUP = (
    *("MemTotal", "MemFree", "Buffers", "Cached", "Active", "Inactive", "Active(anon)"),
    *("Inactive(anon)", "Active(file)", "Inactive(file)", "Unevictable", "Shmem"),
    *("ShmemHugePages", "ShmemPmdMapped"),
)
# v1 counts no slab for a cgroup.
_ON_V1 = ("Mapped", "Dirty", "Writeback", "Slab", "SReclaimable", "SUnreclaim")
_OF_THE_MACHINE = (
    *("VmallocTotal", "VmallocChunk", "HardwareCorrupted", "CmaTotal", "Hugepagesize"),
    *("HugePages_Total", "HugePages_Free", "HugePages_Rsvd", "HugePages_Surp", "Hugetlb"),
    *("DirectMap4k", "DirectMap2M", "DirectMap1G"),
)
_HUGE_PAGES = Path("/sys/kernel/mm/transparent_hugepage/enabled")
# lxcfs adds up LRU lists, which a page joins only with some others of its CPU (mm/swap.c); ours is
# the count of the pages themselves.
_NOT_YET_ON_A_LIST_KB = 256 * (os.cpu_count() or 1)
# And a huge page stays on its list whole when a process has given a part of it back. Where all have
# some unasked: of one each, in a container of two.
_GIVEN_BACK_KB = 4096 if _HUGE_PAGES.exists() and "[always]" in _HUGE_PAGES.read_text() else 0


def _same_lines() -> set[str]:
    lines = {*_OF_THE_CGROUP, *_OF_THE_MACHINE}
    if not is_v2("memory"):
        lines |= set(_ON_V1)
    elif version() >= (6,):
        lines |= {"Slab", "SReclaimable", "SUnreclaim"}
    if knows_swap():
        lines |= {"SwapTotal", "SwapFree"}
    if version() >= (6, 0, 4):
        lines.add("MemAvailable")
    return lines


def check_meminfo(pair: Pair, who: Agent) -> dict[str, int]:
    """Every line that both compute alike; what ours says."""
    texts = _at_one_moment(pair, who)
    ours, theirs = map(parse_meminfo, texts)

    assert _different(texts) == {}
    # On the lists, but no process has it mapped: what is in the swap cache.
    tolerance = _NOT_YET_ON_A_LIST_KB + _GIVEN_BACK_KB + ours["SwapCached"]
    assert ours["AnonPages"] == pytest.approx(theirs["AnonPages"], abs=tolerance)
    assert _layout(texts.ours) == _layout(texts.theirs)
    return ours


def _at_one_moment(pair: Pair, who: Agent) -> Texts:
    """Both, with the same numbers if there is a moment at which they have them.

    The kernel charges a cgroup for 64 pages at once, and gives back what is too much when its CPU
    has another to charge (mm/memcontrol.c, struct memcg_stock_pcp): memory.current goes up and down
    in between, and what it is before may be what it is after.
    """
    texts = Texts(b"", b"")

    def agree() -> bool:
        nonlocal texts
        texts = pair.read(who, "proc/meminfo")
        return not _different(texts)

    with suppress(TimeoutError):
        wait_until(agree, "both say the same")
    return texts


def _different(texts: Texts) -> dict[str, tuple[int, int]]:
    """What should be the same and is not, by its line."""
    ours, theirs = map(parse_meminfo, texts)
    return {
        line: (ours[line], theirs[line])
        for line in sorted(_same_lines() & ours.keys())
        if ours[line] != theirs[line]
    }


def _layout(text: bytes) -> list[str]:
    """The lines with their columns, without numbers."""
    return [
        re.sub(r" {2,}\d+", lambda found: " " * len(found[0]), line)
        for line in text.decode().splitlines()
    ]


def check_uptime(pair: Pair, who: Agent) -> None:
    """Ours is between theirs; both cut off what is less than 0.01 s, lxcfs after rounding to ms."""
    first, theirs, last = (parse_uptime(text)[0] for text in pair.in_turn(who, "proc/uptime"))

    assert first - 0.011 <= theirs <= last + 0.011


def check_cpus(pair: Pair, who: Agent, count: int) -> None:
    """As many CPUs, by all that lxcfs has a view of; everything else of them is the same."""
    cpuinfo = pair.read(who, "proc/cpuinfo")
    online = pair.read(who, f"{CPUS}/online")
    ours_stat, theirs_stat, _ = pair.in_turn(who, "proc/stat")

    assert _without_numbers(cpuinfo.ours) == _without_numbers(cpuinfo.theirs)
    for text in cpuinfo:
        assert len(parse_processors(text)) == count
    for text in online:
        assert len(parse_cpulist(text)) == count
    assert len(parse_cpu_lines(ours_stat)) == 1 + count
    if not is_v2("cpu"):  # where it has the host's counters
        assert len(parse_cpu_lines(theirs_stat)) == 1 + count


def _without_numbers(cpuinfo: bytes) -> bytes:
    """The numbers are the host's in ours; and what counts CPUs counts those that are shown."""
    return re.sub(rb"(?m)^(processor|siblings|cpu cores|cpu MHz)\s*:.*\n", b"", cpuinfo)


def check_swaps(pair: Pair, who: Agent) -> None:
    """The same rows; the kernel's header has more tabs than lxcfs'."""
    ours, theirs = pair.read(who, "proc/swaps")

    if knows_swap():
        assert ours.split() == theirs.split()
    else:
        assert len(theirs.splitlines()) == 1
    total = int(ours.splitlines()[1].split()[2]) if b"virtual" in ours else 0
    assert total == parse_meminfo(pair.read(who, "proc/meminfo").ours)["SwapTotal"]


def knows_swap() -> bool:
    """Whether lxcfs has a view of swap here: on v2, since version 6."""
    return version() >= (6,) or not is_v2("memory")
