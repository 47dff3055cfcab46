"""Pressure files and their triggers, on the real ones of the container's cgroup."""

import errno
import os
import re
import select
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.cgroups import TestCgroup, is_v2
from tests.support.container import Container, own_container, running_container
from tests.support.daemon import Daemon, running_daemon
from tests.support.waiting import PATIENCE, wait_until

# CAP_SYS_RESOURCE may be missing: without it the kernel takes windows of 2 s only.
_TRIGGER = b"some 100000 2000000\0"
_READY = select.POLLIN | select.POLLOUT | select.POLLRDNORM | select.POLLWRNORM

pytestmark = pytest.mark.skipif(
    not Path("/proc/pressure/cpu").exists(), reason="needs /proc/pressure: CONFIG_PSI"
)


@pytest.fixture(scope="module")
def polling(can_mount: None) -> Iterator[Daemon]:
    """A daemon with triggers."""
    with running_daemon("--enable-psi-poll", label="psi") as one:
        yield one


@pytest.fixture
def watched(polling: Daemon) -> Iterator[Container]:
    """A container that reads from that daemon."""
    with own_container("watched") as one:
        yield one


@contextmanager
def _opened(container: Container, daemon: Daemon, name: str) -> Iterator[int]:
    writable = name.startswith("proc/pressure")
    file = container.open(str(daemon.file(name)), os.O_RDWR if writable else os.O_RDONLY)
    try:
        yield file
    finally:
        os.close(file)


def _poll(file: int, events: int, seconds: float) -> int:
    """The events that come in time."""
    poll = select.poll()
    poll.register(file, events)
    return dict(poll.poll(seconds * 1000)).get(file, 0)


def _stall(container: Container) -> None:
    """Make threads wait for the CPU: two that want all of it, with a tenth to share."""
    container.cgroup.limit_cpu(10_000)
    container.spawn("yes")
    container.spawn("yes")


def _stall_for_memory(container: Container) -> None:
    """Who is above memory.high is held up at each step further: cgroup-v2.rst."""
    if not is_v2("memory"):
        pytest.skip("needs the memory controller in cgroup v2: memory.high")
    directory = container.cgroup.directory("memory")
    (directory / "memory.high").write_text(str(8 << 20))
    if (directory / "memory.swap.max").exists():
        (directory / "memory.swap.max").write_text("0")
    container.spawn("sh", "-c", "head -c 100M /dev/zero | tail")


def _stall_for_the_disk(container: Container, disk: Path) -> None:
    """One thread that waits for its writes, one after the other."""
    write = f"dd if=/dev/zero of={disk}/written bs=4k count=1000 oflag=direct conv=notrunc"
    container.spawn("sh", "-c", f"while {write} 2>/dev/null; do :; done")


_STALLS: dict[str, Callable[[Container, Path], None]] = {
    "cpu": lambda container, _: _stall(container),
    "memory": lambda container, _: _stall_for_memory(container),
    "io": _stall_for_the_disk,
}


def _errno_of_write(file: int, text: bytes) -> str:
    try:
        os.write(file, text)
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    return "none"


def test_the_text_is_the_cgroup_s_own(daemon: Daemon) -> None:
    with own_container("stalled") as stalled, own_container("idle") as idle:
        _stall(stalled)
        path = str(daemon.file("proc/pressure/cpu"))

        def total(container: Container) -> int:
            return int(container.read(path).split()[4].removeprefix(b"total="))

        wait_until(lambda: total(stalled) > 300_000, "the busy container stalls")
        assert total(idle) < 200_000
        own = next(
            directory / "cpu.pressure"
            for directory in stalled.cgroup.directories()
            if (directory / "cpu.pressure").exists()
        )
        before = int(own.read_bytes().split()[4].removeprefix(b"total="))
        assert before <= total(stalled)


