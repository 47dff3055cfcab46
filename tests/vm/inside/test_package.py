"""The package as its users have it: installed, restarted, upgraded, removed, with containers."""

import os
import re
import signal
import subprocess
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple

import pytest

from lxcfs_py import __version__
from tests.lxc.containers import Container
from tests.support.readers import Readers, reading
from tests.support.waiting import wait_until
from tests.vm.inside.conftest import Start
from tests.vm.inside.service import MOUNTPOINT, UNIT, Service, run

_READERS = 4
_FILES = ("/proc/meminfo", "/proc/stat", "/proc/uptime", "/proc/pressure/cpu")
_DROP_IN = Path(f"/run/systemd/system/{UNIT}.d/test.conf")


def _memory(container: Container) -> int:
    """`total` of free, in MiB."""
    return int(container.run("free", "-m").split("Mem:")[1].split()[0])


def _mounts(container: Container) -> list[str]:
    """Where ours are mounted in the container."""
    lines = container.run("cat", "/proc/self/mountinfo").splitlines()
    return [line.split()[4] for line in lines if " - fuse.lxcfs " in line]


def test_a_container_sees_its_own_with_no_further_step(service: Service, start: Start) -> None:
    with start("256M") as container:
        assert _memory(container) == 256
        assert container.run("nproc", "--all") == "1\n"
        assert float(container.run("cat", "/proc/uptime").split()[0]) < 60
        assert re.search(r" up 0 min", container.run("uptime"))


def test_the_unit(service: Service) -> None:
    assert service.show("Type") == "notify"
    assert service.show("SubState") == "running"
    assert run("systemctl", "is-enabled", UNIT) == "enabled\n"
    assert int(service.show("NFileDescriptorStore")) > 0
    assert run("lxcfs-py", "--version").strip().endswith(__version__)
    assert service.status().supervisor == service.main_pid()


def test_the_files_are_those_of_the_package(service: Service) -> None:
    """Whatever `install lxc` would still have to do, the package has done."""
    assert "written" not in run("lxcfs-py", "install", "lxc", "--dry-run")
    done = subprocess.run(["dpkg", "--verify", "lxcfs-py"], capture_output=True, text=True)
    assert done.stdout == ""


def test_a_restart_loses_no_mount(service: Service, start: Start) -> None:
    with start() as container, _reading(container) as readers:
        before, mounts = service.main_pid(), _mounts(container)
        run("systemctl", "restart", UNIT)

        assert service.main_pid() != before
        readers.all_go_on()
        assert _mounts(container) == mounts
        assert _memory(container) == 256


def test_a_kill_of_the_main_process_loses_no_mount(service: Service, start: Start) -> None:
    with start() as container:
        before, mounts = service.main_pid(), _mounts(container)
        os.kill(before, signal.SIGKILL)
        _wait_for_another(service, before)

        assert _memory(container) == 256
        assert _mounts(container) == mounts


def test_a_start_after_a_stop_brings_containers_back(service: Service, start: Start) -> None:
    with start() as container:
        mounts, seen = _mounts(container), _seen(container)
        run("systemctl", "stop", UNIT)
        assert "not connected" in _complaint(container, "cat", "/proc/meminfo")

        run("systemctl", "start", UNIT)
        wait_until(lambda: not _complaint(container, "cat", *_FILES), "it can read again")

        assert _mounts(container) == mounts
        again = _seen(container)
        assert (again.memory, again.online) == (seen.memory, seen.online) == (256, "0")
        assert again.born == pytest.approx(seen.born, abs=1)
        assert again.born > 5  # the machine's uptime when it began
        assert again.cpu_time >= seen.cpu_time > 0


def test_a_reload_is_an_upgrade(service: Service, start: Start) -> None:
    with start() as container, _reading(container) as readers:
        pid, worker = service.main_pid(), service.worker()
        run("systemctl", "reload", UNIT)

        assert service.main_pid() == pid
        assert service.worker() != worker
        readers.all_go_on()


