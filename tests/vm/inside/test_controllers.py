"""Every view beside the control files it comes from, with all controllers of cgroup v2 at work.

top          the limits that bind
`- middle    larger ones
   `- container   the largest
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.cgroups import TestCgroup, own_cgroup
from tests.support.container import Container, running_container
from tests.support.proc import parse_cpu_lines, parse_meminfo, parse_processors
from tests.support.waiting import wait_until
from tests.vm.inside.service import MOUNTPOINT

_MIB = 1 << 20
_ROOT = Path("/sys/fs/cgroup")
_DATA_DISK = "/dev/vdd"
_SWAPPED_MIB = 60

pytestmark = pytest.mark.skipif(
    not (_ROOT / "cgroup.controllers").exists(), reason="needs a host with cgroup v2 alone"
)


class Levels:
    """The three cgroups, and a container in the innermost."""

    def __init__(self, top: TestCgroup, container: Container) -> None:
        self.top = _ROOT / top.path
        self.middle = self.top / "middle"
        self.innermost = self.middle / "container"
        self.container = container

    def write(self, name: str, top: str, middle: str = "max", innermost: str = "max") -> None:
        """A control file of each."""
        values = ((self.top, top), (self.middle, middle), (self.innermost, innermost))
        for directory, value in values:
            (directory / name).write_text(value)

    def value(self, name: str) -> int:
        """A control file of the container's own cgroup."""
        return int((self.innermost / name).read_text())

    def stat(self, name: str = "memory.stat") -> dict[str, int]:
        text = (self.innermost / name).read_text()
        return {key: int(value) for key, value in map(str.split, text.splitlines())}

    def meminfo(self) -> dict[str, int]:
        """In kB."""
        return parse_meminfo(self.container.read("/proc/meminfo"))


@pytest.fixture(scope="module", autouse=True)
def every_controller() -> None:
    """systemd does not turn hugetlb on."""
    (_ROOT / "cgroup.subtree_control").write_text("+hugetlb")


@pytest.fixture
def levels() -> Iterator[Levels]:
    with own_cgroup("levels") as top:
        innermost = top.make_child("middle").make_child("container")
        with running_container(innermost, files=MOUNTPOINT) as container:
            yield Levels(top, container)


@contextmanager
def _hoarding(levels: Levels, mebibytes: int, tmp_path: Path) -> Iterator[None]:
    """A process in the container that has touched so much memory."""
    ready = tmp_path / "ready"
    code = (
        "import os, sys, time\n"
        f"x = [os.urandom(1 << 20) for _ in range({mebibytes})]\n"
        f"open({str(ready)!r}, 'w')\n"
        "time.sleep(10000)"
    )
    levels.container.spawn("python3", "-c", code)
    wait_until(ready.exists, "it has its memory", 60)
    yield


def _between(low: int, value: int, high: int, slack_kb: int = 256) -> bool:
    """Whether a view lies between what was read before it and after it; either may be behind."""
    return min(low, high) - slack_kb <= value <= max(low, high) + slack_kb


@pytest.mark.parametrize(
    ("top", "middle", "innermost", "least"),
    [("200M", "300M", "400M", 200), ("400M", "200M", "300M", 200), ("max", "max", "150M", 150)],
)
def test_the_tightest_memory_max(
    levels: Levels, top: str, middle: str, innermost: str, least: int
) -> None:
    levels.write("memory.max", top, middle, innermost)

    assert levels.meminfo()["MemTotal"] == least << 10


def test_memory_beside_its_control_files(levels: Levels, tmp_path: Path) -> None:
    levels.write("memory.max", "300M")
    with _hoarding(levels, 40, tmp_path):
        stat, current = levels.stat(), levels.value("memory.current")
        shown = levels.meminfo()
        stat_after, current_after = levels.stat(), levels.value("memory.current")

    used = shown["MemTotal"] - shown["MemFree"]
    assert used >= 40 << 10
    assert _between(current >> 10, used, current_after >> 10)
    for label, key in (
        ("AnonPages", "anon"),
        ("Active(file)", "active_file"),
        ("Inactive(anon)", "inactive_anon"),
        ("Shmem", "shmem"),
        ("Mapped", "file_mapped"),
        ("KernelStack", "kernel_stack"),
        ("PageTables", "pagetables"),
        ("SUnreclaim", "slab_unreclaimable"),
    ):
        assert _between(stat[key] >> 10, shown[label], stat_after[key] >> 10), label


