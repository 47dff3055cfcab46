"""Whatever ends the worker or the template: readers wait a moment and go on."""

import os
import re
import signal
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lxcfs_py.daemon.supervisor import NO_RESEND
from tests.support.cgroups import own_cgroup
from tests.support.container import Container, own_container
from tests.support.daemon import Daemon, running_daemon
from tests.support.proc import parse_uptime
from tests.support.readers import reading
from tests.support.waiting import wait_until

_MIB = 1 << 20


@pytest.fixture
def daemon(can_mount: None) -> Iterator[Daemon]:
    """A daemon that a test may harm."""
    with running_daemon(label="crashes") as running:
        yield running


@pytest.fixture
def container(daemon: Daemon) -> Iterator[Container]:
    """A container with 64 MiB, on CPU 0."""
    with own_container("crashes", files=daemon.mountpoint) as one:
        one.cgroup.limit_memory(64 * _MIB)
        one.cgroup.limit_cpus("0")
        yield one


def _memory_total(container: Container) -> int:
    return int(container.read("/proc/meminfo").split()[1]) << 10


def _field(pid: int, name: str) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    (value,) = re.findall(rf"^{name}:\s+(\d+)", status, re.M)
    return int(value)


def test_the_supervisor_is_small(daemon: Daemon) -> None:
    pid = daemon.process.pid
    maps = Path(f"/proc/{pid}/maps").read_text()

    assert _field(pid, "VmRSS") < 25 << 10
    assert _field(pid, "Threads") == 1
    assert "pyfuse3" not in maps
    assert "libfuse" not in maps


def test_the_next_worker_serves_soon(
    daemon: Daemon, container: Container, capsys: pytest.CaptureFixture[str]
) -> None:
    reader = container.open("/proc/uptime")
    gaps = []
    for _ in range(20):
        worker = daemon.worker()
        os.kill(worker, signal.SIGKILL)
        begun = time.monotonic()
        assert os.pread(reader, 100, 0)
        gaps.append(time.monotonic() - begun)
        daemon.next_worker(worker)
    os.close(reader)

    with capsys.disabled():
        median, longest = statistics.median(gaps), max(gaps)
        print(f"\ngap: median {median * 1000:.0f} ms, longest {longest * 1000:.0f} ms")
    assert statistics.median(gaps) < 0.2


def test_counters_never_go_back(daemon: Daemon, container: Container) -> None:
    last = (0.0, 0.0)
    for _ in range(10):
        worker = daemon.worker()
        now = parse_uptime(container.read("/proc/uptime"))
        assert all(new >= old for new, old in zip(now, last, strict=True))
        last = now
        os.kill(worker, signal.SIGKILL)
        daemon.next_worker(worker)


def test_a_text_goes_on_in_the_middle(daemon: Daemon, container: Container) -> None:
    with own_container("other", files=daemon.mountpoint) as other:
        reader = container.open("/proc/meminfo")
        pieces = []
        while piece := os.read(reader, 100):
            pieces.append(piece)
            worker = daemon.worker()
            os.kill(worker, signal.SIGKILL)
            daemon.next_worker(worker)
            assert other.read("/proc/meminfo")  # somebody else's text is not mixed in
        os.close(reader)
        lines = b"".join(pieces).splitlines()

    assert [line.split(b":")[0] for line in lines] == [
        line.split(b":")[0] for line in container.read("/proc/meminfo").splitlines()
    ]
    assert int(lines[0].split()[1]) << 10 == 64 * _MIB


def test_a_worker_out_of_memory(daemon: Daemon, container: Container) -> None:
    worker = daemon.worker()
    with own_cgroup("oom") as cgroup, reading(container.pid, 4) as readers:
        cgroup.limit_memory(4096)
        cgroup.add(worker)
        daemon.next_worker(worker)
        readers.all_go_on()


def test_a_worker_that_does_not_answer(daemon: Daemon, container: Container) -> None:
    worker = daemon.worker()
    with reading(container.pid, 4) as readers:
        os.kill(worker, signal.SIGSTOP)
        daemon.next_worker(worker)
        readers.all_go_on()

    assert "has not answered" in daemon.log.read_text()


