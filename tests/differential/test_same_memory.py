"""meminfo and swaps: what lxcfs and ours both say."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.differential import inside
from tests.differential.agreement import check_meminfo, check_swaps
from tests.differential.pair import Pair
from tests.differential.peer import Peer, running_lxcfs
from tests.differential.swap import limit_swap, use_swap
from tests.support.cgroups import own_cgroup
from tests.support.container import Agent, Container, running_container
from tests.support.daemon import running_daemon
from tests.support.proc import parse_meminfo

_MIB = 1 << 20


def test_without_a_limit(pair: Pair, container: Container) -> None:
    check_meminfo(pair, container)


@pytest.mark.parametrize("limit", [64 * _MIB, 256 * _MIB + 4096, 1 << 50])
def test_with_a_limit(pair: Pair, container: Container, limit: int) -> None:
    container.cgroup.limit_memory(limit)

    ours = check_meminfo(pair, container)
    assert ours["MemTotal"] <= limit // 1024


def test_a_limit_that_changes(pair: Pair, container: Container) -> None:
    for mib in (512, 96, 700):
        container.cgroup.limit_memory(mib * _MIB)
        ours = check_meminfo(pair, container)

        assert ours["MemTotal"] == mib * 1024


@pytest.mark.parametrize(
    ("above", "own", "seen"),
    [(512, 2048, 512), (2048, 256, 256), (128, None, 128)],
)
def test_with_a_limit_on_an_ancestor(pair: Pair, above: int, own: int | None, seen: int) -> None:
    with own_cgroup("ancestor") as top:
        inner = top.make_child("middle").make_child("container")
        top.limit_memory(above * _MIB)
        if own is not None:
            inner.limit_memory(own * _MIB)
        with running_container(inner) as container:
            ours = check_meminfo(pair, container)

            assert ours["MemTotal"] == seen * 1024


@pytest.mark.parametrize("mib", [0, 16, 1 << 20])
def test_with_a_limit_on_swap(pair: Pair, container: Container, mib: int) -> None:
    container.cgroup.limit_memory(256 * _MIB)
    limit_swap(container.cgroup, memory=256 * _MIB, swap=mib * _MIB)

    check_meminfo(pair, container)
    check_swaps(pair, container)


def test_swap_that_is_used(pair: Pair, container: Container) -> None:
    use_swap(container)

    assert parse_meminfo(pair.read(container, "proc/meminfo").ours)["SwapFree"] > 0
    check_meminfo(pair, container)
    check_swaps(pair, container)


def test_swap_that_is_switched_off(lxcfs: Peer, unmounted: Container) -> None:
    unmounted.cgroup.limit_memory(256 * _MIB)
    with running_daemon("-u", label="no-swap") as daemon, running_lxcfs("-u") as peer:
        pair = Pair(daemon, peer)

        assert check_meminfo(pair, unmounted)["SwapTotal"] == 0
        for text in pair.read(unmounted, "proc/swaps"):
            assert len(text.splitlines()) == 1


def test_a_soft_limit_is_none(pair: Pair, container: Container) -> None:
    container.cgroup.write(
        "memory", str(64 * _MIB), v1="memory.soft_limit_in_bytes", v2="memory.high"
    )
    ours = check_meminfo(pair, container)

    assert ours["MemTotal"] == parse_meminfo(Path("/proc/meminfo").read_bytes())["MemTotal"]


_USES: dict[str, Callable[[Agent, Path], object]] = {
    "anonymous": lambda who, _: who.call(inside.use_memory, 24 * _MIB),
    "shared": lambda who, _: who.call(inside.use_shared_memory, 24 * _MIB),
    "locked": lambda who, _: who.call(inside.use_memory, 8 * _MIB),
    "page cache": lambda who, place: who.call(inside.write_through, f"{place}/cached", 24 * _MIB),
    "mapped": lambda who, place: who.call(inside.map_new_file, f"{place}/mapped", 24 * _MIB),
}


@pytest.mark.parametrize("use", _USES)
def test_what_is_used(pair: Pair, container: Container, use: str, disk: Path) -> None:
    container.cgroup.limit_memory(256 * _MIB)
    before = parse_meminfo(pair.read(container, "proc/meminfo").ours)["MemFree"]
    _USES[use](container, disk)
    ours = check_meminfo(pair, container)

    assert ours["MemFree"] < before - 7 * 1024
