"""The legacy hierarchies, in v2's terms."""

from pathlib import Path

import pytest

from lxcfs_py.resources import CpuUsage, DeviceIo, Hugetlb, Memory, Swap
from tests.support.cgroup_files import Files, v1_reader

_NO_LIMIT = "9223372036854771712\n"
_STAT = f"cache 1\nhierarchical_memory_limit {_NO_LIMIT}hierarchical_memsw_limit {_NO_LIMIT}"
_MEMORY = {
    "memory.usage_in_bytes": "8192\n",
    "memory.limit_in_bytes": _NO_LIMIT,
    "memory.stat": _STAT,
    "memory.memsw.usage_in_bytes": "8192\n",
    "memory.memsw.limit_in_bytes": _NO_LIMIT,
    "memory.swappiness": "60\n",
}


@pytest.mark.parametrize(
    "no_limit",
    [
        pytest.param(9223372036854771712, id="pages-of-4-KiB"),
        pytest.param(9223372036854710272, id="pages-of-64-KiB"),
    ],
)
def test_the_number_that_is_no_limit(tmp_path: Path, no_limit: int) -> None:
    stat = f"hierarchical_memory_limit {no_limit}\nhierarchical_memsw_limit {no_limit}\n"
    reader = v1_reader(tmp_path, "memory", {"/a": _MEMORY | {"memory.stat": stat}})

    assert reader.memory() == Memory(8192, None, {})
    assert reader.swap() == Swap(0, None)


def test_memory_stat_is_of_the_subtree_and_has_v2_keys(tmp_path: Path) -> None:
    pairs = {
        "total_cache": (b"file", 1),
        "total_rss": (b"anon", 2),
        "total_rss_huge": (b"anon_thp", 3),
        "total_shmem": (b"shmem", 4),
        "total_mapped_file": (b"file_mapped", 5),
        "total_dirty": (b"file_dirty", 6),
        "total_writeback": (b"file_writeback", 7),
        "total_swapcached": (b"swapcached", 8),
        "total_active_anon": (b"active_anon", 9),
        "total_inactive_anon": (b"inactive_anon", 10),
        "total_active_file": (b"active_file", 11),
        "total_inactive_file": (b"inactive_file", 12),
        "total_unevictable": (b"unevictable", 13),
    }
    own = "".join(f"{key.removeprefix('total_')} 99\n" for key in pairs)
    total = "".join(f"{key} {value}\n" for key, (_, value) in pairs.items())
    stat = f"{own}hierarchical_memory_limit 4096\nhierarchical_memsw_limit 4096\n{total}"

    memory = v1_reader(tmp_path, "memory", {"/a": _MEMORY | {"memory.stat": stat}}).memory()

    assert memory is not None
    assert memory.stat == dict(pairs.values())


def test_swap_is_memory_and_swap_less_memory(tmp_path: Path) -> None:
    stat = "hierarchical_memory_limit 805306368\nhierarchical_memsw_limit 1879048192\n"
    files = _MEMORY | {"memory.stat": stat, "memory.memsw.usage_in_bytes": "1056768\n"}

    assert v1_reader(tmp_path, "memory", {"/a": files}).swap() == Swap(1 << 20, 1792 << 20)


def test_swap_is_not_negative_when_the_two_are_read_apart(tmp_path: Path) -> None:
    files = _MEMORY | {"memory.memsw.usage_in_bytes": "4096\n"}

    assert v1_reader(tmp_path, "memory", {"/a": files}).swap() == Swap(0, None)


def test_swappiness_0(tmp_path: Path) -> None:
    files = _MEMORY | {"memory.swappiness": "0\n"}

    assert v1_reader(tmp_path, "memory", {"/a": files}).swap() == Swap(0, None, never_used=True)


def test_a_kernel_without_swap_accounting(tmp_path: Path) -> None:
    files = {name: text for name, text in _MEMORY.items() if "memsw" not in name}

    assert v1_reader(tmp_path, "memory", {"/a": files}).swap() == Swap(0, 0)


