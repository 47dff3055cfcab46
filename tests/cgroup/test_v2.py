"""cgroup2: what the captured machines do not have."""

from pathlib import Path

import pytest

from lxcfs_py.resources import CpuUsage, DeviceIo, Hugetlb, Memory, Swap
from tests.support.cgroup_files import v2_reader

_MEMORY = {"memory.current": "4096\n", "memory.max": "max\n", "memory.stat": "anon 4096\n"}
_SWAP = {"memory.swap.current": "0\n", "memory.swap.max": "max\n"}


def test_max_everywhere_is_no_limit(tmp_path: Path) -> None:
    reader = v2_reader(tmp_path, "memory", {"/a": _MEMORY | _SWAP, "/a/b": _MEMORY | _SWAP})

    assert reader.memory() == Memory(4096, None, {b"anon": 4096})
    assert reader.swap() == Swap(0, None)


def test_the_minimum_is_neither_the_nearest_nor_the_topmost(tmp_path: Path) -> None:
    """Limits of 500 MiB, 300 MiB and none on three nested cgroups, and 400 MiB on the fourth."""
    limits = {"/a": "524288000", "/a/b": "314572800", "/a/b/c": "max", "/a/b/c/d": "419430400"}
    cgroups = {path: _MEMORY | {"memory.max": f"{limit}\n"} for path, limit in limits.items()}

    memory = v2_reader(tmp_path, "memory", cgroups).memory()

    assert memory is not None
    assert memory.effective_max == 300 << 20


def test_a_limit_of_0_is_a_limit(tmp_path: Path) -> None:
    swap = _SWAP | {"memory.swap.max": "0\n"}

    assert v2_reader(tmp_path, "memory", {"/a": _MEMORY | swap}).swap() == Swap(0, 0)


def test_deeper_than_descriptors_are_kept(tmp_path: Path) -> None:
    """Forty levels; the limit is at the top."""
    paths = ["/a" * depth for depth in range(1, 41)]
    cgroups = {path: dict(_MEMORY) for path in paths}
    cgroups["/a"]["memory.max"] = "1048576\n"

    memory = v2_reader(tmp_path, "memory", cgroups).memory()

    assert memory is not None
    assert memory.effective_max == 1 << 20


def test_without_the_controller_the_nearest_ancestor_accounts(tmp_path: Path) -> None:
    """All three numbers are of one cgroup: usage never is another's than the limit."""
    cgroups = {
        "/a": _MEMORY | {"memory.current": "9999360\n", "memory.max": "33554432\n"},
        "/a/b": _MEMORY | {"memory.current": "8192\n", "memory.stat": "anon 8192\n"},
        "/a/b/c": {},
        "/a/b/c/d": {},
    }

    memory = v2_reader(tmp_path, "memory", cgroups).memory()

    assert memory == Memory(8192, 32 << 20, {b"anon": 8192})


def test_no_controller_anywhere(tmp_path: Path) -> None:
    reader = v2_reader(tmp_path, "memory cpu cpuset io hugetlb", {"/a": {}, "/a/b": {}})

    assert reader.memory() is None
    assert reader.swap() == Swap(0, 0)
    assert reader.quota() is None
    assert reader.mask() is None
    assert reader.hugetlb(2048) is None
    assert reader.io() == {}


def test_a_host_without_the_memory_controller(tmp_path: Path) -> None:
    # cgroup_disable=memory, as Raspberry Pi OS boots.
    reader = v2_reader(tmp_path, "cpu", {"/a": {}})

    assert reader.memory() is None
    assert reader.swap() is None
    assert reader.slabinfo() is None


def test_a_kernel_without_swap_accounting(tmp_path: Path) -> None:
    assert v2_reader(tmp_path, "memory", {"/a": _MEMORY}).swap() == Swap(0, 0)


@pytest.mark.parametrize(
    ("limits", "quota"),
    [
        pytest.param(["max 100000"], None, id="none"),
        pytest.param(["150000 100000"], 1.5, id="one-and-a-half"),
        pytest.param(["200000 100000", "max 100000"], 2.0, id="of-an-ancestor"),
        pytest.param(["50000 100000", "10000 10000"], 0.5, id="by-ratio-not-by-number"),
        pytest.param(["1000 1000000"], 0.001, id="the-least-there-is"),
        pytest.param(["1000000000 1000"], 1e6, id="more-than-any-host-has"),
    ],
)
def test_quota(tmp_path: Path, limits: list[str], quota: float | None) -> None:
    cgroups = {
        "/a" * depth: {"cpu.max": f"{limit}\n"} for depth, limit in enumerate(limits, start=1)
    }

    assert v2_reader(tmp_path, "cpu", cgroups).quota() == quota


def test_the_mask_of_a_cgroup_without_cpuset_is_an_ancestors(tmp_path: Path) -> None:
    cgroups = {"/a": {"cpuset.cpus.effective": "8-9,24-25\n"}, "/a/b": {}}

    assert v2_reader(tmp_path, "cpuset", cgroups).mask() == (8, 9, 24, 25)


def test_nice_time_where_the_kernel_tells(tmp_path: Path) -> None:
    stat = (
        "usage_usec 60\nuser_usec 40\nsystem_usec 20\nnice_usec 7\ncore_sched.force_idle_usec 0\n"
    )

    assert v2_reader(tmp_path, "", {"/a": {"cpu.stat": stat}}).cpu_usage() == CpuUsage(40, 20, 7)


def test_io_of_devices_with_more_and_less_than_statistics(tmp_path: Path) -> None:
    stat = (
        "7:0 \n"
        "8:16 rbytes=1024 wbytes=2048 rios=3 wios=4 dbytes=512 dios=1\n"
        "259:0 rbytes=512 wbytes=0 rios=1 wios=0 dbytes=0 dios=0 cost.vrate=100.00 cost.usage=5\n"
    )

    assert v2_reader(tmp_path, "io", {"/a": {"io.stat": stat}}).io() == {
        (7, 0): DeviceIo(),
        (8, 16): DeviceIo(rbytes=1024, wbytes=2048, rios=3, wios=4, dbytes=512, dios=1),
        (259, 0): DeviceIo(rbytes=512, rios=1),
    }


@pytest.mark.parametrize(
    ("page_kb", "size"),
    [(64, "64KB"), (2048, "2MB"), (32768, "32MB"), (1048576, "1GB"), (16777216, "16GB")],
)
def test_hugetlb_of_each_page_size(tmp_path: Path, page_kb: int, size: str) -> None:
    files = {f"hugetlb.{size}.current": "0\n", f"hugetlb.{size}.max": "8388608\n"}

    reader = v2_reader(tmp_path, "hugetlb", {"/a": files})

    assert reader.hugetlb(page_kb) == Hugetlb(0, 8 << 20)
