"""A daemon's configuration: what it switches off, and what an upgrade makes of a new one."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.container import Container, own_container
from tests.support.daemon import Daemon, running_daemon
from tests.support.proc import parse_meminfo
from tests.support.waiting import wait_until

_MIB = 1 << 20
_LIMIT = 64 * _MIB


@dataclass(frozen=True)
class Configured:
    """A daemon with a configuration file, and a container that sees its files."""

    daemon: Daemon
    container: Container
    file: Path

    def reload(self, text: str) -> str:
        """Have another configuration hold; what the command has printed."""
        self.file.write_text(text)
        done = self.daemon.upgrade()
        return done.stdout + done.stderr

    def total_kb(self) -> int:
        """What the container is told of its memory."""
        return parse_meminfo(self.container.read("/proc/meminfo"))["MemTotal"]


@pytest.fixture
def configured(can_mount: None, tmp_path: Path) -> Iterator[Configured]:
    file = tmp_path / "lxcfs-py.conf"
    file.touch()
    with (
        running_daemon("--config", str(file), label="config") as daemon,
        own_container("config", files=daemon.mountpoint) as container,
    ):
        container.cgroup.limit_memory(_LIMIT)
        yield Configured(daemon, container, file)


def _host_total_kb() -> int:
    return parse_meminfo(Path("/proc/meminfo").read_bytes())["MemTotal"]


def test_the_command_line_goes_before_the_file(can_mount: None, tmp_path: Path) -> None:
    file = tmp_path / "conf"
    file.write_text('mountpoint = "/nowhere"\nlog-format = "json"\n')
    with running_daemon("--config", str(file), label="config") as daemon:
        assert daemon.file("proc/uptime").read_text()
        assert daemon.log.read_text().startswith("{")


def test_a_file_that_is_switched_off_is_not_there(configured: Configured) -> None:
    served = configured.daemon.mountpoint
    configured.reload('disable-files = ["/proc/loadavg", "/proc/pressure"]')

    assert not {"loadavg", "pressure"} & set(os.listdir(served / "proc"))
    assert {"meminfo", "uptime"} <= set(os.listdir(served / "proc"))
    with pytest.raises(FileNotFoundError):
        (served / "proc/pressure/no-such-file").read_text()
    configured.reload("")
    assert {"loadavg", "pressure"} <= set(os.listdir(served / "proc"))


def test_a_container_that_has_it_sees_the_hosts_text(configured: Configured) -> None:
    assert configured.total_kb() == _LIMIT >> 10
    descriptor = configured.container.open("/proc/meminfo")
    configured.reload('disable-files = ["/proc/meminfo", "/sys/devices/system/cpu"]')

    assert configured.total_kb() == _host_total_kb()
    assert parse_meminfo(os.pread(descriptor, 65536, 0))["MemTotal"] == _host_total_kb()
    os.close(descriptor)
    configured.reload("")
    assert configured.total_kb() == _LIMIT >> 10


def test_the_directory_of_cpus_can_be_switched_off(configured: Configured) -> None:
    directory = "/sys/devices/system/cpu"
    configured.container.cgroup.limit_cpus("0")
    assert configured.container.read(f"{directory}/online") == b"0\n"
    configured.reload(f'disable-files = ["{directory}"]')

    host = Path(directory, "online").read_bytes()
    assert configured.container.read(f"{directory}/online") == host
    assert os.listdir(configured.daemon.file("sys/devices/system")) == []


def test_containers_can_be_exempt(configured: Configured) -> None:
    with own_container("other", files=configured.daemon.mountpoint) as other:
        other.cgroup.limit_memory(_LIMIT)
        path = _cgroup_of(configured.container)
        configured.reload(f'exempt-cgroups = ["{path[:-1]}?"]')

        assert configured.total_kb() == _host_total_kb()
        assert parse_meminfo(other.read("/proc/meminfo"))["MemTotal"] == _LIMIT >> 10


def _cgroup_of(container: Container) -> str:
    lines = Path(f"/proc/{container.pid}/cgroup").read_text().splitlines()
    return max((line.split(":", 2)[2] for line in lines), key=len)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("strict = 1", ":1: strict: 1: true or false is allowed"),
        ('runtime-dir = "/x"\nmountpoint = "/y"\nkeep-connection = true', "keep-connection cannot"),
    ],
)
def test_what_cannot_hold_leaves_what_holds(configured: Configured, text: str, why: str) -> None:
    configured.reload('disable-files = ["/proc/swaps"]')
    worker = configured.daemon.worker()

    assert why in configured.reload(text)
    assert why in configured.daemon.log.read_text()
    assert configured.daemon.worker() == worker
    # Nor does a later death bring it in.
    os.kill(worker, 9)
    configured.daemon.next_worker(worker)
    assert "swaps" not in os.listdir(configured.daemon.file("proc"))


def test_the_next_supervisor_has_what_its_last_upgrade_had(configured: Configured) -> None:
    configured.reload('log-format = "json"')
    log = configured.daemon.log
    wait_until(lambda: "the supervisor is version" in log.read_text(), "it was replaced")
    configured.file.write_text("strict = 1")

    assert log.read_text().splitlines()[-1].startswith("{")
    assert configured.total_kb() == _LIMIT >> 10