def test_in_the_root_of_cgroup2_the_host_s_stalls_are_nobody_s(polling: Daemon) -> None:
    assert not Path("/proc/pressure/cpu").read_text().splitlines()[0].endswith("total=0")
    with running_container(TestCgroup("")) as unlimited:
        text = unlimited.read(str(polling.file("proc/pressure/cpu")))
        assert set(re.findall(rb"=(\S+)", text)) == {b"0.00", b"0"}
        with _opened(unlimited, polling, "proc/pressure/cpu") as file:
            assert _errno_of_write(file, _TRIGGER) == errno.errorcode[errno.EOPNOTSUPP]


def test_without_the_option_there_are_no_triggers(daemon: Daemon) -> None:
    with own_container("plain") as plain, _opened(plain, daemon, "proc/pressure/cpu") as file:
        assert _errno_of_write(file, _TRIGGER) == "EINVAL"
        assert _poll(file, select.POLLPRI | select.POLLIN, 5) & select.POLLIN
        assert os.read(file, 4096).startswith(b"some ")


@pytest.mark.parametrize("resource", _STALLS)
def test_a_trigger_fires(disk: Path, polling: Daemon, watched: Container, resource: str) -> None:
    with _opened(watched, polling, f"proc/pressure/{resource}") as file:
        assert os.write(file, _TRIGGER) == len(_TRIGGER)
        assert not _poll(file, select.POLLPRI, 0)
        _STALLS[resource](watched, disk)

        assert _poll(file, select.POLLPRI, 15 * PATIENCE) & select.POLLPRI


def test_a_trigger_waits_for_its_own_container(polling: Daemon, watched: Container) -> None:
    with (
        own_container("other") as other,
        _opened(other, polling, "proc/pressure/cpu") as quiet,
        _opened(watched, polling, "proc/pressure/cpu") as busy,
    ):
        other_trigger = b"some 1900000 2000000\0"
        os.write(quiet, other_trigger)
        os.write(busy, _TRIGGER)
        _stall(watched)

        assert _poll(busy, select.POLLPRI, 15 * PATIENCE) & select.POLLPRI
        assert not _poll(quiet, select.POLLPRI, 0)


def test_a_second_trigger_is_refused(polling: Daemon, watched: Container) -> None:
    with _opened(watched, polling, "proc/pressure/memory") as file:
        os.write(file, _TRIGGER)

        assert _errno_of_write(file, _TRIGGER) == "EBUSY"
        with _opened(watched, polling, "proc/pressure/memory") as another:
            os.write(another, _TRIGGER)


@pytest.mark.parametrize(
    "text",
    [b"some\0", b"none 100000 2000000\0", b"some 3000000 2000000\0", b"some 0 2000000\0",
     b"some 100000 20000000\0", b"some 100000 0\0", b"\0", b"x" * 100,
     b"some 100000 2000000", b"some 100000 20000000"],  # without a NUL the last 0 is lost
)  # fmt: skip
def test_wrong_triggers_get_the_kernel_s_errnos(
    polling: Daemon, watched: Container, text: bytes
) -> None:
    host = os.open("/proc/pressure/cpu", os.O_RDWR)
    try:
        wanted = _errno_of_write(host, text)
    finally:
        os.close(host)
    with _opened(watched, polling, "proc/pressure/cpu") as file:
        assert _errno_of_write(file, text) == wanted


def test_other_files_are_ready_at_once(polling: Daemon, watched: Container) -> None:
    for name in ("proc/meminfo", "proc/stat", "sys/devices/system/cpu/online"):
        with _opened(watched, polling, name) as file:
            assert _poll(file, select.POLLIN, 5) == select.POLLIN
            assert os.read(file, 16)
    with _opened(watched, polling, "proc/pressure/io") as file:
        assert _poll(file, select.POLLPRI | select.POLLIN, 5) & select.POLLIN


def test_a_trigger_goes_with_its_descriptor(polling: Daemon, watched: Container) -> None:
    worker = polling.worker()

    def count() -> int:
        return len(os.listdir(f"/proc/{worker}/fd"))

    with _opened(watched, polling, "proc/pressure/cpu") as file:
        os.read(file, 4096)
        before = count()
        for _ in range(20):
            with _opened(watched, polling, "proc/pressure/cpu") as another:
                os.write(another, _TRIGGER)
                assert count() > before
        wait_until(lambda: count() <= before, "the triggers are gone")
