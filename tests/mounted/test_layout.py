"""The container's files have the host's lines, columns and widths, and nobody else's activity."""

import os
import re
from pathlib import Path

import pytest

from tests.support.container import Container
from tests.support.daemon import Daemon
from tests.support.proc import parse_cpu_lines, parse_meminfo

_MIB = 1 << 20


def _host(path: str) -> bytes:
    return Path(path).read_bytes()


def _shape(text: bytes) -> bytes:
    """A text without its numbers, but with where they stand."""
    return re.sub(rb" *\d+(?:\.\d+)?", lambda found: b"%d" % len(found[0]), text)


def _keys(text: bytes) -> list[bytes]:
    return [line.split()[0] for line in text.splitlines()]


def test_meminfo_has_the_lines_and_columns_of_the_host(container: Container) -> None:
    container.cgroup.limit_memory(256 * _MIB)

    assert _shape(container.read("/proc/meminfo")) == _shape(_host("/proc/meminfo"))


def test_stat_has_the_lines_and_columns_of_the_host(container: Container) -> None:
    container.cgroup.limit_cpus("1")
    ours, host = container.read("/proc/stat"), _host("/proc/stat")

    assert _keys(ours) == [
        key for key in _keys(host) if key == b"cpu1" or not re.fullmatch(rb"cpu\d+", key)
    ]
    columns = {line.split()[0]: len(line.split(b" ")) for line in host.splitlines()}
    assert {line.split()[0]: len(line.split(b" ")) for line in ours.splitlines()} == {
        key: count for key, count in columns.items() if key in _keys(ours)
    }


def test_cpuinfo_has_the_blocks_of_the_host(container: Container) -> None:
    # Clock rates may change between two readings.
    ours, host = (
        re.sub(rb"(?m)^(cpu MHz.*: ).*", rb"\1", text)
        for text in (container.read("/proc/cpuinfo"), _host("/proc/cpuinfo"))
    )

    assert ours == host


def test_cpuinfo_of_one_cpu_has_one_block_of_the_host(container: Container) -> None:
    container.cgroup.limit_cpus("1")
    ours, host = container.read("/proc/cpuinfo"), _host("/proc/cpuinfo")

    block = host.split(b"\n\n")[1]
    assert [line.partition(b":")[0] for line in ours.splitlines()] == [
        line.partition(b":")[0] for line in (block + b"\n\n").splitlines()
    ]
    assert re.findall(rb"^(?:siblings|cpu cores)\s*: (\d+)", ours, re.M) in ([b"1", b"1"], [])


@pytest.mark.parametrize("path", ["/proc/uptime", "/proc/loadavg"])
def test_one_line_files_have_the_fields_of_the_host(container: Container, path: str) -> None:
    fields = re.compile(rb"\d+")

    assert fields.sub(b"0", container.read(path)) == fields.sub(b"0", _host(path))


def test_swaps_has_the_header_of_the_host(container: Container) -> None:
    assert container.read("/proc/swaps").splitlines()[0] == _host("/proc/swaps").splitlines()[0]


@pytest.mark.parametrize("resource", ["cpu", "memory", "io"])
def test_pressure_has_the_lines_of_the_host(container: Container, resource: str) -> None:
    path = f"/proc/pressure/{resource}"
    if not Path(path).exists():
        pytest.skip(f"needs {path}: the kernel counts no pressure")
    numbers = re.compile(rb"=[\d.]+")

    assert numbers.sub(b"", container.read(path)) == numbers.sub(b"", _host(path))


def test_slabinfo_has_the_header_of_the_host_alone(container: Container) -> None:
    header = _host("/proc/slabinfo").splitlines(keepends=True)[:2]

    assert container.read("/proc/slabinfo") == b"".join(header)


def test_diskstats_has_the_columns_of_the_host_for_what_was_used(
    container: Container, tmp_path: Path
) -> None:
    device = tmp_path.stat().st_dev
    rows = {
        tuple(map(int, line.split()[:2])): line for line in _host("/proc/diskstats").splitlines()
    }
    host = rows.get((os.major(device), os.minor(device)))
    if host is None:
        pytest.skip(f"needs {tmp_path} on a disk")
    _count_writes(container, f"{os.major(device)}:{os.minor(device)}")
    before = container.read("/proc/diskstats")
    container.run("dd", "if=/dev/zero", f"of={tmp_path}/file", "bs=64k", "count=8", "oflag=direct")
    row = container.read("/proc/diskstats")

    assert before == b""
    assert len(row.split()) == len(host.split())
    name = host.split()[2]
    assert row[: row.index(name)] == host[: host.index(name)]
    writes, merged, sectors, *_ = map(int, row.split()[7:])
    assert (writes > 0, merged, sectors) == (True, 0, 8 * 64 * 2)


def _count_writes(container: Container, device: str) -> None:
    """On v1 throttling counts the devices that it has a limit for: give it one that is none."""
    for directory in container.cgroup.directories():
        limit = directory / "blkio.throttle.write_bps_device"
        if limit.exists():
            limit.write_text(f"{device} {1 << 40}")


def test_an_idle_container_shows_nobody_else_s_activity(container: Container) -> None:
    stat = container.read("/proc/stat").decode()
    meminfo = parse_meminfo(container.read("/proc/meminfo"))

    for key in ("intr", "ctxt", "softirq"):
        numbers = re.search(rf"^{key} (.*)$", stat, re.M)
        assert numbers is not None
        assert set(numbers[1].split()) == {"0"}
    assert re.search(r"^processes [1-9]\d?$", stat, re.M), "the container has had few processes"
    assert container.read("/proc/diskstats") == b""
    assert container.read("/proc/loadavg").startswith(b"0.00 0.00 0.00 ")
    assert meminfo["AnonPages"] + meminfo["Cached"] + meminfo["Committed_AS"] < 128 * 1024
    assert meminfo["Buffers"] == meminfo["VmallocUsed"] == 0
    user, _, system, *_ = parse_cpu_lines(stat.encode())["cpu"]
    assert user + system < 500, "the container has not run for 5 s"


def test_no_value_exceeds_its_total(daemon: Daemon, container: Container) -> None:
    """With the page cache of the container at its limit."""
    container.cgroup.limit_memory(32 * _MIB)
    container.run("dd", "if=/dev/zero", "of=/tmp/lxcfs-py-test-cache", "bs=1M", "count=48")
    try:
        values = parse_meminfo(container.read("/proc/meminfo"))
    finally:
        container.run("rm", "/tmp/lxcfs-py-test-cache")

    total = values["MemTotal"]
    assert total == 32 * 1024
    bounded = values.keys() - {"VmallocTotal", "CommitLimit", "Committed_AS", "Hugepagesize"}
    too_high = {
        label: values[label]
        for label in bounded
        if values[label] > total and not label.startswith("DirectMap")
    }
    assert not too_high
    assert values["MemFree"] + values["Cached"] + values["Buffers"] <= total
    assert values["SwapFree"] <= values["SwapTotal"]
