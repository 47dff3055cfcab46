"""`install containerd`: containers of a real daemon, by ctr."""

import pytest

from tests.runtimes.containerd import MEMORY, running_containerd
from tests.runtimes.machine import Machine
from tests.runtimes.needs import need
from tests.runtimes.views import check_a_kill_goes_unnoticed, check_nothing_shown, check_views
from tests.support.cgroups import TestCgroup
from tests.support.daemon import Daemon, running_daemon

_RUNTIME = ("--runc-binary", "/usr/libexec/lxcfs-py/oci-runtime")


@pytest.fixture(autouse=True)
def _containerd_is_there() -> None:
    need("containerd", "ctr", "runc")


@pytest.fixture
def one_cpu(cgroup: str) -> str:
    """The cgroup for containers; they have CPU 0."""
    TestCgroup(cgroup).limit_cpus("0")
    return cgroup


def test_a_container_of_our_runtime(machine: Machine, one_cpu: str, daemon: Daemon) -> None:
    machine.install("containerd", "--mountpoint", str(daemon.mountpoint))

    with running_containerd(machine, one_cpu) as containerd:
        with containerd.running(*_RUNTIME) as container:
            check_views(container, daemon, MEMORY)
        with containerd.running() as container:
            check_nothing_shown(container)


def test_a_reader_does_not_notice_the_death_of_the_worker(machine: Machine, one_cpu: str) -> None:
    with running_daemon(label="containerd") as daemon:
        machine.install("containerd", "--mountpoint", str(daemon.mountpoint))
        with (
            running_containerd(machine, one_cpu) as containerd,
            containerd.running(*_RUNTIME) as container,
        ):
            check_a_kill_goes_unnoticed(container, daemon, MEMORY)