def test_a_template_is_made_again(daemon: Daemon, container: Container) -> None:
    worker = daemon.worker()
    os.kill(_template(daemon), signal.SIGKILL)
    wait_until(lambda: "the template has ended" in daemon.log.read_text(), "it is noticed")
    assert daemon.worker() == worker
    assert _memory_total(container) == 64 * _MIB

    os.kill(worker, signal.SIGKILL)

    assert _memory_total(container) == 64 * _MIB
    assert daemon.next_worker(worker)


def _template(daemon: Daemon) -> int:
    pid = daemon.process.pid
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text())


def test_what_fails_again_and_again_is_tried_less_often(installed: Path) -> None:
    with running_daemon(label="fails", code=installed) as daemon:
        load = installed / "lxcfs_py/daemon/template.py"
        good = load.read_text()
        load.write_text("def\n")
        reader = os.open(daemon.file("proc/uptime"), os.O_RDONLY)
        os.kill(_template(daemon), signal.SIGKILL)
        os.kill(daemon.worker(), signal.SIGKILL)

        def pauses() -> list[float]:
            words = re.findall(r"do not last: the next one in (\S+) s", daemon.log.read_text())
            return [float(word) for word in words]

        wait_until(lambda: len(pauses()) >= 4, "it pauses for longer each time", 30)
        load.write_text(good)

        assert pauses()[:4] == [0.2, 0.4, 0.8, 1.6]
        assert os.read(reader, 100)  # waits for the next worker
        os.close(reader)


def test_workers_that_are_killed_all_the_time_are_replaced_less_often(daemon: Daemon) -> None:
    kills = 0
    worker = 0
    while "do not last" not in daemon.log.read_text():
        worker = daemon.next_worker(worker)
        os.kill(worker, signal.SIGKILL)
        kills += 1
        assert kills < 1000

    assert daemon.file("proc/uptime").read_text()


def test_sigusr2_shows_the_hosts_text_to_all(daemon: Daemon, container: Container) -> None:
    def shown() -> tuple[int, str]:
        online = container.read("/sys/devices/system/cpu/online").decode().strip()
        return _memory_total(container), online

    own = (64 * _MIB, "0")
    meminfo = Path("/proc/meminfo").read_text()
    host = (
        int(meminfo.split()[1]) << 10,
        Path("/sys/devices/system/cpu/online").read_text().strip(),
    )
    assert shown() == own

    os.kill(daemon.process.pid, signal.SIGUSR2)
    wait_until(lambda: shown() == host, "the container sees the host's")

    worker = daemon.worker()
    os.kill(worker, signal.SIGKILL)
    daemon.next_worker(worker)
    assert shown() == host

    os.kill(daemon.process.pid, signal.SIGUSR2)
    wait_until(lambda: shown() == own, "the container sees its own")


@pytest.fixture(params=["resent", "replayed"])
def delivery(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before Linux 6.9 the kernel does not deliver again what the worker had in hand."""
    if request.param == "replayed":
        monkeypatch.setenv(NO_RESEND, "1")


def test_nobody_waits_for_a_worker_that_has_gone(
    can_mount: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(NO_RESEND, "1")
    with (
        running_daemon(label="replay") as daemon,
        own_container("replay", files=daemon.mountpoint) as container,
        reading(container.pid, 8) as readers,
    ):
        while daemon.log.read_text().count("had in hand") < 10:
            worker = daemon.worker()
            os.kill(worker, signal.SIGKILL)
            daemon.next_worker(worker)
        readers.all_go_on()


@pytest.mark.usefixtures("delivery")
def test_a_request_that_ends_workers_is_refused(installed: Path) -> None:
    swaps = installed / "lxcfs_py/files/swaps.py"
    swaps.write_text(
        swaps.read_text().replace(
            "    total, used =", "    __import__('os').abort()\n    total, used ="
        )
    )
    with (
        running_daemon(label="deadly", code=installed) as daemon,
        own_container("deadly", files=daemon.mountpoint) as container,
    ):
        with pytest.raises(OSError, match="Input/output error"):
            container.read("/proc/swaps")

        assert daemon.log.read_text().count("the worker has ended") == 3
        assert container.read("/proc/uptime")