def test_swap_beside_its_control_files(levels: Levels, tmp_path: Path) -> None:
    """What does not fit into memory.max goes to the swap disk."""
    levels.write("memory.max", "300M", "80M")
    levels.write("memory.swap.max", "200M", "150M")
    with _hoarding(levels, 80 + _SWAPPED_MIB, tmp_path):
        before = levels.value("memory.swap.current")
        shown = levels.meminfo()
        row = levels.container.read("/proc/swaps").decode().splitlines()[1].split()
        after = levels.value("memory.swap.current")

    assert before >= (_SWAPPED_MIB - 10) * _MIB
    assert shown["SwapTotal"] == 150 << 10
    assert _between(before >> 10, shown["SwapTotal"] - shown["SwapFree"], after >> 10)
    assert row[:3] == ["none", "virtual", str(150 << 10)]
    assert _between(before >> 10, int(row[3]), after >> 10)
    assert shown["SwapCached"] <= shown["SwapTotal"]


def test_no_swap_where_none_is_allowed(levels: Levels) -> None:
    levels.write("memory.swap.max", "0")

    assert levels.meminfo()["SwapTotal"] == 0
    assert len(levels.container.read("/proc/swaps").splitlines()) == 1


def test_the_machines_swap_bounds_all(levels: Levels) -> None:
    assert (
        levels.meminfo()["SwapTotal"]
        == parse_meminfo(Path("/proc/meminfo").read_bytes())["SwapTotal"]
    )


def test_zswap_beside_its_control_files(levels: Levels, tmp_path: Path) -> None:
    if not Path("/sys/module/zswap").exists():
        pytest.skip("this kernel has no zswap: CONFIG_ZSWAP")
    levels.write("memory.max", "80M")
    with _hoarding(levels, 80 + _SWAPPED_MIB, tmp_path):
        stat, shown, stat_after = levels.stat(), levels.meminfo(), levels.stat()

    assert stat["zswapped"] > 0
    assert _between(stat["zswapped"] >> 10, shown["Zswapped"], stat_after["zswapped"] >> 10)
    assert _between(stat["zswap"] >> 10, shown["Zswap"], stat_after["zswap"] >> 10)


def _cpus(container: Container) -> tuple[list[int], list[str], str]:
    """By cpuinfo, stat and sys."""
    return (
        parse_processors(container.read("/proc/cpuinfo")),
        [name for name in parse_cpu_lines(container.read("/proc/stat")) if name != "cpu"],
        container.read("/sys/devices/system/cpu/online").decode().strip(),
    )


def test_a_cpuset(levels: Levels) -> None:
    levels.write("cpuset.cpus", "0-1", "1", "0-1")

    assert (levels.innermost / "cpuset.cpus.effective").read_text() == "1\n"
    assert _cpus(levels.container) == ([1], ["cpu1"], "1")


def test_a_cpuset_partition(levels: Levels) -> None:
    """A CPU of a partition is taken from everybody else, those without a cpuset.cpus too."""
    assert _cpus(levels.container)[2] == "0-1"
    with own_cgroup("partition") as other:
        (_ROOT / other.path / "cpuset.cpus").write_text("1")
        partition = _ROOT / other.path / "cpuset.cpus.partition"
        partition.write_text("root")
        assert partition.read_text() == "root\n"
        with running_container(other, files=MOUNTPOINT) as one:
            assert _cpus(one) == ([1], ["cpu1"], "1")
            assert _cpus(levels.container) == ([0], ["cpu0"], "0")
        partition.write_text("member")
        assert _cpus(levels.container)[2] == "0-1"


@pytest.mark.parametrize(
    ("top", "innermost", "count"),
    [("50000 100000", "max", 1), ("max", "150000 100000", 2), ("200000 100000", "100000", 1)],
)
def test_the_tightest_cpu_max(levels: Levels, top: str, innermost: str, count: int) -> None:
    levels.write("cpu.max", top, "max", innermost)
    processors, lines, _ = _cpus(levels.container)

    assert len(processors) == len(lines) == count


