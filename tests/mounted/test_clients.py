"""The programs that people look with."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.container import Container
from tests.support.waiting import wait_until

_MIB = 1 << 20
_HELD = 100 * _MIB

_PSUTIL = """
import json, psutil
memory, swap = psutil.virtual_memory(), psutil.swap_memory()
print(json.dumps({
    "total": memory.total, "used": memory.used, "available": memory.available,
    "swap": swap.total, "swap used": swap.used,
    "cpus": psutil.cpu_count(), "times": len(psutil.cpu_times(percpu=True)),
    "idle": psutil.cpu_times().idle, "age": psutil.Process(1).create_time() - psutil.boot_time(),
}))
"""
_HOLD = """
import mmap, time
memory = mmap.mmap(-1, {size})
for page in range(0, {size}, 4096): memory[page] = 1
time.sleep(1000)
"""


@pytest.fixture
def limited(container: Container) -> Container:
    """256 MiB and CPU 1."""
    container.cgroup.limit_memory(256 * _MIB)
    container.cgroup.limit_cpus("1")
    return container


def _free(container: Container, row: str = "Mem") -> dict[str, int]:
    header, *rows = container.run("free", "-b").splitlines()
    numbers = next(line.split()[1:] for line in rows if line.startswith(row))
    return dict(zip(header.split(), map(int, numbers), strict=False))


def test_free_shows_the_limit_and_what_is_used(limited: Container) -> None:
    before = _free(limited)
    limited.spawn(sys.executable, "-S", "-c", _HOLD.format(size=_HELD))

    assert before["total"] == 256 * _MIB
    assert before["used"] < 64 * _MIB
    wait_until(lambda: _free(limited)["used"] >= before["used"] + _HELD, "100 MiB are used")
    after = _free(limited)
    assert after["used"] - before["used"] == pytest.approx(_HELD, abs=24 * _MIB)
    assert before["available"] - after["available"] == pytest.approx(_HELD, abs=24 * _MIB)


@pytest.fixture
def swap(tmp_path: Path) -> Iterator[None]:
    """128 MiB of swap for the machine, which must have none."""
    if Path("/proc/swaps").read_text().count("\n") > 1:
        yield  # it has some
        return
    file = tmp_path / "swap"
    try:
        file.touch(0o600)
        subprocess.run(["dd", "if=/dev/zero", f"of={file}", "bs=1M", "count=128", "status=none"])
        subprocess.run(["mkswap", str(file)], check=True, capture_output=True)
        done = subprocess.run(["swapon", str(file)], capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"needs swap: {done.stderr.strip()}")
        yield
    finally:
        if str(file) in Path("/proc/swaps").read_text():
            subprocess.run(["swapoff", str(file)], check=True)
        file.unlink()


def test_free_shows_swap_that_is_used(swap: None, container: Container) -> None:
    """96 MiB where 48 MiB fit."""
    container.cgroup.limit_memory(48 * _MIB)
    before = _free(container, "Swap")
    container.spawn(sys.executable, "-S", "-c", _HOLD.format(size=96 * _MIB))
    if not before["total"]:
        pytest.skip("needs swap accounting of the memory controller")

    wait_until(lambda: _free(container, "Swap")["used"] > 40 * _MIB, "swap is used")
    after = _free(container, "Swap")
    assert after["used"] + after["free"] == after["total"] == before["total"]
    row = container.run("cat", "/proc/swaps").splitlines()[1].split()
    assert row[:2] == ["none", "virtual"]
    assert int(row[2]) * 1024 == after["total"]


def test_uptime_counts_from_the_container_s_start(limited: Container) -> None:
    assert re.search(r" up 0 min, .* load average: \d+\.\d\d, \d+\.\d\d, ", limited.run("uptime"))
    assert re.fullmatch(r"up 0 minutes\n|up \n", limited.run("uptime", "-p"))


def test_top_shows_the_container(limited: Container) -> None:
    limited.spawn("sleep", "1000")
    screen = limited.run("top", "-b", "-n1", "-w200")

    total = re.search(r"MiB Mem : +([\d.]+) total", screen)
    assert total is not None
    assert float(total[1]) == 256
    assert re.search(r"up 0 min", screen)
    assert re.search(r"^%Cpu\(s\): *[\d.]+ us,", screen, re.M)
    assert re.search(r"\bsleep$", screen, re.M)


def test_vmstat_shows_the_container(limited: Container) -> None:
    names, numbers = (line.split() for line in limited.run("vmstat", "-S", "K").splitlines()[1:])
    values = dict(zip(names, map(int, numbers), strict=True))

    assert values["free"] <= 256 * 1024
    assert values["buff"] == 0
    assert values["us"] + values["sy"] + values["id"] + values["wa"] + values["st"] >= 99
    assert values["in"] == values["cs"] == 0
    assert limited.run("vmstat", "-s").splitlines()[0].split()[0] == str(256 * 1024)


def test_ps_shows_start_times_that_are_true(limited: Container) -> None:
    """ELAPSED cannot be: ps subtracts a time since the host's boot from the container's uptime."""
    before = int(time.time())
    limited.spawn("sleep", "1000")
    words = limited.run("ps", "-C", "sleep", "-o", "lstart=,%mem=").split()
    started = time.mktime(time.strptime(" ".join(words[:-1])))

    assert before - 1 <= started <= time.time() + 1
    assert 0 <= float(words[-1]) < 10


def test_nproc_shows_the_cpuset(limited: Container) -> None:
    assert limited.run("nproc", "--all") == "1\n"
    assert limited.run("nproc") == "1\n"


def test_getconf_counts_by_the_quota(container: Container) -> None:
    container.cgroup.limit_cpu(50_000)

    assert container.run("getconf", "_NPROCESSORS_ONLN") == "1\n"
    assert container.run("getconf", "_NPROCESSORS_CONF") == "1\n"


def test_lscpu_shows_the_container_s_cpus(limited: Container) -> None:
    fields = {
        entry["field"]: entry["data"] for entry in json.loads(limited.run("lscpu", "-J"))["lscpu"]
    }

    assert fields["CPU(s):"] == "1"
    assert fields["On-line CPU(s) list:"] == "1"
    assert fields["Model name:"] in Path("/proc/cpuinfo").read_text()


def test_psutil_shows_the_container(limited: Container) -> None:
    seen = json.loads(limited.run(sys.executable, "-c", _PSUTIL))

    assert seen["total"] == 256 * _MIB
    assert 0 < seen["used"] < 128 * _MIB
    assert seen["used"] + seen["available"] <= seen["total"]
    assert seen["swap used"] <= seen["swap"]
    assert seen["cpus"] == seen["times"] == 1
    assert 0 <= seen["idle"] < 60
    assert seen["age"] > 0


def test_busybox_shows_the_container(limited: Container) -> None:
    """Its free and uptime do not: they ask sysinfo(2)."""
    assert limited.run("busybox", "head", "-n1", "/proc/meminfo").split()[1] == str(256 * 1024)
    assert limited.run("busybox", "nproc") == "1\n"


def test_busybox_cat_shows_the_container(limited: Container) -> None:
    """It copies with sendfile(2), and if that cannot be, reads."""
    assert limited.run("busybox", "cat", "/proc/meminfo").split()[1] == str(256 * 1024)
    assert limited.run("busybox", "cat", "/sys/devices/system/cpu/kernel_max") == (
        Path("/sys/devices/system/cpu/kernel_max").read_text()
    )
