"""PSI triggers go on when the worker that set them has gone, and so do those who wait for them."""

import os
import select
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.container import Container, own_container
from tests.support.daemon import Daemon, running_daemon

_TRIGGER = b"some 100000 2000000\0"  # 0.1 s of waiting in 2 s, which anybody may ask for
_SECONDS = 20.0
_TOO_LONG = 60.0

pytestmark = pytest.mark.skipif(not Path("/proc/pressure/cpu").exists(), reason="needs PSI")


@pytest.fixture
def daemon(can_mount: None) -> Iterator[Daemon]:
    """A daemon with triggers."""
    with running_daemon("--enable-psi-poll", label="triggers") as running:
        yield running


@pytest.fixture
def container(daemon: Daemon) -> Iterator[Container]:
    """A container on CPU 0."""
    with own_container("triggers", files=daemon.mountpoint) as one:
        one.cgroup.limit_cpus("0")
        yield one


@contextmanager
def _trigger(container: Container) -> Iterator[int]:
    """A pressure file that was opened inside, with a trigger set."""
    file = container.open("/proc/pressure/cpu", os.O_RDWR | os.O_NONBLOCK)
    try:
        os.write(file, _TRIGGER)
        yield file
    finally:
        os.close(file)


def _events(file: int, seconds: float) -> int:
    poll = select.poll()
    poll.register(file, select.POLLPRI)
    return dict(poll.poll(seconds * 1000)).get(file, 0)


def _press(container: Container) -> list[int]:
    """Have processes of the container wait for its CPU; their numbers in it."""
    return [container.spawn("sh", "-c", "while :; do :; done") for _ in range(3)]


def _kill(daemon: Daemon) -> None:
    worker = daemon.worker()
    os.kill(worker, signal.SIGKILL)
    daemon.next_worker(worker)


def _upgrade(daemon: Daemon) -> None:
    assert daemon.upgrade().returncode == 0


@pytest.mark.parametrize("replace", [_kill, _upgrade])
def test_who_waits_is_told_by_the_next_worker(
    daemon: Daemon, container: Container, replace: Callable[[Daemon], None]
) -> None:
    with _trigger(container) as file, ThreadPoolExecutor() as pool:
        waits: Future[int] = pool.submit(_events, file, _TOO_LONG)
        replace(daemon)
        replace(daemon)
        assert not waits.done()

        _press(container)

        # At its own timeout poll(2) would look once more, without having been told.
        assert waits.result(_SECONDS) == select.POLLPRI


def test_an_event_that_nobody_has_asked_for_yet_is_kept(
    daemon: Daemon, container: Container
) -> None:
    with _trigger(container) as file, _trigger(container) as other:
        pressing = _press(container)
        # Both have the same window.
        assert _events(other, _SECONDS) == select.POLLPRI
        for pid in pressing:
            container.call(os.kill, pid, signal.SIGKILL)
        _kill(daemon)

        assert _events(file, _SECONDS) == select.POLLPRI


def test_a_trigger_goes_with_its_descriptor(daemon: Daemon, container: Container) -> None:
    def kept() -> int:
        links = Path(f"/proc/{daemon.process.pid}/fd").iterdir()
        return sum("cpu.pressure" in os.readlink(link) for link in links)

    with _trigger(container):
        _kill(daemon)
        assert kept() == 1
    daemon.file("proc/uptime").read_text()  # a release is not waited for, but comes in order

    _kill(daemon)
    assert kept() == 0


def test_the_end_of_the_cgroup_is_told_once_and_for_all(daemon: Daemon) -> None:
    with own_container("ends", files=daemon.mountpoint) as container:
        file = container.open("/proc/pressure/cpu", os.O_RDWR | os.O_NONBLOCK)
        os.write(file, _TRIGGER)
    worker = daemon.worker()
    spent = _cpu_ticks(worker)

    for _ in range(3):
        assert _events(file, _SECONDS) & select.POLLERR
    os.close(file)
    assert _cpu_ticks(worker) - spent < 10
    _kill(daemon)


def _cpu_ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])
