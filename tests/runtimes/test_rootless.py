"""Containers of a user who is not root, by a daemon that is: docs/rootless.md."""

import pytest

from tests.runtimes.machine import Machine
from tests.runtimes.needs import need
from tests.runtimes.user import User
from tests.runtimes.views import (
    check_a_kill_goes_unnoticed,
    check_nothing_shown,
    check_numbers,
    check_views,
)
from tests.support.cgroups import TestCgroup
from tests.support.daemon import Daemon, running_daemon

_SESSION = 256
"""MiB that all of the user's programs may have."""


@pytest.fixture
def user(machine: Machine, cgroup: str) -> User:
    need("setpriv", "newuidmap", "nsenter", "taskset")
    session = TestCgroup(cgroup)
    session.limit_memory(_SESSION << 20)
    session.limit_cpus("0")
    return User(machine, session)


@pytest.mark.parametrize("runtime", ["crun", "runc"])
def test_podman_by_the_hook(machine: Machine, user: User, daemon: Daemon, runtime: str) -> None:
    """Without a cgroup of its own a container has the limits of the session."""
    need("podman", runtime)
    machine.install("podman", "--mountpoint", str(daemon.mountpoint))

    with user.podman(runtime) as container:
        check_views(container, daemon, _SESSION)


@pytest.mark.parametrize("runtime", ["crun", "runc"])
def test_podman_by_volumes(user: User, daemon: Daemon, runtime: str) -> None:
    need("podman", runtime)
    paths = ("/proc/meminfo", "/proc/uptime", "/proc/loadavg", "/sys/devices/system/cpu")
    volumes = [f"--volume={daemon.mountpoint}{path}:{path}:ro" for path in paths]

    with user.podman(runtime, *volumes) as container:
        check_numbers(container, _SESSION)
        assert set(container.mounts()) == set(paths)


def test_podman_without_either(user: User, daemon: Daemon) -> None:
    need("podman", "crun")

    with user.podman("crun") as container:
        check_nothing_shown(container)


def test_a_reader_does_not_notice_the_death_of_the_worker(machine: Machine, user: User) -> None:
    need("podman", "crun")
    with running_daemon(label="rootless") as daemon:
        machine.install("podman", "--mountpoint", str(daemon.mountpoint))
        with user.podman("crun") as container:
            check_a_kill_goes_unnoticed(container, daemon, _SESSION)


def test_lxc(machine: Machine, user: User, daemon: Daemon) -> None:
    need("lxc-start")
    machine.install("lxc", "--mountpoint", str(daemon.mountpoint))

    with user.lxc() as container:
        check_views(container, daemon, _SESSION)


def test_lxc_in_a_delegated_cgroup(machine: Machine, user: User, daemon: Daemon) -> None:
    """Its own limits count."""
    need("lxc-start")
    machine.install("lxc", "--mountpoint", str(daemon.mountpoint))
    user.own_session()

    with user.lxc("lxc.cgroup.memory.limit_in_bytes = 128M") as container:
        check_views(container, daemon, 128)