@pytest.mark.parametrize(
    ("quotas", "quota"),
    [
        pytest.param([-1], None, id="none"),
        pytest.param([150_000], 1.5, id="one-and-a-half"),
        pytest.param([50_000, -1], 0.5, id="of-an-ancestor"),
        pytest.param([50_000, 30_000], 0.3, id="the-tighter"),
    ],
)
def test_quota(tmp_path: Path, quotas: list[int], quota: float | None) -> None:
    cgroups = {
        "/a" * depth: {"cpu.cfs_quota_us": f"{us}\n", "cpu.cfs_period_us": "100000\n"}
        for depth, us in enumerate(quotas, start=1)
    }

    assert v1_reader(tmp_path, "cpu", cgroups).quota() == quota


def test_cpu_time_of_each_cpu(tmp_path: Path) -> None:
    text = "cpu user system\n0 56000999 535970626\n1 0 0\n8 2000 1000\n"

    usage = v1_reader(tmp_path, "cpuacct", {"/a": {"cpuacct.usage_all": text}}).cpu_usage()

    assert usage == CpuUsage(
        56000 + 2, 535970 + 1, per_cpu={0: (56000, 535970), 1: (0, 0), 8: (2, 1)}
    )


def test_cpu_time_of_an_old_kernel_is_in_ticks(tmp_path: Path) -> None:
    files = {"cpuacct.stat": "user 7\nsystem 3\n"}

    usage = v1_reader(tmp_path, "cpu,cpuacct", {"/a": files}).cpu_usage()

    assert usage == CpuUsage(70_000, 30_000)


def _blkio(policy: str, *, ios: str, size: str) -> Files:
    return {
        f"blkio.{policy}.io_serviced_recursive": ios + "Total 99\n",
        f"blkio.{policy}.io_service_bytes_recursive": size + "Total 99\n",
    }


def test_io_of_the_throttling_layer(tmp_path: Path) -> None:
    files = _blkio(
        "throttle",
        ios="8:0 Read 3\n8:0 Write 4\n8:0 Sync 7\n8:0 Async 0\n8:0 Discard 1\n8:0 Total 8\n",
        size="8:0 Read 1024\n8:0 Write 2048\n8:0 Discard 512\n8:0 Total 3584\n",
    )

    assert v1_reader(tmp_path, "blkio", {"/a": files}).io() == {
        (8, 0): DeviceIo(rbytes=1024, wbytes=2048, rios=3, wios=4, dbytes=512, dios=1)
    }


def test_io_counted_twice_is_the_larger_of_each(tmp_path: Path) -> None:
    """BFQ has counted since the device got it; the throttling layer, since it had a reason to.

    Whichever is ahead may change with time; no counter may go back when it does.
    """
    files = {
        **_blkio("bfq", ios="8:0 Read 10\n8:0 Write 1\n", size="8:0 Read 9000\n"),
        **_blkio("throttle", ios="8:0 Read 8\n8:0 Write 4\n9:0 Read 1\n", size="8:0 Read 9900\n"),
    }

    assert v1_reader(tmp_path, "blkio", {"/a": files}).io() == {
        (8, 0): DeviceIo(rbytes=9900, rios=10, wios=4),
        (9, 0): DeviceIo(rios=1),
    }


def test_no_io_accounting(tmp_path: Path) -> None:
    assert v1_reader(tmp_path, "blkio", {"/a": {}}).io() == {}


def test_hugetlb_is_bounded_by_ancestors(tmp_path: Path) -> None:
    def files(limit: str) -> Files:
        return {"hugetlb.2MB.usage_in_bytes": "0\n", "hugetlb.2MB.limit_in_bytes": limit}

    reader = v1_reader(tmp_path, "hugetlb", {"/a": files("4194304\n"), "/a/b": files(_NO_LIMIT)})

    assert reader.hugetlb(2048) == Hugetlb(0, 4 << 20)
    assert reader.hugetlb(16384) is None  # a page size that the controller does not know


def test_slabinfo_where_the_kernel_still_has_it(tmp_path: Path) -> None:
    files = _MEMORY | {"memory.kmem.slabinfo": "slabinfo - version: 2.1\n# name\ndentry 1\n"}

    reader = v1_reader(tmp_path, "memory", {"/a": files})

    assert reader.slabinfo() == b"slabinfo - version: 2.1\n# name\ndentry 1\n"
