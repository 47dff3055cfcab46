"""meminfo and swaps: where ours differs from lxcfs on purpose (docs/differences.md)."""

from pathlib import Path

import pytest

from tests.differential import inside
from tests.differential.agreement import knows_swap
from tests.differential.pair import Pair
from tests.differential.peer import version
from tests.differential.swap import limit_swap, use_swap
from tests.support.cgroups import TestCgroup, is_v2
from tests.support.container import Container, running_agent
from tests.support.proc import parse_meminfo
from tests.support.waiting import wait_until

_MIB = 1 << 20
# What lxcfs does not know it copies; and what of it v2 counts for a cgroup.
_COPIED = {
    "KReclaimable": "slab_reclaimable",
    "KernelStack": "kernel_stack",
    "PageTables": "pagetables",
    "SecPageTables": "sec_pagetables",
    "Percpu": "percpu",
    "FileHugePages": "file_thp",
    "VmallocUsed": "",
    "Mlocked": "",
    "Committed_AS": "",
}


def _both(pair: Pair, container: Container) -> tuple[dict[str, int], dict[str, int]]:
    ours, theirs = pair.read(container, "proc/meminfo")
    return parse_meminfo(ours), parse_meminfo(theirs)


def _stat_kb(cgroup: TestCgroup, *, v1: str, v2: str) -> int:
    """A number of memory.stat, in kB; 0 where there is none."""
    lines = (cgroup.directory("memory") / "memory.stat").read_text().splitlines()
    values = dict(line.split() for line in lines)
    return int(values.get(v2 if is_v2("memory") else v1, 0)) // 1024


def test_nothing_is_said_of_the_host_s_use(pair: Pair, container: Container) -> None:
    ours, _ = _both(pair, container)
    lines = _COPIED.keys() & ours.keys()
    different = set(lines)

    def all_were_the_same() -> bool:  # each at some moment: others use the machine
        host = parse_meminfo(Path("/proc/meminfo").read_bytes())
        theirs = _both(pair, container)[1]
        different.difference_update(line for line in lines if theirs[line] == host[line])
        return not different

    wait_until(all_were_the_same, "lxcfs says what the host's file says")
    assert ours["Committed_AS"] == ours["AnonPages"] + ours["Shmem"]
    for line in lines - {"Committed_AS"}:
        own = _stat_kb(container.cgroup, v1="", v2=_COPIED[line])
        assert ours[line] == pytest.approx(own, abs=64), line


def test_the_commit_limit_is_of_the_memory_shown(pair: Pair, container: Container) -> None:
    container.cgroup.limit_memory(256 * _MIB)
    ours, theirs = _both(pair, container)
    host = parse_meminfo(Path("/proc/meminfo").read_bytes())
    ratio = int(Path("/proc/sys/vm/overcommit_ratio").read_text())

    assert theirs["CommitLimit"] == host["CommitLimit"]
    assert ours["CommitLimit"] == 256 * 1024 * ratio // 100 + ours["SwapTotal"]


def test_what_is_mapped_and_dirty_is_told_on_v2_too(
    pair: Pair, container: Container, disk: Path
) -> None:
    container.call(inside.map_new_file, str(disk / "mapped"), 16 * _MIB)
    ours, theirs = _both(pair, container)

    for line in ("Mapped", "Dirty"):
        assert ours[line] >= 15 * 1024
        assert theirs[line] == (0 if is_v2("memory") else ours[line])


def test_huge_pages_are_told(pair: Pair, container: Container) -> None:
    container.call(inside.use_huge_pages, 16 * _MIB)
    ours, theirs = _both(pair, container)

    assert ours["AnonHugePages"] == _stat_kb(container.cgroup, v1="total_rss_huge", v2="anon_thp")
    assert ours["AnonHugePages"] > 0
    assert theirs["AnonHugePages"] == 0


def test_memory_files_are_not_available_memory(pair: Pair, container: Container) -> None:
    """Nobody can take them back but who made them."""
    container.call(inside.use_shared_memory, 32 * _MIB)
    ours, theirs = _both(pair, container)

    assert ours["Cached"] >= ours["Shmem"] >= 32 * 1024
    assert ours["MemAvailable"] <= ours["MemTotal"] - 32 * 1024
    if version() < (6,):
        assert theirs["MemAvailable"] == theirs["MemFree"] + theirs["Cached"]
    else:
        assert theirs["MemAvailable"] == ours["MemAvailable"]


def test_locked_memory_files_do_not_make_anonymous_memory_negative(
    pair: Pair, container: Container
) -> None:
    container.call(inside.use_shared_memory, 48 * _MIB, locked=True)
    ours, theirs = _both(pair, container)

    assert ours["Unevictable"] >= 40 * 1024  # some are not on their list yet
    own = _stat_kb(container.cgroup, v1="total_rss", v2="anon")
    assert ours["AnonPages"] == pytest.approx(own, abs=64)  # a moment later
    assert theirs["AnonPages"] > 1 << 53


def test_on_v2_slab_is_told(pair: Pair, container: Container) -> None:
    """lxcfs 6 tells of it too."""
    ours, theirs = _both(pair, container)

    for line in ("Slab", "SReclaimable", "SUnreclaim"):
        if is_v2("memory"):
            assert ours["Slab"] > 0
            assert theirs[line] == (ours[line] if version() >= (6,) else 0)
        else:
            assert ours[line] == theirs[line] == 0


def test_on_v2_swap_is_told(pair: Pair, container: Container) -> None:
    """lxcfs 6 tells of it too."""
    host = parse_meminfo(Path("/proc/meminfo").read_bytes())["SwapTotal"]
    container.cgroup.limit_memory(256 * _MIB)
    limit_swap(container.cgroup, memory=256 * _MIB, swap=16 * _MIB)
    ours, theirs = _both(pair, container)

    # On v1 it is memory and swap together.
    assert ours["SwapTotal"] == min(host, (16 if is_v2("memory") else 272) * 1024)
    assert theirs["SwapTotal"] == (ours["SwapTotal"] if knows_swap() else 0)


def test_swap_that_is_in_memory_too_is_told(pair: Pair, container: Container) -> None:
    use_swap(container)

    def own() -> int:
        return _stat_kb(container.cgroup, v1="total_swapcached", v2="swapcached")

    def is_told() -> bool:  # who reads is in the container, and has been swapped out in part
        before = own()
        ours, theirs = _both(pair, container)
        assert theirs["SwapCached"] == 0
        return before == ours["SwapCached"] == own()

    wait_until(is_told, "it says what the cgroup counts")


def test_swaps_has_the_kernel_s_columns(pair: Pair, container: Container) -> None:
    ours, theirs = pair.read(container, "proc/swaps")
    host = Path("/proc/swaps").read_bytes()

    assert ours.splitlines()[0] == host.splitlines()[0] != theirs.splitlines()[0]
    assert ours.split()[:5] == theirs.split()[:5]


def test_a_host_process_gets_the_host_s_memory(pair: Pair) -> None:
    """lxcfs computes it for the root cgroup, whose own use is not the machine's."""
    with running_agent(TestCgroup(".")) as process:
        ours, theirs = map(parse_meminfo, pair.read(process, "proc/meminfo"))
    host = parse_meminfo(Path("/proc/meminfo").read_bytes())

    assert ours["Buffers"] == pytest.approx(host["Buffers"], rel=0.2) != 0
    assert theirs["Buffers"] == 0
    assert ours["MemTotal"] == theirs["MemTotal"] == host["MemTotal"]
