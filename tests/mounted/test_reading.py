"""Reads of any size, at any offset, by anybody, while limits change."""

import os
import random
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.support.cgroups import TestCgroup
from tests.support.container import Agent, Container
from tests.support.proc import (
    parse_cpu_lines,
    parse_meminfo,
    parse_processors,
    parse_uptime,
    read_again,
)

_MIB = 1 << 20
_FILES = ("meminfo", "stat", "cpuinfo", "uptime", "loadavg", "swaps", "diskstats")
_CPU_LISTS = ("online", "possible", "present")
_CPUS = "/sys/devices/system/cpu"


@contextmanager
def _opened(agent: Agent, path: str, flags: int = os.O_RDONLY) -> Iterator[int]:
    """A file opened inside, for reading here."""
    descriptor = agent.open(path, flags)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("size", [1, 4096, 1 << 20])
@pytest.mark.parametrize("name", ["meminfo", "cpuinfo", "swaps"])
def test_any_buffer_size_reads_the_same_text(container: Container, name: str, size: int) -> None:
    container.cgroup.limit_memory(128 * _MIB)
    with _opened(container, f"/proc/{name}") as file:
        text = re.sub(rb" *\d+", b"#", read_again(file, size))

        assert text == re.sub(rb" *\d+", b"#", container.read(f"/proc/{name}"))


def test_pread_gives_parts_of_the_text_last_read_from_its_beginning(container: Container) -> None:
    with _opened(container, "/proc/meminfo") as file:
        text = os.pread(file, 1 << 20, 0)
        container.cgroup.limit_memory(64 * _MIB)

        assert os.pread(file, 100, 50) == text[50:150]
        assert os.pread(file, 1 << 20, 1000) == text[1000:]
        assert os.pread(file, 20, 0) != text[:20]


def test_pread_of_the_middle_needs_no_earlier_read(container: Container) -> None:
    with _opened(container, "/proc/meminfo") as file:
        assert os.pread(file, 8, 0) == b"MemTotal"
    with _opened(container, "/proc/meminfo") as file:
        assert os.pread(file, 3, 25) == b"kB\n"


def test_there_is_nothing_past_the_end(container: Container) -> None:
    for name in _FILES:
        with _opened(container, f"/proc/{name}") as file:
            size = len(read_again(file))

            assert os.pread(file, 1, size) == b""
            assert os.pread(file, 4096, size + 5_000_000) == b""


def test_a_new_limit_shows_at_the_next_read_from_the_beginning(container: Container) -> None:
    with (
        _opened(container, "/proc/meminfo") as meminfo,
        _opened(container, f"{_CPUS}/online") as online,
    ):
        for mib, cpus in ((64, "0"), (512, "0-1"), (128, "1"), (1024, "0-1")):
            container.cgroup.limit_memory(mib * _MIB)
            container.cgroup.limit_cpus(cpus)

            assert parse_meminfo(read_again(meminfo))["MemTotal"] == mib * 1024
            assert read_again(online) == f"{cpus}\n".encode()


def test_the_files_agree(container: Container) -> None:
    container.cgroup.limit_memory(192 * _MIB)
    for cpus, quota in (("0-1", -1), ("0-1", 50_000), ("1", 200_000), ("0-1", 200_000)):
        container.cgroup.limit_cpus(cpus)
        container.cgroup.limit_cpu(quota)
        lists = {container.read(f"{_CPUS}/{name}") for name in _CPU_LISTS}
        directories = {
            int(name[3:])
            for name in container.call(os.listdir, _CPUS)
            if re.fullmatch(r"cpu\d+", name)
        }
        processors = parse_processors(container.read("/proc/cpuinfo"))
        lines = parse_cpu_lines(container.read("/proc/stat"))
        _, before = parse_uptime(container.read("/proc/uptime"))
        idle = parse_cpu_lines(container.read("/proc/stat"))["cpu"][3] / 100
        _, after = parse_uptime(container.read("/proc/uptime"))

        assert len(lists) == 1
        assert directories == set(processors)
        assert [name for name in lines if name != "cpu"] == [f"cpu{cpu}" for cpu in processors]
        assert lists == {b"0-1\n" if len(processors) == 2 else b"%d\n" % processors[0]}
        assert lines["cpu"] == [
            sum(column) for column in zip(*list(lines.values())[1:], strict=True)
        ]
        assert before <= idle <= after
    swap_total = parse_meminfo(container.read("/proc/meminfo"))["SwapTotal"]
    rows = container.read("/proc/swaps").splitlines()[1:]
    assert sum(int(row.split()[2]) for row in rows) == swap_total


def _shuffle_limits(cgroup: TestCgroup, numbers: random.Random) -> None:
    """Raise or lower one of the limits."""
    which = numbers.randrange(3)
    if which == 0:
        cgroup.limit_memory(numbers.choice((48, 96, 1024, 65536)) * _MIB)
    elif which == 1:
        cgroup.limit_cpu(numbers.choice((-1, 20_000, 100_000, 150_000, 400_000)))
    else:
        cgroup.limit_cpus(numbers.choice(("0", "1", "0-1")))


def test_counters_never_go_backwards_while_limits_change(container: Container) -> None:
    numbers = random.Random(1)
    container.spawn("yes")
    cpus: dict[str, list[int]] = {}
    times: tuple[float, float] = (0.0, 0.0)
    processes = 0
    with (
        _opened(container, "/proc/stat") as stat,
        _opened(container, "/proc/uptime") as uptime,
    ):
        for _ in range(300):
            _shuffle_limits(container.cgroup, numbers)
            text = read_again(stat)
            now_times = parse_uptime(read_again(uptime))
            now_cpus = parse_cpu_lines(text)

            for name, columns in now_cpus.items():
                assert all(map(int.__le__, cpus.get(name, columns), columns)), name
            assert times[0] <= now_times[0]
            assert times[1] <= now_times[1]
            newest = re.search(rb"^processes (\d+)$", text, re.M)
            assert newest is not None
            assert processes <= int(newest[1])
            cpus |= now_cpus
            times, processes = now_times, int(newest[1])


def _check_meminfo(text: bytes) -> None:
    lines = text.decode().splitlines()
    assert all(re.fullmatch(r"\S+: +\d+( kB)?", line) for line in lines)
    assert [line.split()[0] for line in lines] == [
        line.split()[0] for line in Path("/proc/meminfo").read_text().splitlines()
    ]


def _check_stat(text: bytes) -> None:
    lines = parse_cpu_lines(text)
    assert lines["cpu"] == [sum(column) for column in zip(*list(lines.values())[1:], strict=True)]
    assert text.splitlines()[-1].startswith(b"softirq ")


def test_no_reader_gets_a_torn_text(container: Container) -> None:
    """Several at once, with buffers down to one byte, while limits change."""
    readers = [
        ("/proc/stat", 1, 10, _check_stat),
        ("/proc/stat", 7, 50, _check_stat),
        ("/proc/stat", 4096, 200, _check_stat),
        ("/proc/meminfo", 1, 5, _check_meminfo),
        ("/proc/meminfo", 64, 100, _check_meminfo),
        ("/proc/meminfo", 1 << 20, 200, _check_meminfo),
    ]
    numbers = random.Random(2)

    def read(file: int, size: int, times: int, check: Callable[[bytes], None]) -> None:
        for _ in range(times):
            check(read_again(file, size))

    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(len(readers)))
        reading = [
            pool.submit(read, stack.enter_context(_opened(container, path)), size, times, check)
            for path, size, times, check in readers
        ]
        while not all(future.done() for future in reading):
            _shuffle_limits(container.cgroup, numbers)
        for future in reading:
            future.result()