def test_a_service_that_hangs_is_restarted(service: Service, start: Start) -> None:
    """Its watchdog has 30 s; here, 4."""
    _DROP_IN.parent.mkdir(parents=True)
    _DROP_IN.write_text("[Service]\nWatchdogSec=4\n")
    try:
        run("systemctl", "daemon-reload")
        run("systemctl", "restart", UNIT)
        with start() as container:
            before = service.main_pid()
            os.kill(before, signal.SIGSTOP)
            _wait_for_another(service, before)

            assert _memory(container) == 256
            assert "Watchdog timeout" in run("journalctl", "-u", UNIT, "--no-pager")
    finally:
        _DROP_IN.unlink()
        _DROP_IN.parent.rmdir()
        run("systemctl", "daemon-reload")
        run("systemctl", "restart", UNIT)


def test_a_newer_package_takes_over(service: Service, start: Start, tmp_path: Path) -> None:
    newer = _newer_package(tmp_path)
    with start() as container, _reading(container) as readers:
        pid, worker, mounts = service.main_pid(), service.worker(), _mounts(container)
        run("apt-get", "-q", "install", "-y", str(newer))

        assert service.main_pid() == pid
        assert service.worker() != worker
        assert service.status().version == f"{__version__}.1"
        readers.all_go_on()
        assert _mounts(container) == mounts


def test_removed_it_leaves_containers_the_hosts_files(service: Service, start: Start) -> None:
    """But for those that it cannot get at, of which it tells; it is removed nevertheless."""
    (package,) = Path("/srv/tests/package").glob("*.deb")
    with start() as container, start() as covered:
        pid = covered.init_pid()
        inside = ("nsenter", "-t", pid, "-m", "mount", "-n", "--bind")
        run(*inside, "/etc/hostname", "/proc/stat")
        try:
            printed = run("sh", "-c", "apt-get -q remove -y lxcfs-py 2>&1")

            assert _memory(container) == _machines_memory()
            assert _mounts(container) == []
            assert "containers keep dead mounts" in printed
            assert _memory(covered) == _machines_memory()
            assert _mounts(covered) == ["/proc/stat"]
            assert not MOUNTPOINT.joinpath("proc").exists()
        finally:
            run("apt-get", "-q", "install", "-y", str(package))


@pytest.fixture(scope="module", autouse=True)
def no_errors_in_the_journal() -> None:
    """The service complains of nothing before it is harmed."""
    assert MOUNTPOINT.joinpath("proc/meminfo").exists()
    journal = run("journalctl", "-u", UNIT, "--no-pager", "-p", "warning", "-o", "cat")
    assert journal in ("", "-- No entries --\n")


class _Seen(NamedTuple):
    """What a container says of itself."""

    memory: int
    online: str
    born: float
    """Seconds of the machine's uptime, when the container began."""
    cpu_time: int


def _seen(container: Container) -> _Seen:
    uptime = container.run("cat", "/proc/uptime").split()[0]
    machines = Path("/proc/uptime").read_text().split()[0]
    return _Seen(
        memory=_memory(container),
        online=container.run("cat", "/sys/devices/system/cpu/online").strip(),
        born=float(machines) - float(uptime),
        cpu_time=sum(map(int, container.run("cat", "/proc/stat").split()[1:4])),
    )


def _complaint(container: Container, *command: str) -> str:
    """What a command in the container has to say of errors."""
    done = subprocess.run(container.attach(*command), capture_output=True, text=True)
    return done.stderr


def _machines_memory() -> int:
    return int(Path("/proc/meminfo").read_text().split()[1]) >> 10


def _reading(container: Container) -> AbstractContextManager[Readers]:
    return reading(int(container.init_pid()), _READERS, _FILES)


def _wait_for_another(service: Service, before: int) -> None:
    def is_there() -> bool:
        return service.main_pid() not in (0, before) and service.show("SubState") == "running"

    wait_until(is_there, "the service runs again", 30)


def _newer_package(directory: Path) -> Path:
    """The installed package, as a newer version."""
    (package,) = Path("/srv/tests/package").glob("*.deb")
    tree = directory / "tree"
    run("dpkg-deb", "-R", str(package), str(tree))
    for path in (tree / "DEBIAN/control", *tree.rglob("lxcfs_py/__init__.py")):
        text = path.read_text()
        assert __version__ in text
        path.write_text(text.replace(__version__, f"{__version__}.1"))
    newer = directory / "lxcfs-py.deb"
    run("dpkg-deb", "-b", str(tree), str(newer))
    return newer