def test_cpu_time_beside_cpu_stat(levels: Levels) -> None:
    levels.container.spawn("sh", "-c", "while :; do :; done")
    wait_until(lambda: levels.stat("cpu.stat")["usage_usec"] > 2_000_000, "it has computed", 30)
    before = levels.stat("cpu.stat")
    shown = parse_cpu_lines(levels.container.read("/proc/stat"))["cpu"]
    after = levels.stat("cpu.stat")

    for column, key in ((0, "user_usec"), (2, "system_usec")):
        assert before[key] // 10_000 - 5 <= shown[column] <= after[key] // 10_000 + 5, key


def test_io_beside_io_stat(levels: Levels) -> None:
    """What the container reads and writes on a disk that nobody else uses."""
    for command in (
        ("dd", "if=/dev/zero", f"of={_DATA_DISK}", "bs=1M", "count=8", "oflag=direct"),
        ("dd", f"if={_DATA_DISK}", "of=/dev/null", "bs=1M", "count=4", "iflag=direct"),
    ):
        levels.container.run(*command)
    device = os.stat(_DATA_DISK).st_rdev
    number = f"{os.major(device)}:{os.minor(device)}"
    lines = (levels.innermost / "io.stat").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith(f"{number} "))
    stat = {key: int(value) for key, value in (word.split("=") for word in line.split()[1:])}
    rows = [row.split() for row in levels.container.read("/proc/diskstats").decode().splitlines()]
    (row,) = (row for row in rows if row[2] == Path(_DATA_DISK).name)

    assert stat["wbytes"] == 8 * _MIB
    assert stat["rbytes"] >= 4 * _MIB
    reads, _, sectors_read, _, writes, _, sectors_written = map(int, row[3:10])
    assert (reads, writes) == (stat["rios"], stat["wios"])
    assert (sectors_read, sectors_written) == (stat["rbytes"] // 512, stat["wbytes"] // 512)


@pytest.mark.parametrize("resource", ["cpu", "memory", "io"])
def test_pressure_is_the_cgroups_own(levels: Levels, resource: str) -> None:
    levels.write("cpu.max", "10000 100000", "max", "max")
    levels.container.spawn("sh", "-c", "while :; do :; done")
    levels.container.spawn("sh", "-c", "while :; do :; done")

    def totals(text: str) -> list[int]:
        return [int(total) for total in re.findall(r"total=(\d+)", text)]

    own = levels.innermost / f"{resource}.pressure"
    if resource == "cpu":
        wait_until(lambda: totals(own.read_text())[0] > 100_000, "it stalls", 30)
    before = totals(own.read_text())
    shown = totals(levels.container.read(f"/proc/pressure/{resource}").decode())
    after = totals(own.read_text())

    assert len(shown) == len(before)
    assert all(low <= value <= high for low, value, high in zip(before, shown, after, strict=True))


@pytest.fixture
def huge_pages() -> Iterator[int]:
    """Four of 2 MiB in the machine's pool."""
    pool = Path("/proc/sys/vm/nr_hugepages")
    pool.write_text("4")
    assert pool.read_text() == "4\n"
    yield 4
    pool.write_text("0")


def test_hugetlb(levels: Levels, huge_pages: int, tmp_path: Path) -> None:
    levels.write("hugetlb.2MB.max", "max", str(4 * _MIB), "max")
    shown = levels.meminfo()
    assert (shown["HugePages_Total"], shown["HugePages_Free"]) == (2, 2)
    assert shown["Hugetlb"] == 4 << 10

    ready = tmp_path / "ready"
    code = (
        "import mmap, time\n"
        "x = mmap.mmap(-1, 2 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x40000)\n"
        f"x[0] = 1; open({str(ready)!r}, 'w'); time.sleep(10000)"
    )
    levels.container.spawn("python3", "-c", code)
    wait_until(ready.exists, "it has a huge page", 30)
    assert levels.value("hugetlb.2MB.current") == 2 * _MIB
    shown = levels.meminfo()
    assert (shown["HugePages_Total"], shown["HugePages_Free"]) == (2, 1)
