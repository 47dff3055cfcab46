"""`install nspawn:MACHINE`, and machines that systemd-nspawn starts by their settings."""

from collections.abc import Iterator

import pytest

from tests.lxc.rootfs import systemd_root_filesystem
from tests.runtimes.machine import Machine
from tests.runtimes.needs import need
from tests.runtimes.nspawn import Nspawn, check_machine
from tests.runtimes.views import check_a_kill_goes_unnoticed
from tests.support.cgroups import own_cgroup
from tests.support.daemon import Daemon, running_daemon

_MEMORY = 256


@pytest.fixture(params=[False, True], ids=["host users", "private users"])
def nspawn(machine: Machine, request: pytest.FixtureRequest) -> Iterator[Nspawn]:
    need("systemd-nspawn", "mmdebstrap", "nsenter")
    with own_cgroup("nspawn") as cgroup:
        cgroup.limit_memory(_MEMORY << 20)
        cgroup.limit_cpus("0")
        yield Nspawn(machine, cgroup, private_users=request.param)


def test_a_program_sees_its_own_numbers(nspawn: Nspawn, daemon: Daemon) -> None:
    nspawn.install(daemon)

    with nspawn.running() as container:
        check_machine(container, daemon, _MEMORY)


def test_a_booted_machine_sees_its_own_numbers(nspawn: Nspawn, daemon: Daemon) -> None:
    nspawn.install(daemon)

    with nspawn.booted(systemd_root_filesystem("bookworm")) as container:
        check_machine(container, daemon, _MEMORY)


def test_another_machine_sees_the_host(machine: Machine, nspawn: Nspawn, daemon: Daemon) -> None:
    machine.install("nspawn:another", "--mountpoint", str(daemon.mountpoint))

    with nspawn.running() as container:
        assert container.mounts() == {}


def test_a_reader_does_not_notice_the_death_of_the_worker(machine: Machine, nspawn: Nspawn) -> None:
    with running_daemon(label="nspawn") as daemon:
        nspawn.install(daemon)
        with nspawn.running() as container:
            check_a_kill_goes_unnoticed(container, daemon, _MEMORY)
